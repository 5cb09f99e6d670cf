"""The service of one process, its frames taken for hostile: a socket pair, and the test at the other end of it."""

import asyncio
import contextlib
import signal
import socket
import subprocess

import pytest

from drivers import wire
from drivers.clock import SystemClock
from drivers.contract import DeviceState, Energy, Outcome, Picture, Scan, Settings
from drivers.errors import StoreError
from edge.config import DeviceConfig
from edge.supervisor import device as module
from edge.supervisor.child import Child
from edge.supervisor.device import DeviceService, ProcessEnded
from tests.core import DEADLINE_S, FakeClock, reading, until

CLOCK = SystemClock()


class FarEnd:
    """The process's side: a real one that only sleeps stands for it, so that it can be killed."""

    def __init__(self, tmp_path, handle, pictures=False, settings=None, clock=CLOCK):
        import os

        ours, self.wire = socket.socketpair()
        ours.setblocking(False)
        self.wire.setblocking(False)
        self.process = subprocess.Popen(["sleep", "600"])
        loop = asyncio.get_running_loop()
        self.exit = loop.create_future()
        self.child = child = Child("x", self.process.pid, ours, os.pidfd_open(self.process.pid), self.exit)
        config = DeviceConfig.model_construct(
            name="x", driver="test", model=None, settings=settings or Settings(), memory_bytes=1 << 30
        )
        self.states = []
        self.unsettled = set()
        self.service = DeviceService(
            config,
            child,
            pictures=pictures,
            state_dir=tmp_path,
            clock=clock,
            handle=handle,
            set_state=self.states.append,
            unsettled=self.unsettled,
        )
        self.task = asyncio.create_task(self.service.serve())
        self._decoder = wire.Decoder()

    async def send(self, *messages):
        for message in messages:
            await self.send_bytes(b"".join(wire.encode(message)))

    async def send_bytes(self, data):
        await asyncio.get_running_loop().sock_sendall(self.wire, data)

    async def receive(self):
        return list(self._decoder.feed(await asyncio.get_running_loop().sock_recv(self.wire, 1 << 20)))

    async def ended(self):
        with pytest.raises(ProcessEnded) as ended:
            await asyncio.wait_for(self.task, DEADLINE_S)
        return ended.value


@pytest.fixture
async def far_end(tmp_path):
    opened = []

    def make(handle=None, **options):
        async def committed(_, __):
            return Outcome.COMMITTED

        opened.append(FarEnd(tmp_path, handle or committed, **options))
        return opened[-1]

    yield make
    for end in opened:
        for task in (end.task, *end.unsettled):
            task.cancel()
        await asyncio.gather(end.task, *end.unsettled, return_exceptions=True)
        end.wire.close()
        end.process.kill()
        end.process.wait()


def offer(number, **changes):
    return wire.Offer(number=number, observation=reading(CLOCK.now(), number, **changes))


async def test_it_is_told_what_to_run_and_answers_what_is_offered(far_end):
    seen = []

    async def handle(config, observation):
        seen.append((config.name, observation))
        return Outcome.REPEATED

    end = far_end(handle)
    [start] = await end.receive()
    assert (start.kind, start.device, start.driver, start.window) == ("start", "x", "test", module.READING_WINDOW)
    sent = offer(7)
    await end.send(sent)
    [answer] = await end.receive()
    assert (answer.number, answer.outcome) == (7, Outcome.REPEATED)
    assert seen == [("x", sent.observation)]
    assert end.service.last_observation == sent.observation.at


@pytest.mark.parametrize("error", [StoreError("eio"), ZeroDivisionError("a mistake of the core's")])
async def test_an_observation_that_the_core_stumbles_over_is_answered(far_end, error, caplog):
    async def stumble(_, __):
        raise error

    end = far_end(stumble)
    await end.receive()
    await end.send(offer(1))
    [answer] = await end.receive()
    assert answer.outcome is Outcome.REFUSED
    assert "could not be handled" in caplog.text


