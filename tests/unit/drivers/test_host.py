"""A device's process seen from the core: what it says, how it waits for answers, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest

from drivers import host, registry, wire
from drivers.clock import Stamp, SystemClock
from drivers.contract import (
    DeviceState,
    Driver,
    DriverInfo,
    Energy,
    Outcome,
    Picture,
    Port,
    ProbeReport,
    Reading,
    Scan,
    Settings,
)
from drivers.errors import ConfigError, EdgeError, LinkLost, LinkTimeout

DEADLINE_S = 60.0


def reading(number: int) -> Reading:
    return Reading(Stamp(number, number), {"n": number})


class Core:
    """The other end of the wire, on the test's event loop."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.decoder = wire.Decoder()
        self.heard: list[Any] = []

    async def hear(self, kind: type) -> Any:
        """Return the next message of this kind; others are kept in `heard`."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for at, message in enumerate(self.heard):
                    if isinstance(message, kind):
                        return self.heard.pop(at)
                data = await loop.sock_recv(self.sock, 65_536)
                assert data, "the process closed the wire"
                self.heard += self.decoder.feed(data)

    async def say(self, message: Any) -> None:
        loop = asyncio.get_running_loop()
        for part in wire.encode(message):
            await loop.sock_sendall(self.sock, part)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    yield ends
    for end in ends:
        end.close()


@pytest.fixture
async def port_and_core(pair: Any, tmp_path: Path) -> AsyncIterator[tuple[host.SocketPort, Core]]:
    port = host.SocketPort("x-1", pair[0], tmp_path, 3, SystemClock())
    listening = asyncio.create_task(port.listen(wire.Decoder()))
    yield port, Core(pair[1])
    listening.cancel()
    await asyncio.wait({listening})
    if not listening.cancelled():
        listening.exception()


async def test_emit_returns_the_cores_word_on_that_observation(port_and_core: tuple[host.SocketPort, Core]) -> None:
    port, core = port_and_core
    emits = [asyncio.create_task(port.emit(reading(i))) for i in range(3)]
    offers = [await core.hear(wire.Offer) for _ in emits]
    assert [offer.observation.values for offer in offers] == [{"n": 0}, {"n": 1}, {"n": 2}], "in order"
    await core.say(wire.Answer(number=10_000, outcome=Outcome.REFUSED))  # to nothing that was asked
    for offer, outcome in ((offers[2], Outcome.REPEATED), (offers[0], Outcome.COMMITTED), (offers[1], Outcome.REFUSED)):
        await core.say(wire.Answer(number=offer.number, outcome=outcome))
        await core.say(wire.Answer(number=offer.number, outcome=Outcome.REFUSED))  # twice
    assert await asyncio.gather(*emits) == [Outcome.COMMITTED, Outcome.REFUSED, Outcome.REPEATED]


async def test_no_more_are_under_way_than_the_window_allows(port_and_core: tuple[host.SocketPort, Core]) -> None:
    port, core = port_and_core
    emits = [asyncio.create_task(port.emit(reading(i))) for i in range(5)]
    offers = [await core.hear(wire.Offer) for _ in range(3)]
    port.state(DeviceState.UP)
    assert await core.hear(wire.State), "other messages do not wait behind the window"
    assert core.heard == []
    await core.say(wire.Answer(number=offers[1].number, outcome=Outcome.COMMITTED))
    assert (await core.hear(wire.Offer)).observation.values == {"n": 3}
    for emit in emits:
        emit.cancel()
    await asyncio.wait(emits)


async def test_a_cancelled_emit_gives_its_place_back(port_and_core: tuple[host.SocketPort, Core]) -> None:
    port, core = port_and_core
    emits = [asyncio.create_task(port.emit(reading(i))) for i in range(3)]
    offers = [await core.hear(wire.Offer) for _ in emits]
    emits[0].cancel()
    last = asyncio.create_task(port.emit(reading(9)))
    offer = await core.hear(wire.Offer)
    for number in (offers[0].number, offer.number):
        await core.say(wire.Answer(number=number, outcome=Outcome.COMMITTED))
    assert await last is Outcome.COMMITTED
    for emit in emits:
        emit.cancel()
    await asyncio.wait(emits)


async def test_a_large_scan_and_a_state_do_not_mix(port_and_core: tuple[host.SocketPort, Core]) -> None:
    port, core = port_and_core
    data = random.Random(1).randbytes(1_000_000)
    scan = Scan(Stamp(1, 1), "k", data, "image/png", "n", (Picture(0, Energy.LOW, 1000, 1000, 1, 8, data),))
    emit = asyncio.create_task(port.emit(scan))
    await asyncio.sleep(0)
    port.state(DeviceState.UP, "while the scan is half written")
    offer = await core.hear(wire.Offer)
    assert bytes(offer.observation.pictures[0].data) == data
    assert (await core.hear(wire.State)).reason == "while the scan is half written"
    emit.cancel()
    await asyncio.wait({emit})


async def test_a_scan_given_up_while_it_is_being_written_does_not_break_the_wire(
    port_and_core: tuple[host.SocketPort, Core],
) -> None:
    port, core = port_and_core
    scan = Scan(Stamp(1, 1), "k", bytes(5_000_000), "image/png", "n", problem="none")
    emit = asyncio.create_task(port.emit(scan))
    for _ in range(5):  # as long as nobody reads, the socket is full before the scan is through
        await asyncio.sleep(0)
    emit.cancel()
    await asyncio.wait({emit})
    port.state(DeviceState.UP, "after it")
    assert (await core.hear(wire.State)).reason == "after it"
    assert len((await core.hear(wire.Offer)).observation.original) == 5_000_000


async def test_a_state_is_said_when_it_changes_and_a_long_reason_is_cut(
    port_and_core: tuple[host.SocketPort, Core],
) -> None:
    port, core = port_and_core
    for reason in ("a", "a", "b", "x" * 1000):
        port.state(DeviceState.DEGRADED, reason, "code", serial=7)
    said = [await core.hear(wire.State) for _ in range(3)]
    assert [s.reason for s in said] == ["a", "b", "x" * 512]
    assert (said[0].code, said[0].facts) == ("code", {"serial": 7})


async def test_an_observation_that_does_not_fit_fails_alone(port_and_core: tuple[host.SocketPort, Core]) -> None:
    port, core = port_and_core
    with pytest.raises(ValueError, match="parts"):
        await port.emit(Reading(Stamp(1, 1), {}, raw=b"x" * (wire.MAX_RAW_BYTES + 1)))
    emit = asyncio.create_task(port.emit(reading(1)))
    offer = await core.hear(wire.Offer)
    await core.say(wire.Answer(number=offer.number, outcome=Outcome.COMMITTED))
    assert await emit is Outcome.COMMITTED


async def test_a_core_that_is_gone_is_noticed_by_listening_and_by_writing(pair: Any, tmp_path: Path) -> None:
    port = host.SocketPort("x-1", pair[0], tmp_path, 3, SystemClock())
    pair[1].close()
    with pytest.raises(host.CoreGone):
        await port.listen(wire.Decoder())
    with pytest.raises(host.CoreGone):
        await port.write(wire.Beat(progress=1))


# keep_running


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> Stamp:
        return Stamp(int(self.seconds * 1e9), int(self.seconds * 1e9))


class Failing(Driver):
    """Fails with each of `errors` in turn (None: ends), each after `lasts_s`; then is cancelled."""

    def __init__(self, clock: Clock, *errors: BaseException | None, lasts_s: dict[int, float] | None = None) -> None:
        self.clock = clock
        self.errors = list(errors)
        self.lasts_s = lasts_s or {}
        self.runs = 0

    async def run(self, port: Port) -> None:
        self.clock.seconds += self.lasts_s.get(self.runs, 0)
        self.runs += 1
        if not self.errors:
            raise asyncio.CancelledError
        if error := self.errors.pop(0):
            raise error

    async def probe(self, deadline_s: float) -> ProbeReport:
        raise NotImplementedError


class Midst(random.Random):
    """Chance that always says the same."""

    def __init__(self, says: float) -> None:
        super().__init__()
        self.says = says

    def random(self) -> float:
        return self.says


class Said:
    """The part of a port that `keep_running` uses."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.states: list[tuple[DeviceState, str, str]] = []
        self.rounds = 0

    def state(self, state: DeviceState, reason: str = "", code: str = "") -> None:
        self.states.append((state, reason, code))

    def progress(self) -> None:
        self.rounds += 1


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return waits


