"""A labelled folder of what officers have said about hits, for the next model: what `model evaluate` reads.

Only alarms come here: what no model alarmed on is not in it, so it says how often alarms are right, not what is missed.
Projected threats, exercises, what was not searched and what is still open are left out.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.clock import Clock
from drivers.errors import StoreError
from edge import codes
from edge.evidence.export import SUFFIXES
from edge.evidence.rows import revisions
from edge.figures import Outcome, outcomes
from edge.ledger.inbox import Visit, leave
from edge.signing import whoami
from inference.evaluate.labels import LABELS

_SUFFIXES = {**SUFFIXES, "application/octet-stream": ".bin"}


@dataclass(frozen=True, slots=True)
class Made:
    """How many pictures went into a folder, by what they are labelled; and why others did not."""

    threats: int
    benign: int
    left_out: dict[str, int]


def make(data_dir: Path, out: Path, since_ns: int, until_ns: int, clock: Clock) -> Made:
    """Write the labelled folder `out`, which must not be there yet, and note who took it.

    Raises StoreError, also where what is kept is not the bytes that were committed.
    """
    if out.exists():
        raise StoreError(f"{out} is there already; a data set is never written over")
    hits = list(outcomes(data_dir, since_ns, until_ns))
    left_out = Counter(why for hit in hits if (why := _why_not(hit)))
    chosen = [hit for hit in hits if not _why_not(hit)]
    leave(data_dir, Visit(kind="dataset", at=clock.now().rfc3339(), by=whoami(), about={"hits": len(chosen)}))
    lines, counts = [], Counter[bool]()
    try:
        out.mkdir(mode=0o750)
        for hit, line, picture in _labelled(data_dir, chosen, left_out):
            (out / line["file"]).write_bytes(picture)
            lines.append(json.dumps(line, ensure_ascii=False))
            counts[hit.word in codes.CONFIRMED] += 1
        (out / LABELS).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{out}: {error.strerror}") from error
    return Made(counts[True], counts[False], dict(sorted(left_out.items())))


def _why_not(hit: Outcome) -> str:
    """Return why a hit is not in the data set, "" where it is."""
    if hit.exercise:
        return "an exercise"
    if hit.word not in codes.CONFIRMED | codes.FOUND_NOTHING:
        return hit.word.replace("_", " ")
    return "" if hit.data.get("evidence") else "no picture"


def _labelled(
    data_dir: Path, hits: list[Outcome], left_out: Counter[str]
) -> Iterator[tuple[Outcome, dict[str, Any], bytes]]:
    """Yield each hit with its line and its picture, bit for bit; a purged one is counted as left out."""
    for hit in hits:
        row = revisions(data_dir, hit.data["hit_id"])[-1]
        if row.purged_ns is not None or row.path is None:
            left_out["purged"] += 1
            continue
        try:
            picture = (data_dir / row.path).read_bytes()
        except OSError as error:
            raise StoreError(f"{data_dir / row.path}: {error.strerror}") from error
        if hashlib.sha256(picture).hexdigest() != row.evidence:
            raise StoreError(f"{data_dir / row.path}: not the bytes that were committed")
        yield hit, _line(hit, _SUFFIXES.get(row.media_type or "", ".bin")), picture


def _line(hit: Outcome, suffix: str) -> dict[str, Any]:
    """Return a hit's line: boxes are the model's, the truth is the officer's; no person and no bag tag is in it."""
    assert hit.said is not None
    data, commodity = hit.data, hit.said.get("commodity")
    threats = []
    if hit.word in codes.CONFIRMED:
        threats = [
            {
                "label": commodity or threat["label"],
                "category": threat["category"],
                **({"box": threat["box"], "view": threat.get("view") or 0} if threat.get("box") else {}),
            }
            for threat in data["threats"]
        ]
    return {
        "file": f"{data['hit_id']}{suffix}",
        "bag": data["item"]["scan_id"],
        "threats": threats,
        "outcome": hit.word,
        "concealment": hit.said.get("concealment"),
        "device": data["device"],
        "score": data.get("score"),
        "model": data.get("model"),
    }