async def test_what_has_reached_the_core_is_dealt_with_though_the_process_dies(far_end):
    gate, done = asyncio.Event(), []

    async def slow(_, observation):
        await gate.wait()
        done.append(observation)
        return Outcome.COMMITTED

    end = far_end(slow)
    await end.receive()
    await end.send(offer(1), offer(2))
    await until(lambda: len(end.unsettled) == 2)
    end.exit.set_result(-9)
    end.wire.shutdown(socket.SHUT_RDWR)
    assert (await end.ended()).finding == "crashing"
    gate.set()
    await until(lambda: not end.unsettled)
    assert len(done) == 2


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (-signal.SIGKILL, "ended by SIGKILL"),
        (-signal.SIGSEGV, "ended by SIGSEGV"),
        (-40, "ended by signal 40"),
        (3, "ended with status 3"),
    ],
)
async def test_how_a_process_ended_is_said(far_end, status, said):
    end = far_end()
    await end.receive()
    end.exit.set_result(status)
    end.wire.close()
    ended = await end.ended()
    assert (ended.finding, said in str(ended)) == ("crashing", True)


async def test_a_process_that_dies_before_it_is_told_anything(far_end):
    end = far_end()
    end.exit.set_result(1)
    end.wire.close()
    assert "ended with status 1" in str(await end.ended())


async def test_a_process_that_dies_with_an_answer_unread(far_end):
    end = far_end()
    await end.receive()
    await end.send(offer(1))
    await until(lambda: end.service.last_observation and not end.unsettled)
    end.exit.set_result(1)
    end.wire.close()
    assert "ended with status 1" in str(await end.ended())


async def test_a_process_that_closes_its_wire_and_lives_on_is_ended(far_end, monkeypatch):
    end = far_end()
    end.exit.set_result(0)
    end.wire.close()
    await end.ended()
    assert end.process.wait(DEADLINE_S) == -signal.SIGKILL


async def test_a_core_that_ends_just_when_a_process_does_lets_go_of_its_wire(far_end, monkeypatch):
    end = far_end()
    kill = Child.kill

    def killed_and_stopped(child, number):
        kill(child, number)
        end.task.cancel()

    monkeypatch.setattr(Child, "kill", killed_and_stopped)
    end.exit.set_result(0)
    end.wire.close()
    with pytest.raises(asyncio.CancelledError):
        await end.task
    assert end.child.handle == -1
    assert end.child.wire.fileno() == -1


def truncated(message, cut):
    return b"".join(wire.encode(message))[:cut]


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 64,
        wire.PREFIX.pack(wire.MAGIC, 10, module.READING_BODY_BYTES + 1),
        wire.PREFIX.pack(wire.MAGIC, wire.MAX_HEADER_BYTES + 1, 0),
        b"".join(wire.encode(wire.Answer(number=1, outcome=Outcome.COMMITTED))),
        b"".join(wire.encode(wire.Start(device="x", driver="y", settings={}, state_dir="/", window=1))),
    ],
    ids=["garbage", "large body", "large header", "an answer", "a start"],
)
async def test_what_is_no_message_from_a_device_ends_its_process(far_end, data):
    end = far_end()
    await end.receive()
    await end.send_bytes(data)
    assert (await end.ended()).finding == "wire"
    assert end.process.wait(DEADLINE_S) == -signal.SIGKILL


async def test_a_process_killed_in_the_middle_of_a_frame_brings_what_came_before(far_end):
    seen = []

    async def handle(_, observation):
        seen.append(observation)
        return Outcome.COMMITTED

    end = far_end(handle)
    await end.receive()
    await end.send(offer(1))
    await end.send_bytes(truncated(offer(2), 50))
    end.exit.set_result(-9)
    end.wire.close()
    await end.ended()
    await until(lambda: not end.unsettled)
    assert [o.values for o in seen] == [{"counter": 1}]


async def test_more_without_an_answer_than_agreed_ends_it(far_end):
    never = asyncio.Event()

    async def wait(_, __):
        await never.wait()

    end = far_end(wait)
    with contextlib.suppress(OSError):
        for number in range(module.READING_WINDOW + 1):
            await end.send(offer(number))
    assert "without an answer" in str(await end.ended())


async def test_a_flood_is_slowed_down_to_what_is_still_believed(far_end, monkeypatch):
    await quick(monkeypatch, FLOOD_WINDOW_S=0.2, FLOOD_PER_S=100)
    end, number, after = far_end(), 0, []
    await end.receive()
    async with asyncio.timeout(DEADLINE_S):
        while len(after) < 50:
            number += 1
            await end.send(offer(number))
            await end.receive()
            if end.service.flooding:
                after.append(CLOCK.now().monotonic_ns)
    assert number > 60  # it was one before it was slowed down
    assert (after[-1] - after[0]) / 1e9 >= 48 / 100


