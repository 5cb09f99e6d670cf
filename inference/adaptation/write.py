"""Writes an adapted package: the shipped one with another last layer and other points, and how that came about."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from inference.adaptation.trial import Figures
from inference.build import build, pack
from inference.calibrate import Fit, Point
from inference.manifest import Manifest
from inference.model import Model


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the adapted package does beside the shipped one, and on what: each pair is (shipped, adapted).

    `site` is on the site's bags kept apart, with threats put in by an operator that fitted nothing; `simulated` on
    whole simulated bags, where nothing was put in. `gain` is of the site's AUROC, with its 95 % interval.
    """

    site: tuple[Figures, Figures]
    simulated: tuple[Figures, Figures]
    gain: tuple[float, float, float]
    pairs: tuple[int, int]
    points: Fit
    pfa_before: Point
    bags: int
    fitted: int
    days: tuple[date, date]
    files_sha256: str
    seed: int


def write(out: Path, shipped: Model, graph: bytes, outcome: Outcome, threads: int) -> Model:
    """Write the package of `graph`, the shipped one with another last layer; return its model, proven.

    `out` is a folder, or a zip by its name, and is written whole or not at all.
    Raises ModelError and OSError.
    """
    manifest = shipped.manifest
    version = f"{manifest.version.partition('+')[0]}+site.{outcome.files_sha256[:8]}.{outcome.seed}"
    points = {"normal": outcome.points.normal.threshold, "elevated": outcome.points.elevated.threshold}
    text = head_of(manifest, {"version": version, "operating_points": points})
    golden = {f"golden-{number}": pictures for number, pictures in enumerate(shipped.golden_scans())}
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as temporary:
        folder = Path(temporary) / "package"
        model = build(folder, text, graph, card(shipped, version, outcome), golden, threads)
        if out.suffix == ".zip":
            whole = Path(temporary) / "package.zip"
            pack(folder, whole)
            whole.rename(out)
        else:
            shutil.move(folder, out)
    return model


def card(shipped: Model, version: str, outcome: Outcome) -> str:
    """Return the card: what it was adapted on, the figures before and after, then the shipped package's card."""
    first, last = (day.isoformat() for day in outcome.days)
    rows = "".join(
        f"| {where}, {name} | {figures.auroc:.3f} | {figures.pfa_at_pd90:.2f} | {figures.pointing:.2f} |\n"
        for where, both in (("this site's bags", outcome.site), ("simulated bags", outcome.simulated))
        for name, figures in zip(("shipped", "adapted"), both, strict=True)
    )
    gain, low, high = outcome.gain
    normal, elevated = outcome.points.normal, outcome.points.elevated
    return f"""\
# {shipped.name} {version}

{shipped.name} {shipped.version} (model.onnx SHA-256 `{shipped.sha256}`) with its last layer fitted to one scanner, on
the appliance, from pictures of ordinary bags. The rest of the network is as shipped. No picture of the site is in this
package: its golden scans are the shipped package's.

| | |
|---|---|
| ordinary bags | {outcome.bags}, written from {first} to {last}; {outcome.fitted} of them fitted the layer |
| SHA-256 of the list of their SHA-256 | `{outcome.files_sha256}` |
| seed | {outcome.seed} |

Threats are simulated and put into the bags as this scanner would show them. The figures are on {outcome.pairs[0]} of
the site's bags that had no part in the fit, with threats put in by an operator that had none either, and on
{outcome.pairs[1]} whole simulated bags in which nothing was put in: there, nothing but threats can be learned.

| on | AUROC | PFA at PD .90 | peak at the threat |
|---|---|---|---|
{rows}
Gain of AUROC on this site's bags: {gain:+.3f} (95 % interval {low:+.3f} to {high:+.3f}, bags being drawn anew).

It alarms from {normal.threshold:g} on (elevated: {elevated.threshold:g}): on {normal.alarms} ({elevated.alarms}) of the
{normal.bags} bags kept apart, where the shipped package alarmed on {outcome.pfa_before.alarms} at its own threshold.
`jaitf-edge model calibrate` fits these points to a wanted false-alarm rate.

A site's own figures say how it does with threats like the simulator's. Real threats are the test that counts.

---

{shipped.package.card}"""


def head_of(manifest: Manifest, changes: dict[str, Any]) -> str:
    """Return a manifest as TOML, with changes; golden scans, hashes and signature are each package's own."""
    left_out = {"golden", "files", "signature"}
    table = manifest.model_dump(mode="json", exclude=left_out, exclude_none=True) | changes
    return "".join(_toml(table))


def _toml(table: dict[str, Any]) -> Iterator[str]:
    """Yield a manifest's tables: keys, tables and lists of tables, one level deep, but for tables within them."""
    for key, value in table.items():
        if not _is_table(value):
            yield f"{key} = {_value(value)}\n"
    for key, value in table.items():
        if isinstance(value, dict):
            yield f"\n[{key}]\n"
            yield from (f"{name} = {_value(entry)}\n" for name, entry in value.items())
        elif _is_table(value):
            for each in value:
                yield f"\n[[{key}]]\n"
                yield from (f"{name} = {_value(entry)}\n" for name, entry in each.items())


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_value(entry)}" for name, entry in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(entry) for entry in value)}]"
    if isinstance(value, bool | int | float):
        return repr(value).lower()
    # TOML's basic strings are JSON's, but for the delete character.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007F")
