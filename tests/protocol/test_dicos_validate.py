"""The validator against the reference toolkit: what that refuses is found, and some of what it lets pass too."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from drivers.contract import Category
from drivers.dicos import modules, tdr
from drivers.dicos.modules import Attribute
from drivers.dicos.validator import validate
from simulators.bodyscanner.model import Anomaly, Passage
from simulators.bodyscanner.wire import report
from simulators.xray import make_scan
from simulators.xray.wire import Identity, datasets
from tests import sdicos

pytestmark = [pytest.mark.protocol, pytest.mark.filterwarnings("ignore")]
AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def saved(ds: Dataset) -> bytes:
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds.preamble = bytes(128)
        ds.save_as(buffer, enforce_file_format="SOPClassUID" in ds and "SOPInstanceUID" in ds)
    return buffer.getvalue()


def image() -> Dataset:
    return datasets(make_scan(1, None, 48, 32), Identity.make(np.random.default_rng(1), 1))[0]


def baggage() -> Dataset:
    threat = tdr.PotentialThreat("gun", Category.PI, (1, 2, 3, 4), 0.9)
    said = tdr.Report(*("s", "ALARM", "1.2.3", "1.2.3.4", AT, AT, ("A", "1", "-x=1")), (threat,), ooi_id="1")
    return pydicom.dcmread(BytesIO(tdr.write(said)))


def person() -> Dataset:
    return report(Passage(1, (Anomaly("BACK", (0.5, 0.7, 0.8), 0.9),)))


def place(ds: Dataset) -> Dataset:
    return ds.ThreatSequence[0][0x40101037][0]


#: Where each table applies: the kind of object, how to make one, and the data set in it that the table is of.
TABLES: dict[str, tuple[str, Callable[[], Dataset], Callable[[Dataset], Dataset], tuple[Attribute, ...]]] = {
    "image": ("DX", image, lambda ds: ds, (*modules.COMMON, *modules.DX)),
    "report": ("TDR", baggage, lambda ds: ds, (*modules.COMMON, *modules.TDR, modules.THREATS)),
    "threat": ("TDR", baggage, lambda ds: ds.ThreatSequence[0], modules.THREAT),
    "place": ("TDR", baggage, place, (*modules.REPRESENTATION, *modules.REPRESENTATION_OF_BAGGAGE)),
    "region": ("TDR", baggage, lambda ds: place(ds)[0x40101001][0], modules.REGION),
    "reference": ("TDR", baggage, lambda ds: place(ds)[0x0008114A][0], modules.REFERENCE),
    "assessment": ("TDR", baggage, lambda ds: ds.ThreatSequence[0][0x40101038][0], modules.ASSESSMENT),
    "person": ("TDR", person, lambda ds: ds, (*modules.COMMON, *modules.PERSON, *modules.TDR)),
    "place of a person": ("TDR", person, place, modules.REPRESENTATION_OF_PERSON),
    "locator": ("TDR", person, lambda ds: place(ds)[0x40101079][0], modules.LOCATOR),
}


def without(name: str) -> Iterator[tuple[Attribute, bytes]]:
    """Files of a kind, in each of which one attribute of a table is missing."""
    _, make, inner, table = TABLES[name]
    for attribute in table:
        ds = make()
        del inner(ds)[attribute.tag]
        yield attribute, saved(ds)


@pytest.mark.parametrize("name", TABLES)
def test_what_is_missing_is_found_and_the_toolkit_refuses_no_more(name: str, tmp_path: Path) -> None:
    kind, make, _, table = TABLES[name]
    whole = tmp_path / "whole.dcs"
    whole.write_bytes(saved(make()))
    assert validate(whole.read_bytes()) == []
    paths = []
    for number, (attribute, data) in enumerate(without(name)):
        shown = f"({attribute.tag >> 16:04X},{attribute.tag & 0xFFFF:04X})"
        problems = validate(data)
        assert any(problem.tag.endswith(shown) for problem in problems) or attribute.tag == 0x00080016, attribute
        assert problems
        path = tmp_path / f"{number}.dcs"
        path.write_bytes(data)
        paths.append(path)
    reads, *others = sdicos.reads(kind, [whole, *paths])
    assert reads and len(others) == len(table) and not all(others)


#: What the toolkit lets pass or does not look at.
LAX: dict[str, tuple[Callable[[], Dataset], int, object]] = {
    "an alarm decision of one's own": (baggage, 0x40101031, "FOO"),
    "an alarm that counts nothing": (baggage, 0x40101034, 0),
    "an unknown second value of the image type": (image, 0x00080008, ["ORIGINAL", "PRETTY"]),
    "a sloppy UID": (image, 0x0020000D, "1.02.3"),
    "an object ID type of one's own": (image, 0x00100022, "SMELL"),
    "a date that is none": (image, 0x00080020, "20261341"),
    "bits that do not fit": (image, 0x00280102, 9),
    "a picture of another size": (image, 0x00280010, 99),
    "a scale of nothing": (baggage, 0x40101075, 0.0),
    "an intent that is not the class's": (image, 0x00080068, "FOR PRESENTATION"),
}


@pytest.mark.parametrize("name", LAX)
def test_what_says_the_wrong_thing_is_found(name: str) -> None:
    make, tag, value = LAX[name]
    ds = make()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds[tag].value = value
    shown = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    assert any(problem.tag == shown or shown == "(0028,0010)" for problem in validate(saved(ds)))


def test_a_toolkit_that_reads_nonsense_is_told_better(tmp_path: Path) -> None:
    ds = baggage()
    ds[0x40101031].value = "FOO"
    path = tmp_path / "foo.dcs"
    path.write_bytes(saved(ds))
    assert sdicos.reads("TDR", [path]) == [True]
    assert [problem.tag for problem in validate(path.read_bytes())] == ["(4010,1031)"]


def test_v02a_need_not_have_what_v03_added(tmp_path: Path) -> None:
    ds = image()
    for tag in (0x00080118, 0x00082108, 0x43000902):
        del ds[tag]
    ds.file_meta[0x00020004].value = ds[0x4010103A].value = "V02A"
    path = tmp_path / "v02a.dcs"
    path.write_bytes(saved(ds))
    assert validate(path.read_bytes()) == []
    assert sdicos.read("DX", path)["read"], sdicos.read("DX", path)