async def test_a_state_that_changes_faster_than_anything_does_is_a_flood(far_end):
    end = far_end()
    with contextlib.suppress(OSError):
        for number in range(module.STATES_PER_WINDOW + 1):
            await end.send(wire.State(state=DeviceState.UP, reason=str(number)))
    assert (await end.ended()).finding == "flooding"
    assert len(end.states) <= module.STATES_PER_WINDOW


async def test_the_core_reads_no_further_while_it_holds_enough_pictures(far_end, monkeypatch):
    monkeypatch.setattr(module, "HELD_BYTES", 100_000)
    looks = await quick(monkeypatch, LATE_S=float("inf"))
    gate, seen, clock = asyncio.Event(), [], FakeClock()

    async def slow(_, observation):
        seen.append(observation)
        await gate.wait()
        return Outcome.COMMITTED

    picture = Picture(0, Energy.SINGLE, 200, 200, 1, 8, bytes(40_000))
    scan = Scan(CLOCK.now(), "k", bytes(40_000), "image/png", "n", (picture,))
    end = far_end(slow, pictures=True, clock=clock)
    sending = asyncio.create_task(end.send(*(wire.Offer(number=n, observation=scan) for n in range(8))))
    await until(lambda: len(seen) >= 2)
    clock.advance(
        module.HELLO_DEADLINE_S + 1
    )  # longer than a process may be silent: it is the core that does not listen
    await looks(2)
    assert not end.task.done()
    assert not sending.done()
    assert len(seen) < 8
    gate.set()
    await until(lambda: len(seen) == 8)
    await sending


async def test_settings_that_do_not_fit_the_wire_are_this_devices_trouble_alone(far_end):
    class Large(Settings):
        text: str

    end = far_end(settings=Large(text="x" * wire.MAX_HEADER_BYTES))
    ended = await end.ended()
    assert "could not be told what to run" in str(ended)


async def quick(monkeypatch, **limits):
    """Have processes looked at often, and return what waits for so many looks more."""
    for name, value in {"WATCH_S": 0.01, **limits}.items():
        monkeypatch.setattr(module, name, value)
    looked, rss_bytes = [], Child.rss_bytes

    def look(child):
        looked.append(child.name)
        return rss_bytes(child)

    async def looks(more):
        goal = len(looked) + more
        await until(lambda: len(looked) >= goal)

    monkeypatch.setattr(Child, "rss_bytes", look)
    return looks


async def test_a_process_that_never_says_hello_is_hanging(far_end, monkeypatch):
    await quick(monkeypatch, HELLO_DEADLINE_S=0.05)
    assert (await far_end().ended()).finding == "hanging"


async def test_without_a_heartbeat_it_is_hanging_and_without_progress_silent(far_end, monkeypatch):
    looks, clock = await quick(monkeypatch, LATE_S=float("inf")), FakeClock()
    silent, hanging = far_end(clock=clock), far_end(clock=clock)
    await silent.send(wire.Hello(driver="test", version="1"), wire.Beat(progress=0, deadline_s=1.0))
    await hanging.send(wire.Hello(driver="test", version="1"), wire.Beat(progress=0, deadline_s=None))
    await until(lambda: silent.service._progress == hanging.service._progress == 0)
    clock.advance(1.0)
    await looks(4)
    assert not silent.task.done()
    clock.advance(0.5)
    assert (await silent.ended()).finding == "silent"
    assert not hanging.task.done()
    clock.advance(module.BEAT_DEADLINE_S)
    assert (await hanging.ended()).finding == "hanging"


async def test_too_much_memory_is_a_leak(far_end, monkeypatch):
    await quick(monkeypatch)
    end = far_end()
    monkeypatch.setattr(Child, "rss_bytes", lambda _: 1 << 31)
    ended = await end.ended()
    assert (ended.finding, str(1 << 30) in str(ended)) == ("leaking", True)


async def test_a_core_that_was_stopped_itself_blames_nobody(far_end, monkeypatch):
    """After SIGSTOP and SIGCONT of the core, or a sleep of the whole box, the heartbeats lie unread in the socket."""
    looks, clock = await quick(monkeypatch), FakeClock()
    end = far_end(clock=clock)
    await end.send(wire.Hello(driver="test", version="1"), wire.Beat(progress=0, deadline_s=5))
    await until(lambda: end.service._hello)
    clock.advance(3600)
    await looks(3)
    assert not end.task.done()
