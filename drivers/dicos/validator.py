"""Is this file DICOS? Every attribute that is missing, empty, written as another type or says an unknown word. Pure.

Stricter than the reference toolkit, which reads `AlarmDecision = FOO` and an alarm that counts no object. It knows DX
images and Threat Detection Reports in full, of CT and other images what all objects have in common.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from struct import Struct

from drivers.dicos import modules
from drivers.dicos.elements import OOI_TYPE, PIXEL_DATA, DataSet, data_set, file_meta
from drivers.dicos.modules import Attribute
from drivers.dicos.uids import (
    DX_FOR_PRESENTATION,
    DX_FOR_PROCESSING,
    FILE_META_VERSION,
    TDR,
    is_of_person,
)

_SOP_CLASS, _SOP_INSTANCE, _VERSION = 0x00080016, 0x00080018, 0x4010103A
_META_CLASS, _META_INSTANCE, _TRANSFER_SYNTAX = 0x00020002, 0x00020003, 0x00020010
_DICOS_ROOT = "1.2.840.10008.5.1.4.1.1.501."
_FLOATS = {"FL": ("f", 4), "FD": ("d", 8)}
_PATTERNS = {
    "UI": re.compile(r"(?=.{1,64}$)(0|[1-9]\d*)(\.(0|[1-9]\d*))*"),
    "DA": re.compile(r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"),
    "TM": re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?"),
    "DT": re.compile(r"\d{4}(\d{2}){0,5}(\.\d{1,6})?([+-]\d{4})?"),
    "CS": re.compile(r"[A-Z0-9 _]{0,16}"),
    "IS": re.compile(r"[+-]?\d{1,12}"),
    "DS": re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"),
}
_WHAT = {
    "UI": "no UID: numbers without leading zeros, parted by dots, 64 characters at most",
    "DA": "no date as YYYYMMDD",
    "TM": "no time as HHMMSS.FFFFFF",
    "DT": "no date and time as YYYYMMDDHHMMSS.FFFFFF+ZZZZ",
    "CS": "no code string: capitals, digits, space and underscore, 16 at most",
    "IS": "no whole number",
    "DS": "no number",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: `tag` as (gggg,eeee), with its path where it is nested, the attribute's name, what."""

    tag: str
    name: str
    problem: str


def validate(data: bytes) -> list[Problem]:
    """Return what is wrong with a file, nothing for one that holds; never raises, whatever the bytes are."""
    meta, start = file_meta(data)
    if meta.damage:
        return [Problem("(0002,0000)", "File Meta Information", f"no DICOM file: {meta.damage}")]
    found = data_set(memoryview(data)[start:], meta.text(_TRANSFER_SYNTAX) or "")
    if found.damage:
        return [Problem("", "Data Set", f"damaged: {found.damage}")]
    return list(_Check(found).all(meta))


