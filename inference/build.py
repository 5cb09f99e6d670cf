"""Writes a model package: the graph, its golden scans with the graph's own answers, the card, and the manifest."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from drivers.contract import Picture
from drivers.errors import ModelError
from inference.decoders import decode
from inference.look import look_at, views
from inference.manifest import parse
from inference.model import Model
from inference.normalise import pixels
from inference.package import CARD, MANIFEST, MODEL, read
from inference.prepare import prepare
from inference.runtime import Runtime

GOLDEN = "golden"


def build(
    folder: Path, head: str, model: bytes, card: str, golden: Mapping[str, Sequence[Picture]], threads: int = 1
) -> Model:
    """Write a package into `folder` and return its model, loaded as anyone would load it.

    `head` is the manifest (TOML) without `[[golden]]` and `[files]`; `golden` holds scans by name, each of one
    view, whose outcome is taken from the graph as it runs here. Raises ModelError where manifest and graph do not
    agree.
    """
    (folder / GOLDEN).mkdir(parents=True, exist_ok=True)
    (folder / MODEL).write_bytes(model)
    (folder / CARD).write_text(card, encoding="utf-8")
    tables = {name: _golden(folder, name, pictures) for name, pictures in golden.items()}
    # The graph's answers need a runtime, and a runtime a manifest: written once without the answers, then with.
    _write_manifest(folder, head, [table + "score = 0.0\n" for table in tables.values()])
    package = read(folder)
    runtime = Runtime(package, threads)
    finished = []
    for name, pictures in golden.items():
        feeds, placement = prepare(look_at(views(pictures)[0]), package.manifest.inputs)
        outputs = runtime.run(feeds)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **outputs)
        (folder / GOLDEN / f"{name}.npz").write_bytes(buffer.getvalue())
        score = decode(package.manifest, outputs, placement, 1.0).score
        finished.append(tables[name] + f"score = {score:.4f}\n")
    _write_manifest(folder, head, finished)
    return Model(read(folder), threads)


def pack(folder: Path, path: Path) -> None:
    """Write a package's folder as a zip, the same bytes for the same files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in _files(folder):
            entry = zipfile.ZipInfo(str(file.relative_to(folder)))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())


def _golden(folder: Path, name: str, pictures: Sequence[Picture]) -> str:
    """Write a scan's pictures and an empty place for the answers; return its table without the score."""
    if len(views(pictures)) != 1:
        raise ModelError(f"golden scan {name}: one view, not {len(views(pictures))}")
    entries = []
    for number, picture in enumerate(pictures):
        values = pixels(picture)
        file = f"{GOLDEN}/{name}.png" if len(pictures) == 1 else f"{GOLDEN}/{name}-{number}.png"
        good, data = cv2.imencode(".png", values if values.ndim == 2 else values[..., ::-1])
        if not good or picture.bits not in (8, 16) or picture.logarithmic:
            raise ModelError(f"golden scan {name}: a linear picture of 8 or 16 bits is wanted")
        (folder / file).write_bytes(bytes(data))
        entries.append(
            f'{{ file = "{file}", view = {picture.view}, energy = "{picture.energy}", '
            f'polarity = "{picture.polarity}" }}'
        )
    (folder / GOLDEN / f"{name}.npz").write_bytes(b"")
    return f'\n[[golden]]\npictures = [{", ".join(entries)}]\noutputs = "{GOLDEN}/{name}.npz"\n'


def _write_manifest(folder: Path, head: str, golden: Sequence[str]) -> None:
    hashes = [
        f'"{file.relative_to(folder)}" = "{hashlib.sha256(file.read_bytes()).hexdigest()}"\n'
        for file in _files(folder)
        if file.name != MANIFEST
    ]
    text = f"{head.rstrip()}\n{''.join(golden)}\n[files]\n{''.join(hashes)}".encode()
    parse(text)
    (folder / MANIFEST).write_bytes(text)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
