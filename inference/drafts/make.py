"""From a drafted manifest to a package that has proved itself."""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from drivers.contract import Picture
from drivers.errors import ModelError
from inference.build import build, pack
from inference.drafts.export import Export
from inference.model import Model, load
from inference.package import MANIFEST
from inference.training.bags import HABITS, bag, write

_GOLDEN_COLUMNS = 300
_CARD = """# {name} {version}

Imported from `{file}` by `jaitf-edge model import` ({exporter}). Nothing here was measured: before it judges anybody's
bag, `jaitf-edge model evaluate` says how good it is on a labelled folder, and `jaitf-edge model calibrate` fits its
operating points.

## What the file says of itself

{said}
"""


def golden() -> dict[str, Sequence[Picture]]:
    """Return the golden scans of an imported package: two rough bags, so that none holds a picture of the site."""
    return {
        name: [write(bag(np.random.default_rng(seed), threat, _GOLDEN_COLUMNS), HABITS[0], np.random.default_rng(seed))]
        for name, threat, seed in (("pistol", True, 4), ("ordinary", False, 5))
    }


def without_answers(manifest: str) -> str:
    """Return a package's manifest without its golden scans and hashes, which are made anew; comments stay."""
    lines = []
    for line in manifest.splitlines():
        if line.strip() in ("[[golden]]", "[files]"):
            break
        lines.append(line)
    return "\n".join(lines).rstrip() + "\n"


def make(export: Export, head: str, exporter: str, out: Path, replace: bool = False) -> Model:
    """Write a package of an export and a manifest's `head`: a zip where `out` is called so, else a folder.

    Nothing is at `out` before the package has proved itself. Returns its model. Raises ModelError where it does not,
    or where something is there already that is not to be replaced.
    """
    if out.exists() and not replace:
        raise ModelError(f"{out} is already there; --replace replaces a package")
    if out.is_dir() and not (out / MANIFEST).is_file():
        raise ModelError(f"{out} is already there, and no package")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".import-", dir=out.parent) as work:
            folder, archive = Path(work) / "package", Path(work) / "package.zip"
            build(folder, head, export.model, _card(export, exporter, head), golden())
            if out.suffix == ".zip":
                pack(folder, archive)
                archive.replace(out)
            else:
                if out.exists():
                    shutil.rmtree(out)
                folder.replace(out)
    except OSError as error:
        raise ModelError(f"{out}: {error.strerror or error}") from error
    return load(out, 1)


def _card(export: Export, exporter: str, head: str) -> str:
    try:
        manifest = tomllib.loads(head)
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{MANIFEST}: {error}") from None
    said = [" ".join(f"- {key}: {value[:300]}".split()) for key, value in sorted(export.metadata.items())]
    return _CARD.format(
        name=manifest.get("name"),
        version=manifest.get("version"),
        file=export.path.name,
        exporter=exporter,
        said="\n".join(said) or "Nothing.",
    )