class _Check:
    """The check of one object: `v03` decides what is mandatory."""

    def __init__(self, found: DataSet) -> None:
        self._found = found
        self._sop_class = found.text(_SOP_CLASS) or ""
        self._v03 = not (found.text(_VERSION) or "").startswith("V02A")
        self._person = (found.text(OOI_TYPE) or "").upper() == "PERSON"

    def all(self, meta: DataSet) -> Iterator[Problem]:
        yield from self._meta(meta)
        if not self._sop_class.startswith(_DICOS_ROOT):
            yield _problem(modules.COMMON[2], "", f"no DICOS object: {self._sop_class or 'it is missing'}")
            return
        if is_of_person(self._sop_class):
            yield _problem(modules.COMMON[2], "", "a picture of a person: this appliance refuses it")
        yield from self._attributes(self._found, modules.COMMON, "")
        if self._person:
            yield from self._attributes(self._found, modules.PERSON, "")
        for root, check in self._kinds().items():
            if self._sop_class == root or self._sop_class.startswith(root + "."):
                yield from check()

    def _kinds(self) -> dict[str, Callable[[], Iterator[Problem]]]:
        return {DX_FOR_PRESENTATION: self._dx, DX_FOR_PROCESSING: self._dx, TDR: self._tdr}

    def _meta(self, meta: DataSet) -> Iterator[Problem]:
        version = meta.text(FILE_META_VERSION)
        named = Attribute(FILE_META_VERSION, "DICOS Version (file meta)", "CS")
        if version not in ("V03", "V02A"):
            yield _problem(named, "", f"{version or 'missing'}: readers demand V03 or V02A")
        elif version != self._found.text(_VERSION):
            yield _problem(named, "", f"{version}, and the data set says {self._found.text(_VERSION)}")
        pairs = ((_META_CLASS, _SOP_CLASS, "SOP Class UID"), (_META_INSTANCE, _SOP_INSTANCE, "SOP Instance UID"))
        for tag, inner, name in pairs:
            if meta.text(tag) != self._found.text(inner):
                yield Problem(_shown(tag), f"Media Storage {name}", "not that of the data set")

    def _attributes(self, found: DataSet, table: Sequence[Attribute], path: str) -> Iterator[Problem]:
        for attribute in table:
            yield from self._attribute(found, attribute, path)

    def _attribute(self, found: DataSet, attribute: Attribute, path: str) -> Iterator[Problem]:
        element = found.elements.get(attribute.tag)
        if element is None:
            if self._v03 or not attribute.since_v03:
                yield _problem(attribute, path, "missing")
            return
        allowed = {attribute.vr, *(("OB", "OW") if attribute.tag == PIXEL_DATA else ())}
        if element.vr and element.vr not in allowed:
            yield _problem(attribute, path, f"written as {element.vr}, it is {attribute.vr}")
        elif attribute.vr == "SQ":
            if not attribute.empty and not found.items(attribute.tag):
                yield _problem(attribute, path, "has no item")
        elif element.start == element.end and not attribute.empty:
            yield _problem(attribute, path, "empty")
        elif element.start < element.end:
            yield from _value(found, attribute, path)

    def _dx(self) -> Iterator[Problem]:
        found = self._found
        yield from self._attributes(found, modules.DX, "")
        if self._sop_class.startswith(DX_FOR_PRESENTATION) and modules.VOI_LUT not in found.elements:
            yield from self._attribute(found, modules.WINDOW, "")
        intent = "FOR PRESENTATION" if self._sop_class.startswith(DX_FOR_PRESENTATION) else "FOR PROCESSING"
        said = found.text(0x00080068)
        if said and said != intent:
            yield Problem("(0008,0068)", "Presentation Intent Type", f"{said}, and the SOP class is {intent}")
        allocated, stored, high = (found.short(tag) for tag in (0x00280100, 0x00280101, 0x00280102))
        if stored and allocated and stored > allocated:
            yield Problem("(0028,0101)", "Bits Stored", f"{stored} of {allocated} allocated")
        if stored and high is not None and high != stored - 1:
            yield Problem("(0028,0102)", "High Bit", f"{high}, and {stored} bits are stored")
        yield from self._pixels(allocated)

    def _pixels(self, allocated: int | None) -> Iterator[Problem]:
        found = self._found
        rows, columns, samples = (found.short(tag) for tag in (0x00280010, 0x00280011, 0x00280002))
        values = found.value(PIXEL_DATA)
        if values is None or found.fragments is not None or not (rows and columns and samples and allocated):
            return
        frames = found.text(0x00280008) or "1"
        size = rows * columns * samples * allocated // 8 * (int(frames[:6]) if frames[:6].isdigit() else 1)
        if len(values) not in (size, size + size % 2):
            yield Problem(_shown(PIXEL_DATA), "Pixel Data", f"{len(values)} bytes, its size makes {size}")

    def _tdr(self) -> Iterator[Problem]:
        found = self._found
        yield from self._attributes(found, modules.TDR, "")
        decision, threats = found.text(0x40101031), found.items(modules.THREATS.tag)
        if decision == "ALARM" or modules.THREATS.tag in found.elements:
            yield from self._attribute(found, modules.THREATS, "")
        if decision == "CLEAR" and found.text(0x40101024) == "ABORT":
            yield Problem("(4010,1031)", "Alarm Decision", "CLEAR, and the analysis was aborted")
        if found.text(0x40101024) == "ABORT":
            yield from self._attribute(found, modules.ABORT_REASON, "")
        if found.text(0x40101027) == "OPERATOR":
            yield from self._attribute(found, modules.OPERATOR, "")
        scale = _floats(found, 0x40101075, "FD")
        if scale and scale[0] <= 0:
            yield Problem("(4010,1075)", "Image Scale Representation", f"{scale[0]:g}, it is greater than 0")
        for number, threat in enumerate(threats):
            yield from self._threat(threat, f"(4010,1011)[{number}]")
        yield from self._counts(decision, threats)

    def _counts(self, decision: str | None, threats: list[DataSet]) -> Iterator[Problem]:
        total, alarms = self._found.short(0x40101033), self._found.short(0x40101034)
        if total is not None and total < len(threats):
            yield Problem("(4010,1033)", "Number of Total Objects", f"{total}, and there are {len(threats)}")
        feared = sum(
            any(one.text(0x40101015) in ("HIGH_THREAT", "THREAT") for one in threat.items(0x40101038))
            for threat in threats
        )
        if alarms is not None and (alarms < feared or (total is not None and alarms > total)):
            yield Problem("(4010,1034)", "Number of Alarm Objects", f"{alarms}, {feared} of {total} are threats")
        if decision == "ALARM" and alarms == 0:
            yield Problem("(4010,1034)", "Number of Alarm Objects", "0, and the decision is ALARM")
        if decision == "CLEAR" and feared:
            yield Problem("(4010,1031)", "Alarm Decision", f"CLEAR, and {feared} objects are threats")

    def _threat(self, threat: DataSet, path: str) -> Iterator[Problem]:
        yield from self._attributes(threat, modules.THREAT, path)
        for number, place in enumerate(threat.items(0x40101037)):
            yield from self._place(place, f"{path}(4010,1037)[{number}]")
        for number, one in enumerate(threat.items(0x40101038)):
            inner = f"{path}(4010,1038)[{number}]"
            yield from self._attributes(one, modules.ASSESSMENT, inner)
            likely = _floats(one, 0x40101016, "FL")
            if likely and likely[0] != -1 and not 0 <= likely[0] <= 1:
                yield Problem(inner + "(4010,1016)", "ATD Assessment Probability", f"{likely[0]:g}, from 0 to 1, or -1")

    def _place(self, place: DataSet, path: str) -> Iterator[Problem]:
        own = modules.REPRESENTATION_OF_PERSON if self._person else modules.REPRESENTATION_OF_BAGGAGE
        yield from self._attributes(place, (*modules.REPRESENTATION, *own), path)
        nested = ((0x0008114A, modules.REFERENCE), (0x40101001, modules.REGION), (0x40101079, modules.LOCATOR))
        for tag, table in nested:
            for number, item in enumerate(place.items(tag)):
                yield from self._attributes(item, table, f"{path}{_shown(tag)}[{number}]")
        for number, region in enumerate(place.items(0x40101001)):
            extents = _floats(region, 0x40101005, "FL")
            if extents and not all(extent > 0 for extent in extents):
                inner = f"{path}(4010,1001)[{number}](4010,1005)"
                yield Problem(inner, "Threat ROI Extents", "a region without extent")