async def kept_running(driver: Failing, says: float = 1.0) -> Said:
    port = Said(driver.clock)
    with pytest.raises(asyncio.CancelledError):
        await host.keep_running(driver, port, Midst(says))  # type: ignore[arg-type]
    return port


async def test_after_each_loss_it_waits_longer_up_to_a_limit(slept: list[float]) -> None:
    port = await kept_running(Failing(Clock(), *(LinkLost("gone") for _ in range(7))))
    assert slept == [0.5, 1, 2, 4, 8, 10, 10]
    assert port.states == [(DeviceState.DOWN, "gone", "link-lost")] * 7
    assert port.rounds == 7, "waiting for a device is no standstill"


async def test_no_two_devices_come_back_in_step(slept: list[float]) -> None:
    await kept_running(Failing(Clock(), LinkTimeout("x"), LinkTimeout("x")), says=0.0)
    assert slept == [0.25, 0.5]


async def test_after_a_good_minute_the_wait_begins_anew(slept: list[float]) -> None:
    await kept_running(Failing(Clock(), *(LinkLost("gone") for _ in range(5)), lasts_s={3: 61.0}))
    assert slept == [0.5, 1, 2, 0.5, 1]


async def test_a_driver_that_ends_is_down_with_a_reason(slept: list[float]) -> None:
    port = await kept_running(Failing(Clock(), None))
    assert port.states == [(DeviceState.DOWN, "the driver ended without a reason", "driver-ended")]


