"""What a driver said of its simulated device while it was recorded, it says again of the recording."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drivers import registry
from drivers.conformance.case import Wire
from drivers.conformance.grading import cases_of
from drivers.conformance.tap import Tap
from drivers.contract import Settings
from drivers.errors import ConfigError
from drivers.recording import cases, sessions, tape
from drivers.recording.heard import Said
from drivers.recording.wires import kept, wire_of

pytestmark = pytest.mark.slow

#: Driver, which of its conformance cases, the wire, how many observations are enough; whether all it says follows from
#: the bytes alone: what a reader tells every so often hangs on when its bytes came, to the millisecond.
PEERS = [
    ("scale", 0, Wire.PTY, 3, True),
    ("codereader", 0, Wire.PTY, 5, True),
    ("modbus", 0, Wire.TCP, 5, True),
    ("codereader", 1, Wire.TCP, 5, True),
    ("lamp", 0, Wire.TCP, 1, True),
    ("rpm-ascii", 0, Wire.TCP, 3, False),
    ("llrp", 0, Wire.TCP, 3, False),
    ("uhf-serial", 0, Wire.PTY, 3, False),
    ("nmea", 0, Wire.TCP, 3, False),
]


#: Datagrams, two a line: however slowly a busy machine plays them, several bags and what lies between them.
SEVERAL_BAGS = 1200


class Peer(threading.Thread):
    """A simulated device in a loop of its own, with a tap before it that can be told to spoil things."""

    def __init__(self, driver: str, number: int, wire: Wire, folder: Path) -> None:
        super().__init__(daemon=True)
        self.info = registry.available()[driver]
        self.case = cases_of(self.info)[number]
        self._wire = wire
        self._folder = folder
        self._ready = threading.Event()

    def run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        async with self._line() as self.line:
            self._ready.set()
            await self._ended.wait()

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[Any]:
        if self.case.line:
            async with self.case.line(self._folder) as line:
                yield line
            return
        assert self.case.serve
        async with self.case.serve() as port:
            tap = Tap(self._wire, self._folder, serve=port)
            await tap.plug()
            try:
                yield tap
            finally:
                await tap.unplug()
                tap.close()

    def __enter__(self) -> Peer:
        self.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self.join(60)

    def spoil(self, what: Callable[[Any], None]) -> None:
        self._loop.call_soon_threadsafe(what, self.line)

    @property
    def settings(self) -> Settings:
        given = self.case.settings(self.line.where)
        if self.info.name == "modbus":  # of two points it hangs on a busy machine's timing which is asked for first
            given |= {"points": given["points"][:1]}
        return registry.settings_class(self.info).model_validate(given)


class Counting(tape.Tape):
    """A recording that ends with so many events."""

    left = 1_000_000

    def add(self, *given: Any, **more: Any) -> None:
        super().add(*given, **more)
        self.left -= 1
        if not self.left:
            self.stop()


def recorded(
    peer: Peer, path: Path, enough: Callable[[list[Said]], bool], seconds: float = 20, events: int = Counting.left
) -> tuple[list[Said], tape.Recording]:
    """Record until there is enough, or for so long; return what the driver said meanwhile, and the recording."""
    said: list[Said] = []
    header = tape.header_of(peer.info.name, "d-1", kept(peer.settings), 1_795_000_000_000_000_000, "0")
    made = Counting(path, header, time.monotonic_ns)
    made.left = events

    def hear(word: Said) -> None:
        if not made.over:
            said.append(word)
            if enough(said):
                made.stop()

    sessions.record(peer.info, peer.settings, made, seconds, hear)
    return said, tape.read(path)


def observations(said: list[Said]) -> list[Said]:
    return [word for word in said if "reading" in word or "scan" in word]


def timeless(said: list[Said]) -> list[Said]:
    """All but the times, which are the recorded day's in the one and today's in the other."""
    bare = [{key: value for key, value in word.items() if key not in ("at_s", "reason")} for word in said]
    return json.loads(re.sub(r"20\d\d-\d\d-\d\dT[\d:.]+Z", "", json.dumps(bare)))


@pytest.mark.parametrize(
    ("driver", "number", "wire", "count", "exact"), PEERS, ids=[f"{peer[0]}-{peer[1]}" for peer in PEERS]
)
def test_it_says_again_what_it_said(
    driver: str, number: int, wire: Wire, count: int, exact: bool, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    with Peer(driver, number, wire, tmp_path) as peer:
        live, kept_wire = recorded(peer, tmp_path / "a.wire", lambda said: len(observations(said)) >= count)
        settings = peer.settings
    first = sessions.replay(kept_wire, peer.info, settings)
    again = sessions.replay(kept_wire, peer.info, settings)
    assert first.said == again.said
    assert not first.differences
    assert len(observations(live)) >= count
    if exact:
        assert timeless(list(first.said))[: len(live) - 1] == timeless(live)[:-1]
    else:
        assert observations(list(first.said))


def test_datagrams_are_recorded_and_what_a_device_remembers_goes_along(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with Peer("linescan", 1, Wire.UDP, tmp_path) as peer:
        _, kept_wire = recorded(peer, tmp_path / "a.wire", lambda _: False, 60, SEVERAL_BAGS)
        settings = peer.settings
    done = sessions.replay(kept_wire, peer.info, settings)
    assert [word["code"] for word in done.said] == ["uncalibrated"]
    done = sessions.replay(kept_wire, peer.info, settings, state=tmp_path / "state")
    assert any("scan" in word and len(word["scan"]["pictures"]) == 2 for word in done.said)


def test_of_tls_what_was_said_inside_is_kept_and_a_replay_needs_no_certificate(tmp_path: Path) -> None:
    with Peer("modbus", 1, Wire.TCP, tmp_path) as peer:
        live, kept_wire = recorded(peer, tmp_path / "a.wire", lambda said: len(observations(said)) >= 3)
        settings = peer.settings.model_copy(update={"ca_file": Path("/nowhere/ca.pem")})
    asked = next(event.data for event in kept_wire.events if event.kind is K.OUT)
    assert asked == bytes.fromhex("0001 0000 0006 01 03 0000 0001")  # the first request, in clear
    done = sessions.replay(kept_wire, peer.info, settings)
    assert timeless(list(done.said))[: len(live) - 1] == timeless(live)[:-1]


def test_a_fault_on_the_wire_is_there_again_and_makes_a_case(tmp_path: Path) -> None:
    def cut_then_mend(said: list[Said]) -> bool:
        states = [word["state"] for word in said if "state" in word]
        if len(said) == 2:
            peer.spoil(lambda line: line.silence())
        if states[-1:] == ["down"]:
            peer.spoil(lambda line: line.mend())
        return states[-2:] == ["down", "up"]

    with Peer("modbus", 0, Wire.TCP, tmp_path) as peer:
        live, kept_wire = recorded(peer, tmp_path / "a.wire", cut_then_mend)
        settings = peer.settings
    states = [(word["state"], word["code"]) for word in live if "state" in word]
    assert states[0] == states[-1] == ("up", "")
    assert states[-2] == ("down", "link-timeout")
    done = sessions.replay(kept_wire, peer.info, settings)
    again = [(word["state"], word["code"]) for word in done.said if "state" in word]
    assert again[: len(states)] == states
    cases.write(tmp_path / "case", tmp_path / "a.wire", "modbus", kept(settings), done)
    case = cases.load(tmp_path / "case")
    assert case.settings == settings
    assert cases.compared(case.play()) == case.expected
    with pytest.raises(ConfigError, match="new name"):
        cases.write(tmp_path / "case", tmp_path / "a.wire", "modbus", kept(settings), done)


def replayed(driver: str, settings: dict[str, Any], *events: tape.Event) -> sessions.Replay:
    info = registry.available()[driver]
    header = tape.header_of(driver, "d-1", settings, 1_795_000_000_000_000_000, "0")
    return sessions.replay(tape.Recording(header, events), info, cases.settings_of(info, settings))


def event(at_s: float, kind: tape.Kind, data: bytes = b"", text: str = "", connection: int = 1) -> tape.Event:
    return tape.Event(round(at_s * 1e9), connection, kind, data, text)


K = tape.Kind


def test_another_driver_than_was_recorded_goes_on_and_says_so() -> None:
    done = replayed(
        "scale", {"url": "tcp://192.0.2.1:1"}, event(0, K.OPEN), event(0.1, K.OUT, b"WHO?"), event(1, K.IN, b"me\r\n")
    )
    assert len(done.differences) == 1
    assert "something else" in done.differences[0]


def test_an_opening_that_failed_fails_again() -> None:
    done = replayed(
        "scale",
        {"url": "serial:///dev/ttyNONE"},
        event(0, K.FAIL, text="link-busy"),
        event(0.5, K.FAIL, text="link-denied", connection=2),
        event(1, K.OPEN, connection=3),
        event(1.1, K.OUT, b"I4\r\n", connection=3),
        event(1.2, K.HANGUP, connection=3),
        event(1.6, K.STOP, connection=0),
    )
    assert [word["code"] for word in done.said] == ["link-busy", "link-denied", "link-lost"]
    assert done.took_s < 20


def test_what_no_driver_may_raise_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("a driver's mistake")

    monkeypatch.setattr("drivers.scale.driver.ScaleDriver.run", broken)
    done = replayed("scale", {"url": "tcp://192.0.2.1:1"}, event(0, K.OPEN), event(0.1, K.IN, b"x"))
    assert [word.get("failed") for word in done.said] == ["ZeroDivisionError"]


@pytest.mark.parametrize(
    ("driver", "settings", "mend"),
    [
        ("screen", {"url": "rtsp://192.0.2.1/x"}, "at the encoder"),
        ("screen", {"url": "v4l2:///dev/video0"}, "ffmpeg"),
    ],
)
def test_what_is_not_recorded_says_why_and_what_to_do(driver: str, settings: dict[str, Any], mend: str) -> None:
    info = registry.available()[driver]
    with pytest.raises(ConfigError, match=mend):
        wire_of(info, registry.settings_class(info).model_validate(settings))


@pytest.mark.parametrize(("driver", "word"), [("codereader", "documents"), ("linescan", "bags")])
def test_who_records_is_warned_of_what_it_holds(driver: str, word: str) -> None:
    info = registry.available()[driver]
    settings = registry.settings_class(info).model_validate({"url": "tcp://127.0.0.1:1"})
    assert word in wire_of(info, settings).warning


def test_no_document_number_is_said() -> None:
    passport = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"
    done = replayed(
        "codereader",
        {"url": "tcp://192.0.2.1:1"},
        event(0, K.OPEN),
        event(0.1, K.IN, "".join(passport).encode() + b"\r"),
        event(2, K.STOP, connection=0),
    )
    assert {"kind": "document"} in [
        one for word in done.said if "reading" in word for one in word["reading"]["identities"]
    ]
    assert "L898902C3" not in str(done.said)


def test_a_recording_that_was_cut_by_hand_from_an_open_on_is_played() -> None:
    done = replayed(
        "scale",
        {"url": "tcp://192.0.2.1:1", "confirm": 1, "poll_ms": 100},
        event(5000, K.OPEN, connection=7),
        event(5000.1, K.OUT, b"I4\r\n", connection=7),
        event(5000.2, K.IN, b'I4 A "B021"\r\n', connection=7),
        event(5000.3, K.OUT, b"SI\r\n", connection=7),
        event(5000.4, K.IN, b"S S      12.35 kg\r\n", connection=7),
    )
    assert [word["reading"]["values"]["weight_kg"] for word in observations(list(done.said))] == [12.35]
    assert not done.differences


def test_pictures_of_a_third_partys_driver_are_not_recorded() -> None:
    info = replace(registry.available()["linescan"], name="hall-scanner")
    settings = registry.settings_class(info).model_validate({"url": "tcp://127.0.0.1:1"})
    with pytest.raises(ConfigError, match="might be a person"):
        wire_of(info, settings)