def _value(found: DataSet, attribute: Attribute, path: str) -> Iterator[Problem]:
    """Yield what is wrong with a value that is there."""
    if attribute.vr in _FLOATS:
        numbers = _floats(found, attribute.tag, attribute.vr)
        if numbers is None:
            yield _problem(attribute, path, "no number, or one cut off")
        elif attribute.count and len(numbers) != attribute.count:
            yield _problem(attribute, path, f"{len(numbers)} values, it has {attribute.count}")
        return
    if attribute.vr in ("US", "SS"):
        if found.short(attribute.tag) is None:
            yield _problem(attribute, path, "not one number of 16 bits")
        return
    pattern = _PATTERNS.get(attribute.vr)
    if pattern is None:
        return
    values = found.texts(attribute.tag)
    if not values:
        if not attribute.empty:
            yield _problem(attribute, path, "says nothing")
        return
    if attribute.count and len(values) != attribute.count:
        yield _problem(attribute, path, f"{len(values)} values, it has {attribute.count}")
    for value in values:
        if not pattern.fullmatch(value):
            yield _problem(attribute, path, f"{value[:32]!r} is {_WHAT[attribute.vr]}")
    for position, words in enumerate(attribute.words):
        if words is not None and position < len(values) and values[position] not in words:
            yield _problem(attribute, path, f"{values[position][:32]!r} is none of {', '.join(sorted(words))}")
    if len(attribute.words) > 1 and attribute.tag == 0x00080008 and len(values) < 2:
        yield _problem(attribute, path, "has no second value: what the image shows")


def _floats(found: DataSet, tag: int, vr: str) -> tuple[float, ...] | None:
    value, (code, size) = found.value(tag), _FLOATS[vr]
    if not value or len(value) % size:
        return None
    numbers = Struct(f"{'<' if found.little else '>'}{len(value) // size}{code}").unpack(value)
    return numbers if all(map(math.isfinite, numbers)) else None


def _problem(attribute: Attribute, path: str, problem: str) -> Problem:
    return Problem(path + _shown(attribute.tag), attribute.name, problem)


def _shown(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
