"""The driver against simulated readers: on a pseudo-terminal, over TCP, as a keyboard; noisy, cut off, pulled out."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from drivers import mends
from drivers.codereader.driver import CodereaderDriver
from drivers.codereader.settings import CodereaderSettings
from drivers.contract import DeviceState, Identity, IdKind, Outcome, Severity
from drivers.errors import LinkError, LinkLost, ProtocolError
from simulators.codereader.model import Desk
from simulators.codereader.wire import Keyboard, said, stroke, typed
from simulators.line import Line
from tests.fakeport import FakePort, running

TODAY = datetime.now(UTC).date()
PASSPORT = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10")
FORGED = (PASSPORT[0], "L898903C36UTO7408122F1204159ZE184226B<<<<<10")
PRIVATE = ("ERIKSSON", "ANNA", "L898902", "L898903", "740812", "ZE184226B", "DESMARAIS", "ABC123")


@pytest.fixture
def port(tmp_path: Path) -> FakePort:
    return FakePort(state_dir=tmp_path)


@asynccontextmanager
async def on_a_line(pty: Path | None = None) -> AsyncIterator[tuple[Line, str]]:
    line = Line(pty)
    bound = await line.listen()
    try:
        yield line, f"serial://{pty}" if pty else f"tcp://127.0.0.1:{bound}"
    finally:
        await line.close()


@pytest.fixture
def keyboard(tmp_path: Path) -> Any:
    made = Keyboard(tmp_path / "event0")
    made.plug_in()
    yield made
    made.pull_out()


def driver(url: str, **settings: Any) -> CodereaderDriver:
    given = {"url": url, "gap_ms": 50, "repeat_ms": 0, "debounce_ms": 0, **settings}
    return CodereaderDriver(CodereaderSettings.model_validate(given))


def kinds(port: FakePort) -> list[str]:
    return [code["kind"] for reading in port.readings for code in reading.values.get("codes", ())]


def tags(port: FakePort) -> set[str]:
    return {i.value for reading in port.readings for i in reading.identities if i.kind is IdKind.BAG_TAG}


async def up(port: FakePort) -> None:
    await port.until(lambda: port.last and port.last.state is DeviceState.UP)


@pytest.mark.parametrize("serial", [True, False], ids=["pty", "tcp"])
@pytest.mark.parametrize("aim", [True, False], ids=["aim", "plain"])
async def test_tags_are_read_and_name_the_item(port, tmp_path, serial, aim):
    desk = Desk(seed=3)
    async with (
        on_a_line(tmp_path / "reader" if serial else None) as (line, url),
        running(driver(url, aim_required=aim), port),
    ):
        await up(port)
        await port.until(lambda: line.connected)
        for number in range(20):
            line.send(said(desk.codes(number), aim=aim, end="\r\n").encode())
        await port.until(lambda: len(port.readings) == 20)
    wanted = [desk.codes(number)[0][1] for number in range(20)]
    assert [reading.item.id for reading in port.readings] == wanted
    first = port.readings[0]
    assert first.identities == (Identity(IdKind.BAG_TAG, wanted[0]),)
    assert (first.item.id_type, first.item.type) == ("BARCODE", "BAGGAGE")
    assert first.values["codes"][0] == {"kind": "bag_tag", "value": wanted[0], "at": first.at.rfc3339()}
    assert not port.errors


async def test_a_boarding_pass_names_the_flight_and_nobody(port):
    text = f"M1DESMARAIS/LUC       EABC123 LFWCDGAF 0718 {TODAY.timetuple().tm_yday:03d}F001A0025 100"
    async with on_a_line() as (line, url), running(driver(url), port):
        await port.until(lambda: line.connected)
        line.send(f"]L0{text}\r".encode())
        await port.until(lambda: port.readings)
    (reading,) = port.readings
    assert reading.identities == (Identity(IdKind.FLIGHT, f"AF0718/{TODAY}"),)
    assert reading.values["codes"][0]["flights"] == [
        {"flight": "AF0718", "date": str(TODAY), "from": "LFW", "to": "CDG", "sequence": "25"}
    ]
    assert reading.raw == b""
    assert not [name for name in PRIVATE if name in repr(reading)]


async def test_an_inconsistent_document_is_a_finding_without_its_data(port):
    async with on_a_line() as (line, url), running(driver(url, document_severity="high"), port):
        await port.until(lambda: line.connected)
        for lines in (PASSPORT, FORGED):
            line.send(said([("o1", text) for text in lines], aim=True).encode())
        await port.until(lambda: len(port.readings) == 2)
    expired, forged = port.readings
    assert expired.findings[0].measurement.name == "expired"
    assert expired.findings[0].severity is Severity.LOW
    (finding,) = forged.findings
    assert (finding.label, finding.severity) == ("travel_document", Severity.HIGH)
    assert finding.measurement.value == "document number, composite"
    assert forged.distinct
    for reading in port.readings:
        told = repr((reading.values, reading.findings, reading.raw, reading.item))
        assert not [name for name in PRIVATE if name in told]
        assert reading.identities[0].kind is IdKind.DOCUMENT  # for the lane alone


async def test_a_valid_document_is_news_and_an_expired_one_where_wished(port):
    first, second = Desk(kinds=("document",), today=TODAY).document(4)
    async with on_a_line() as (line, url), running(driver(url, expired_is_hit=False), port):
        await port.until(lambda: line.connected)
        line.send(f"{first}\r{second}\r{PASSPORT[0]}\r{PASSPORT[1]}\r".encode())
        await port.until(lambda: len(port.readings) == 2)
    assert not any(reading.findings for reading in port.readings)
    valid, expired = (reading.values["codes"][0] for reading in port.readings)
    assert (valid["consistent"], valid["expired"]) == (True, False)
    assert (expired["consistent"], expired["expired"]) == (True, True)


async def test_a_document_that_is_only_misread_once_is_no_hit(port):
    async with on_a_line() as (line, url), running(driver(url, document_reads=2, repeat_ms=60_000), port):
        await port.until(lambda: line.connected)
        misread = (PASSPORT[0], PASSPORT[1].replace("898902", "898908"))
        for lines in (misread, FORGED, FORGED, FORGED):
            line.send(said([("o1", text) for text in lines], aim=False).encode())
        line.send(b"0125728359\r")
        await port.until(lambda: tags(port))
    assert sum(len(reading.findings) for reading in port.readings) == 1
    assert kinds(port) == ["travel_document", "bag_tag"]


async def test_every_forged_document_of_a_day_is_found_and_no_other(port):
    desk = Desk(seed=5, kinds=("document",), forged_every=4, today=TODAY)
    async with on_a_line() as (line, url), running(driver(url), port):
        await port.until(lambda: line.connected)
        for number in range(40):
            line.send(said(desk.codes(number), aim=True).encode())
        await port.until(lambda: len(port.readings) == 40)
    assert [bool(r.findings) for r in port.readings] == [desk.forged(number) for number in range(40)]
    assert not any(name in repr(r.values) for r in port.readings for name in ("ERIKSSON", "STEVENSON", "SIMULATED"))


async def test_the_same_code_at_once_is_read_once(port):
    async with on_a_line() as (line, url), running(driver(url, repeat_ms=60_000), port):
        await port.until(lambda: line.connected)
        line.send(b"0125728359\r" * 5 + b"0125728358\r0125728359\r")
        await port.until(lambda: len(port.readings) == 2)
        line.send(b"0125728357\r")
        await port.until(lambda: len(port.readings) == 3)
    assert [reading.item.id for reading in port.readings] == ["0125728359", "0125728358", "0125728357"]


async def test_a_keyboard_types_tags_and_its_keys_are_buttons(port, keyboard, tmp_path):
    buttons = [
        {"key": "KEY_F1", "name": "alert", "severity": "high"},
        {"code": "K9-CLEAR", "name": "clear", "alarm": False},
        {"key": 183, "name": "other"},
    ]
    async with running(driver(f"hid://{tmp_path}/event0", buttons=buttons), port):
        await up(port)
        keyboard.send(typed("]I00125728359\r") + stroke(59) + typed("K9-CLEAR\r") + stroke(60))
        await port.until(lambda: len(port.readings) == 3)
        # A button in the midst of a code (two devices of one hub) is no part of it.
        keyboard.send(typed("\r01257") + stroke(59) + typed("28358\r"))
        await port.until(lambda: len(port.readings) == 5)
    assert tags(port) == {"0125728359", "0125728358"}
    pressed = [reading for reading in port.readings if "button" in reading.values]
    assert [reading.values["button"] for reading in pressed] == ["alert", "clear", "alert"]
    assert [[finding.label for finding in reading.findings] for reading in pressed] == [["alert"], [], ["alert"]]
    assert pressed[0].findings[0].severity is Severity.HIGH
    assert not any(reading.findings for reading in port.readings if reading not in pressed)


async def test_a_button_that_bounces_was_pressed_once(port, keyboard, tmp_path):
    buttons = [{"key": "KEY_F1", "name": "alert"}]
    async with running(driver(f"hid://{tmp_path}/event0", buttons=buttons, debounce_ms=10_000), port):
        await up(port)
        keyboard.send(stroke(59) * 4 + typed("0125728359\r"))
        await port.until(lambda: tags(port))
    assert len(port.readings) == 2


async def test_a_french_keyboard(port, keyboard, tmp_path):
    # On an AZERTY keyboard digits need shift: "0" to "9" are the keys 11 and 2 to 10.
    from simulators.codereader.wire import record

    keys = [11, 2, 3, 6, 8, 3, 9, 4, 6, 10]
    shifted = record(1, 54, 1) + b"".join(stroke(key) for key in keys) + record(1, 54, 0)
    async with running(driver(f"hid://{tmp_path}/event0", layout="fr"), port):
        await up(port)
        keyboard.send(shifted + stroke(28))
        await port.until(lambda: port.readings)
    assert tags(port) == {"0125728359"}


async def test_half_a_code_is_no_read_and_is_complained_of(port):
    async with on_a_line() as (line, url), running(driver(url), port):
        await port.until(lambda: line.connected)
        line.send(b"01257")
        await port.until(lambda: port.last and port.last.code == "no-end")
        line.send(b"28359\r")
        await port.until(lambda: port.readings)
        line.send(b"0125728358\r")
        await port.until(lambda: tags(port))
    assert tags(port) == {"0125728358"}


async def test_noise_doubled_bytes_and_splits_lose_tags_but_make_none(port, tmp_path):
    chance, desk = random.Random(7), Desk(seed=7)

    def spoil(data: bytes) -> bytes:
        bad = bytearray(data)
        for _ in range(chance.randrange(3)):
            at = chance.randrange(len(bad))
            bad[at:at] = bad[at : at + 1] if chance.random() < 0.5 else chance.randbytes(chance.randrange(1, 9))
        return bytes(bad)

    sent = {desk.codes(number)[0][1] for number in range(300)}
    async with on_a_line(tmp_path / "reader") as (line, url), running(driver(url, aim_required=True), port):
        await up(port)
        wire = b"".join(spoil(said(desk.codes(number), aim=True).encode()) for number in range(300))
        while wire:
            size = chance.randrange(1, 64)
            line.send(wire[:size])
            wire = wire[size:]
            if chance.random() < 0.05:
                await port.rounds_more(1)
        line.send(b"\r]I00000000001\r")
        await port.until(lambda: "0000000001" in tags(port))
        line.send(b"]I0\xff\r")
        await port.until(lambda: port.last and port.last.code == "unreadable")
        for number in range(2, 6):
            line.send(f"]I0000000000{number}\r".encode())
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)
    assert tags(port) <= sent | {f"000000000{number}" for number in range(1, 6)}
    assert len(tags(port)) > 60
    assert not port.errors


async def test_a_reader_that_is_pulled_out_and_put_back(port, tmp_path):
    path = tmp_path / "reader"
    async with running(driver(f"serial://{path}"), port):
        await port.until(lambda: port.errors)
        for number in range(2):
            async with on_a_line(path) as (line, _):
                await up(port)
                line.send(f"012572835{number}\r".encode())
                await port.until(lambda number=number: f"012572835{number}" in tags(port))
            count = len(port.errors)
            await port.until(lambda count=count: len(port.errors) > count)
    assert all(isinstance(error, LinkError) for error in port.errors)


async def test_a_keyboard_that_is_pulled_out_in_the_midst_of_a_code(port, tmp_path):
    async with running(driver(f"hid://{tmp_path}/event0"), port):
        await port.until(lambda: port.errors)
        keyboard = Keyboard(tmp_path / "event0")
        keyboard.plug_in()
        await up(port)
        keyboard.send(typed("01257"))
        await port.rounds_more(1)
        keyboard.pull_out()
        await port.until(lambda: port.last and port.last.state is DeviceState.DOWN)
        keyboard.plug_in()
        await up(port)
        keyboard.send(typed("28359\r0125728358\r"))
        await port.until(lambda: tags(port))
        keyboard.pull_out()
    assert tags(port) == {"0125728358"}
    assert isinstance(port.errors[-1], LinkLost)


async def test_a_file_of_other_bytes_is_no_input_device(port, keyboard, tmp_path):
    keyboard.send(os.urandom(24 * 50))
    with pytest.raises(ProtocolError, match="input"):
        await driver(f"hid://{tmp_path}/event0").run(port)


async def test_a_flood_is_taken_as_far_as_it_goes_and_told(port, monkeypatch):
    monkeypatch.setattr("drivers.outgoing.MAX_WAITING", 10)
    port.open.clear()
    async with on_a_line() as (line, url), running(driver(url), port):
        await port.until(lambda: line.connected)
        line.send(b"".join(b"%010d\r" % number for number in range(1, 100)))
        await port.until(lambda: port.last and port.last.code == "overrun")
        port.open.set()
        line.send(b"0125728359\r")
        await port.until(lambda: "0125728359" in tags(port))
    assert not port.errors


async def test_what_the_core_refuses_is_offered_again(port):
    answers = iter([Outcome.REFUSED])
    port.answer = lambda _: next(answers, Outcome.COMMITTED)
    async with on_a_line() as (line, url), running(driver(url), port):
        await port.until(lambda: line.connected)
        line.send(b"0125728359\r")
        await port.until(lambda: len(port.readings) == 2)
    assert tags(port) == {"0125728359"}


async def test_a_probe_says_what_kind_of_code_came_and_not_which(keyboard, tmp_path, monkeypatch):
    keyboard.send(typed("]L0M1DESMARAIS/LUC       EABC123 YULFRAAC 0834 226F001A0025 100\r"))
    found = await driver(f"hid://{tmp_path}/event0").probe(60)
    assert found.ok
    assert found.sample == "a code came: a boarding pass"
    monkeypatch.setattr("drivers.codereader.driver.PROBE_S", 0.05)
    silent = await driver(f"hid://{tmp_path}/event0").probe(60)
    assert silent.ok and not silent.answered
    assert "no code came" in (silent.sample or "")
    keyboard.send(typed("01257"))
    assert "no code ended" in ((await driver(f"hid://{tmp_path}/event0").probe(60)).sample or "")
    lost = await driver(f"hid://{tmp_path}/event9").probe(60)
    assert not lost.ok
    assert lost.code == "link-lost" and "plugged in" in mends.mend(lost.code, "hid")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "hid://dev/input/event0"}, "three slashes"),
        ({"url": "COM3"}, "serial:///dev"),
        ({"url": "tcp://h:1", "buttons": [{"key": "KEY_F1", "name": "alert"}]}, "keys are of HID devices"),
        ({"url": "hid:///dev/input/event0", "buttons": [{"key": "F1", "name": "alert"}]}, "no key known"),
        ({"url": "hid:///dev/input/event0", "buttons": [{"name": "alert"}]}, "a key or a code"),
        ({"url": "hid:///x", "buttons": [{"key": 59, "name": "a"}, {"key": "KEY_F1", "name": "b"}]}, "named twice"),
        ({"url": "hid:///x", "buttons": [{"key": 59, "name": "a"}, {"key": 60, "name": "a"}]}, "same name"),
    ],
)
def test_wrong_settings_are_refused_with_words(settings, words):
    with pytest.raises(ValueError, match=words):
        CodereaderSettings.model_validate(settings)


async def test_a_labels_number_and_declared_weight(port):
    desk = Desk(kinds=("label",))
    async with on_a_line() as (line, url), running(driver(url, aim_required=True), port):
        await port.until(lambda: line.connected)
        for number in range(5):
            line.send(said(desk.codes(number), aim=True).encode())
        await port.until(lambda: len(port.readings) == 5)
    for number, reading in enumerate(port.readings):
        ((_, text),) = desk.codes(number)
        assert reading.identities == (Identity(IdKind.PARCEL, text[2:20]),)
        assert reading.values["declared_kg"] == int(text[24:]) / 100


def test_the_desk_is_the_same_for_the_same_seed():
    assert Desk(4, ("tag", "pass", "parcel", "document")).codes(3) == Desk(
        4, ("tag", "pass", "parcel", "document"), today=date(2026, 11, 21)
    ).codes(3)