@pytest.mark.parametrize("error", [ConfigError("no such thing"), ValueError("a mistake")])
async def test_what_trying_again_cannot_mend_ends_the_process(slept: list[float], error: Exception) -> None:
    clock = Clock()
    with pytest.raises(type(error)):
        await host.keep_running(Failing(clock, error), Said(clock), Midst(1))  # type: ignore[arg-type]
    assert slept == []


# serve


class TalkSettings(Settings):
    """Settings of the test's driver."""

    text: str
    fail: bool = False


class Talk(Driver):
    """Emits one reading, says what became of it, and stays."""

    progress_deadline_s: ClassVar[float | None] = 12.0

    def __init__(self, settings: TalkSettings) -> None:
        self.settings = settings

    async def run(self, port: Port) -> None:
        if self.settings.fail:
            raise EdgeError("cannot go on")
        outcome = await port.emit(Reading(port.clock.now(), {"said": self.settings.text, "name": port.name}))
        port.progress()
        port.state(DeviceState.UP, str(outcome), "", state_dir=str(port.state_dir))
        await asyncio.Event().wait()

    async def probe(self, deadline_s: float) -> ProbeReport:
        raise NotImplementedError


@pytest.fixture
def served(pair: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """Serve `Talk` on one end of the pair in a thread; called, it returns the exit status."""
    here = __name__
    info = DriverInfo("talk", "", f"{here}:TalkSettings", f"{here}:Talk", pictures=False, example="")
    monkeypatch.setattr(registry, "available", lambda: {"talk": info})
    status: list[int] = []
    thread = threading.Thread(target=lambda: status.append(host.serve(pair[0])))
    thread.start()

    def ended() -> int:
        thread.join(DEADLINE_S)
        return status[0]

    yield ended
    pair[1].close()
    thread.join(DEADLINE_S)


def start(**settings: Any) -> wire.Start:
    return wire.Start(device="t-1", driver="talk", settings=settings, state_dir="/nowhere/t-1", window=4)


async def test_a_process_serves_its_device_until_the_core_goes(pair: Any, served: Callable[[], int]) -> None:
    core = Core(pair[1])
    await core.say(start(text="hello"))
    assert (await core.hear(wire.Hello)).driver == "talk"
    offer = await core.hear(wire.Offer)
    assert offer.observation.values == {"said": "hello", "name": "t-1"}
    beat = await core.hear(wire.Beat)
    assert (beat.progress, beat.deadline_s) == (0, 12.0)
    await core.say(wire.Answer(number=offer.number, outcome=Outcome.COMMITTED))
    state = await core.hear(wire.State)
    assert (state.state, state.reason, state.facts) == (DeviceState.UP, "committed", {"state_dir": "/nowhere/t-1"})
    while (await core.hear(wire.Beat)).progress < 1:
        pass
    pair[1].close()
    assert await asyncio.to_thread(served) == 0


async def test_a_core_that_goes_before_it_said_anything(pair: Any, served: Callable[[], int]) -> None:
    pair[1].close()
    assert await asyncio.to_thread(served) == 0


async def test_a_driver_that_cannot_go_on_ends_the_process(
    pair: Any, served: Callable[[], int], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL, "jaitf.device"):
        await Core(pair[1]).say(start(text="", fail=True))
        assert await asyncio.to_thread(served) == 1


async def test_a_core_that_talks_nonsense_ends_the_process(
    pair: Any, served: Callable[[], int], caplog: pytest.LogCaptureFixture
) -> None:
    core = Core(pair[1])
    with caplog.at_level(logging.CRITICAL, "jaitf.device"):
        await core.say(start(text="hello"))
        await core.hear(wire.Hello)
        await asyncio.get_running_loop().sock_sendall(pair[1], b"nonsense, not a frame")
        assert await asyncio.to_thread(served) == 1


async def test_a_process_gives_back_once_after_each_run_of_observations(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    given_back: list[int] = []
    comes = iter([0, 3, 0, 0, 2, 1, 0, 0])
    port = SimpleNamespace(offered=0)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        coming = next(comes, None)
        if coming is None:
            raise asyncio.CancelledError
        port.offered += coming

    monkeypatch.setattr(host.asyncio, "sleep", sleep)
    monkeypatch.setattr(host.heap, "give_back", lambda: given_back.append(port.offered))
    with pytest.raises(asyncio.CancelledError):
        await host.give_back_in_pauses(cast("host.SocketPort", port))
    assert set(slept) == {host.PAUSE_S}
    assert given_back == [3, 6], "not before the first, not amid them, and not again"
