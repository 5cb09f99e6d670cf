"""A vendor's export share: a scan as a file, under a hidden name until it is whole."""

from __future__ import annotations

import json
from pathlib import Path

import cv2

from simulators.xray.bag import SimScan, render
from simulators.xray.wire import Identity, datasets

LABELS = "labels.jsonl"


def write(folder: Path, form: str, scan: SimScan, who: Identity, dual: bool = False) -> list[Path]:
    """Write a scan into a folder and return its files: one, or two where `dual` DICOS.

    `form` is "png" or "jpeg" (in colour, as displayed), "tiff" (16 bit, high energy) or "dicos". Raises OSError.
    """
    name = f"{who.number:06d}-{who.bag_tag}"
    if form == "dicos":
        paths = []
        for instance in datasets(scan, who, dual):
            path = folder / f"{name}-{instance.InstanceNumber}.dcs"
            hidden = path.with_name(f".{path.name}.part")
            instance.save_as(hidden, enforce_file_format=True)
            hidden.rename(path)
            paths.append(path)
        return paths
    suffix = {"png": ".png", "jpeg": ".jpg", "tiff": ".tif"}[form]
    picture = scan.high if form == "tiff" else cv2.cvtColor(render(scan), cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(suffix, picture)
    if not done:
        raise OSError(f"{form}: could not be encoded")
    path = folder / (name + suffix)
    hidden = path.with_name(f".{path.name}.part")
    hidden.write_bytes(data.tobytes())
    hidden.rename(path)
    return [path]


def label(folder: Path, paths: list[Path], scan: SimScan, who: Identity) -> None:
    """Add a scan to the folder's labels: its files, its bag, and each threat with its box. Raises OSError."""
    names = [path.name for path in paths]
    threats = [{"label": t.label, "category": t.category, "box": list(t.box), "kind": t.kind} for t in scan.truth]
    line = {"file": names[0] if len(names) == 1 else names, "bag": who.bag_tag, "threats": threats}
    with (folder / LABELS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
