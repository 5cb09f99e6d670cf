"""N42 files: what becomes a finding, what is never passed on, what is refused; and the folder that gets them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.clock import Stamp
from drivers.contract import Reading, Severity
from drivers.errors import ProtocolError
from drivers.folder import n42
from drivers.folder.codec import observe, read
from drivers.folder.driver import FolderDriver
from drivers.folder.formats import CutShort
from drivers.folder.settings import FolderSettings
from tests import n42 as made
from tests.fakeport import FakePort, running

AT = Stamp(1_700_000_000_000_000_000, 1)
CAESIUM = made.n42(made.nuclide("Cs-137"))


def reading(data: bytes) -> Reading:
    found = observe(data, "x.n42", AT)
    assert isinstance(found, Reading)
    return found


def test_a_nuclide_is_a_finding_and_the_rest_is_news():
    found = reading(CAESIUM)
    (finding,) = found.findings
    assert (finding.label, finding.measurement.value, finding.severity) == ("Cs-137", 95, Severity.HIGH)
    (summary,) = found.values["n42"]
    assert summary["instrument"] == {
        "maker": "Example",
        "model": "Identifier One",
        "serial": "SN-0042",
        "class": "Radionuclide Identifier",
    }
    (measurement,) = summary["measurements"]
    assert measurement["real_time_s"] == 60.5
    assert measurement["started_at"] == "2026-11-20T10:11:12Z"
    assert measurement["spectrum_counts"] == [27]
    assert found.raw == CAESIUM and found.distinct
    assert "Person" not in json.dumps(found.values)


@pytest.mark.parametrize(
    ("category", "severity"),
    [
        ("Special Nuclear Material", Severity.CRITICAL),
        ("SNM", Severity.CRITICAL),
        ("NORM", Severity.LOW),
        ("Naturally occurring", Severity.LOW),
        ("Medical", Severity.MEDIUM),
        ("", Severity.HIGH),
    ],
)
def test_the_instruments_own_category_sets_the_severity(category: str, severity: Severity):
    assert reading(made.n42(made.nuclide("X-1", category=category))).findings[0].severity is severity


def test_only_what_is_identified_and_active_is_found_and_each_once():
    data = made.n42(
        made.nuclide("Cs-137"),
        made.nuclide("Cs-137", confidence=3),
        made.nuclide("Co-60", identified="false"),
        alarms=made.alarm("Neutron") + made.alarm("Neutron") + made.alarm("Gamma", active="false"),
    )
    assert [f.label for f in reading(data).findings] == ["neutron alarm", "Cs-137"]
    assert reading(data).findings[0].severity is Severity.CRITICAL
    assert reading(made.n42()).findings == ()


def test_a_large_file_is_named_by_its_digest():
    data = made.n42(*(made.nuclide(f"X-{number}") for number in range(60)))
    found = reading(data)
    assert len(found.findings) == n42.MAX_FINDINGS
    assert json.loads(found.raw) == {"file": "x.n42", "bytes": len(data), "sha256": found.values["n42"][0]["sha256"]}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "entities"),
        (b"<?xml version='1.0'?><export><name>x</name></export>", "no N42.42-2011 file"),
        (CAESIUM.replace(b"</Nuclide>", b"</nuclide>"), "damaged"),
        (CAESIUM.replace(b"0 3 5", b"0 99999 5"), "zeros"),
        (CAESIUM.replace(b"0 3 5", b"0 3 five"), "no numbers"),
        (CAESIUM.replace(b"0 3 5", b"0 3 -5"), "no counts"),
        (b"<?xml version='1.0' encoding='martian'?><a/>", "encoding"),
    ],
)
def test_what_is_no_n42_file_is_refused_with_words(data: bytes, words: str):
    with pytest.raises(ProtocolError, match=words) as error:
        observe(data, "x.xml", AT)
    assert not isinstance(error.value, CutShort)


@pytest.mark.parametrize("length", [60, 400, len(CAESIUM) - 3])
def test_a_file_that_ends_early_is_told_apart(length: int):
    with pytest.raises(CutShort):
        observe(CAESIUM[:length], "x.n42", AT)


def test_a_bomb_of_entities_costs_nothing():
    bomb = b"<!DOCTYPE z [<!ENTITY a 'ha'>" + b"".join(
        b"<!ENTITY a%d '%s'>" % (n, b"&a%d;" % (n - 1) * 10 if n else b"&a;") for n in range(20)
    )
    with pytest.raises(ProtocolError, match="entities"):
        observe(bomb + b"]><z>&a19;</z>", "x.xml", AT)
    assert len(gzip.compress(bomb)) < 1000


def test_as_a_picture_it_is_refused():
    with pytest.raises(ProtocolError, match="no picture"):
        read(CAESIUM, "x.n42", AT)


@given(st.lists(st.one_of(st.integers(0, 300), st.just(0)), max_size=200))
def test_zeros_are_written_out(counts: list[int]):
    packed: list[int] = []
    run = 0
    for count in [*counts, -1]:
        if count == 0:
            run += 1
            continue
        packed += [0, run] if run else []
        packed += [count] if count > 0 else []
        run = 0
    element = Element("ChannelData", compressionCode="CountedZeroes")
    element.text = " ".join(map(str, packed))
    assert n42.channels(element) == counts


@settings(max_examples=200)
@given(st.integers(0, len(CAESIUM)), st.integers(0, 60), st.binary(max_size=20))
def test_a_damaged_file_raises_nothing_else(at: int, cut: int, noise: bytes):
    data = b"<?xml" + (CAESIUM[:at] + noise + CAESIUM[at + cut :])[5:]
    try:
        found = observe(data, "x.n42", AT)
    except ProtocolError:
        return
    assert isinstance(found, Reading)


async def test_a_folder_tells_each_file_once_under_whatever_name_and_after_a_restart(
    tmp_path: Path, short_patience: None
):
    export = tmp_path / "export"
    export.mkdir()

    async def told(write: dict[str, bytes], **facts: Any) -> FakePort:
        port = FakePort(state_dir=tmp_path / "state")
        async with running(FolderDriver(FolderSettings(path=export, settle_ms=50)), port):
            await port.until(lambda: port.last)
            for name, data in write.items():
                (export / name).write_bytes(data)
            last = made.n42(made.nuclide(f"last-{len(list(export.iterdir()))}"))
            (export / f"z{len(list(export.iterdir()))}.n42").write_bytes(last)
            await port.until(lambda: any(r.raw == last for r in port.readings))
        return port

    first = await told({"a.n42": CAESIUM, "b.n42": CAESIUM, "c.n42": CAESIUM[:300]})
    assert [r.findings[0].label for r in first.readings].count("Cs-137") == 1
    (export / "c.n42").unlink(missing_ok=True)
    second = await told({"d.n42": CAESIUM})
    assert [r.findings[0].label for r in second.readings if r.raw == CAESIUM] == []


async def test_a_probe_says_what_the_newest_file_holds(tmp_path: Path):
    (tmp_path / "a.n42").write_bytes(CAESIUM)
    found = await FolderDriver(FolderSettings(path=tmp_path)).probe(10)
    assert found.ok and found.sample == "a.n42: N42, Cs-137"
