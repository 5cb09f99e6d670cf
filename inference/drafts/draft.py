"""A drafted manifest: every value with where it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drivers.contract import Category
from drivers.errors import ModelError

DECODERS = (
    "segmentation",
    "anomaly",
    "yolo_raw",
    "boxes_xyxy_conf_cls",
    "boxes_cxcywh_conf_cls",
    "detr_logits",
    "labels_boxes_scores",
    "yolox_grid",
)
HARMLESS = "harmless"
CUSTOMARY = "customary for this decoder, said nowhere: check"


class Undecided(ModelError):
    """The file does not say how its answer is to be read: `found` is what it says, `candidates` what it could be."""

    def __init__(self, problem: str, found: Sequence[str], candidates: Sequence[str]) -> None:
        super().__init__(problem)
        self.found = tuple(found)
        self.candidates = tuple(candidates)


@dataclass(frozen=True, slots=True)
class Said:
    """A value for the manifest and who said so."""

    value: Any
    source: str = ""


Table = dict[str, Said]


@dataclass(frozen=True, slots=True)
class LabelDraft:
    """A label with its DICOS category, and who said which; without `alarm` it never scores."""

    name: str
    category: Category
    alarm: bool
    source: str


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the person says: it goes before anything that the file says, and in place of what it does not.

    `labels` is NAME or NAME:CATEGORY each; `tensors` names the output for each of the decoder's keys.
    """

    decoder: str | None = None
    activation: str | None = None
    labels: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    tensors: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A manifest to be: the exporter's name, the tables, and what the person has to look at."""

    exporter: str
    name: str
    licence: str
    opset: int
    inputs: tuple[Table, ...]
    output: Table
    labels: tuple[LabelDraft, ...]
    normal: Said
    elevated: Said
    checks: tuple[str, ...]

    def toml(self) -> str:
        """Return the manifest without golden scans and files, each value with a comment that says who said it."""
        lines = [
            "# Drafted by `jaitf-edge model import`. After a change by hand, import again with --draft and this file:",
            "# golden outputs and hashes are then made anew.",
            f"# {_comment(self.exporter)}",
            "format = 1",
            f"name = {_value(self.name)}",
            'version = "0.1.0"',
            f"summary = {_value(f'{self.exporter}, imported'[:300])}",
            f"licence = {_value(self.licence[:100])}",
            f"opset = {self.opset}",
        ]
        for table in self.inputs:
            lines += ["", "[[inputs]]", *_entries(table)]
        lines += ["", "[output]", *_entries(self.output)]
        for label in self.labels:
            lines += ["", "[[labels]]", *_entries(_label(label))]
        points = {"normal": self.normal, "elevated": self.elevated}
        return "\n".join([*lines, "", "[operating_points]", *_entries(points)]) + "\n"


def _label(label: LabelDraft) -> Table:
    table = {"name": Said(label.name[:64]), "category": Said(label.category.value, label.source)}
    return table if label.alarm else table | {"alarm": Said(False, "known and harmless: never alarms")}


def _entries(table: Table) -> list[str]:
    return [
        f"{key} = {_value(said.value)}" + (f"  # {_comment(said.source)}" if said.source else "")
        for key, said in table.items()
    ]


def _value(value: Any) -> str:
    """Return a value as TOML."""
    if isinstance(value, str):
        # A JSON string is a TOML basic string, but for one character that only TOML minds.
        whole = value.encode("utf-8", "replace").decode("utf-8")
        return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(round(value, 6))
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(part)}" for key, part in value.items()) + " }"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(_value, value)) + "]"
    return str(value)


def _comment(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
