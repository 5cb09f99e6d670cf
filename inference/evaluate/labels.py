"""A labelled folder: pictures whose truth is known.

Either `labels.jsonl` lies in it, one JSON object a line:

    {"file": "0001.png", "bag": "a", "threats": [{"label": "pistol", "category": "PI", "box": [212, 96, 140, 88]}]}
    {"file": ["0002-1.dcs", "0002-2.dcs"], "bag": "b", "threats": []}

`file` is relative to the folder; several files are one scan (its energies or views). `bag` groups pictures of the same
bag, which the bootstrap draws together; without it each line is a bag of its own. No threats: an ordinary bag. `box` is
x, y, width, height in the file's own pixels, of the `view` given beside it (0 where not said); a threat whose place is
not known has none. Other keys are left alone.

Or there is no such file, but folders `benign` and `threat`: then nothing has boxes, and two pictures whose names
differ in nothing but the ending and the folder are of one bag.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from drivers.errors import ModelError

LABELS = "labels.jsonl"
BENIGN, THREAT = "benign", "threat"
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcs", ".dcm", ".dicom", ".zip"})
MAX_LINES = 1_000_000
_SHOWN_PROBLEMS = 20


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class TrueThreat(_Read):
    """A threat that is there: what, and where (x, y, width, height in the picture's own pixels) if that is known."""

    label: Annotated[str, Field(min_length=1, max_length=100)] = "threat"
    category: Annotated[str, Field(max_length=100)] = ""
    box: tuple[float, float, float, float] | None = None
    view: Annotated[int, Field(ge=0, lt=16)] = 0

    @field_validator("box")
    @classmethod
    def _has_an_area(cls, box: tuple[float, float, float, float] | None) -> tuple[float, float, float, float] | None:
        if box is not None and not (box[2] > 0 and box[3] > 0):
            raise ValueError("width and height must be above 0")
        return box

    def holds(self, x: float, y: float, view: int) -> bool:
        """Return whether a point of a view lies in the box, its edges included."""
        if self.box is None or view != self.view:
            return False
        left, top, width, height = self.box
        return left <= x <= left + width and top <= y <= top + height


class _Line(_Read):
    file: Annotated[str, Field(min_length=1)] | Annotated[tuple[str, ...], Field(min_length=1, max_length=16)]
    bag: str | None = None
    threats: tuple[TrueThreat, ...]


class Labelled(_Read):
    """One scan with its truth: its files, whose bag it is of, and the threats in it."""

    files: tuple[Path, ...]
    bag: str
    threats: tuple[TrueThreat, ...]

    @property
    def threat(self) -> bool:
        """Whether there is any threat in it."""
        return bool(self.threats)

    @property
    def boxed(self) -> bool:
        """Whether the place of each of its threats is known."""
        return self.threat and all(threat.box for threat in self.threats)

    @property
    def localised(self) -> bool:
        """Whether all that can be found in it is known by place: an ordinary bag, or one with boxes."""
        return self.boxed or not self.threat


def read_folder(folder: Path, labels: Path | None = None) -> list[Labelled]:
    """Return the scans of a labelled folder, in the order of its labels.

    `labels` is a file of labels that lies elsewhere. Raises ModelError naming each line at fault.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder}: no folder")
    source = labels or folder / LABELS
    if labels is not None or source.is_file():
        return _from_lines(folder, source)
    if not any((folder / name).is_dir() for name in (BENIGN, THREAT)):
        raise ModelError(f"{folder}: neither {LABELS} nor folders {BENIGN} and {THREAT}")
    found = [*_from_names(folder / BENIGN, ()), *_from_names(folder / THREAT, (TrueThreat(),))]
    if not found:
        raise ModelError(f"{folder}: no pictures in {BENIGN} and {THREAT}")
    return found


def unlabelled(folder: Path, scans: Iterable[Labelled]) -> list[Path]:
    """Return the pictures directly in `folder` that no label names."""
    named = {file.resolve() for scan in scans for file in scan.files}
    return sorted(file for file in _pictures(folder) if file.resolve() not in named)


def _from_names(folder: Path, threats: tuple[TrueThreat, ...]) -> list[Labelled]:
    if not folder.is_dir():
        return []
    return [
        Labelled(files=(file,), bag=str(file.relative_to(folder).with_suffix("")), threats=threats)
        for file in sorted(path for path in folder.rglob("*") if _is_picture(path))
    ]


def _pictures(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if _is_picture(path)]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _from_lines(folder: Path, source: Path) -> list[Labelled]:
    try:
        lines = source.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{source}: {getattr(error, 'strerror', None) or error}") from None
    if len(lines) > MAX_LINES:
        raise ModelError(f"{source}: more than {MAX_LINES} lines")
    scans: list[Labelled] = []
    problems: list[str] = []
    for number, text in enumerate(lines, 1):
        if text.strip():
            try:
                scans.append(_labelled(folder, _line(text), number))
            except ModelError as error:
                problems.append(f"{source}:{number}: {error}")
    taken = Counter(file for scan in scans for file in scan.files)
    problems += [f"{source}: {file.name} is named {count} times" for file, count in taken.items() if count > 1]
    if problems:
        rest = [f"... and {len(problems) - _SHOWN_PROBLEMS} more"] if len(problems) > _SHOWN_PROBLEMS else []
        raise ModelError("; ".join(problems[:_SHOWN_PROBLEMS] + rest))
    if not scans:
        raise ModelError(f"{source}: no labels in it")
    return scans


def _line(text: str) -> _Line:
    try:
        value: Any = json.loads(text)
        return _Line.model_validate(value)
    except json.JSONDecodeError as error:
        raise ModelError(f"no JSON: {error.msg}") from None
    except ValidationError as error:
        raise ModelError(_said(error)) from None


def _said(error: ValidationError) -> str:
    first: Literal[0] = 0
    problem = error.errors(include_url=False, include_input=False, include_context=False)[first]
    # A union names each of its members' failures; the key is what a reader looks for.
    place = ".".join(str(part) for part in problem["loc"] if not str(part).startswith(("constrained", "tuple")))
    return f"{place or 'line'}: {problem['msg']}"


def _labelled(folder: Path, line: _Line, number: int) -> Labelled:
    names = (line.file,) if isinstance(line.file, str) else line.file
    files = tuple(folder / name for name in names)
    if missing := [name for name, file in zip(names, files, strict=True) if not file.is_file()]:
        raise ModelError(f"no such file: {', '.join(missing)}")
    return Labelled(files=files, bag=line.bag if line.bag is not None else f"line {number}", threats=line.threats)
