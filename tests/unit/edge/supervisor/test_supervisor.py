"""The supervisor with real processes, of a driver that misbehaves as devices do."""

import asyncio
import contextlib
import os
import random
import signal
import socket
from pathlib import Path

import pytest

from drivers import registry
from drivers.clock import SystemClock
from drivers.contract import DeviceState, Outcome, Reading
from drivers.errors import LinkLost
from edge.config import DeviceConfig
from edge.supervisor import device as device_module
from edge.supervisor import supervisor as module
from edge.supervisor.supervisor import Supervisor
from tests.core import FakeClock, alive, descriptors, until

pytestmark = pytest.mark.slow

THIRD_PARTY = Path(__file__).parents[3] / "thirdparty"
MB = 1024 * 1024
#: How long a process may be kept waiting by a busy machine before it is taken for one that hangs.
LATE_S = 60.0


@pytest.fixture
def test_driver(monkeypatch):
    """The driver of tests/thirdparty, here and in the processes that are started from here."""
    monkeypatch.setenv("PYTHONPATH", f"{THIRD_PARTY}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.syspath_prepend(THIRD_PARTY)
    registry.available.cache_clear()
    yield registry.available()["test"]
    registry.available.cache_clear()


class Lane:
    """A supervisor, and everything that it heard: observations by device, and each change of a status."""

    def __init__(self, folder, info, devices, clock):
        made = registry.settings_class(info)
        configs = tuple(
            DeviceConfig(
                name=name,
                file=folder / f"{name}.toml",
                driver="test",
                model=None,
                enabled=options.pop("enabled", True),
                memory_bytes=options.pop("memory_bytes", 256 * MB),
                settings=made(**{"hz": 100, "progress_deadline_s": LATE_S, **options}),
            )
            for name, options in devices.items()
        )
        self.seen = {name: [] for name in devices}
        self.said = {name: [] for name in devices}
        self.gate = asyncio.Event()
        self.gate.set()
        self.supervisor = Supervisor(configs, folder, clock, random.Random(1), self._handle, self._state)
        self.task = asyncio.create_task(self.supervisor.run())

    async def _handle(self, device, observation):
        await self.gate.wait()
        self.seen[device.name].append(observation)
        return Outcome.COMMITTED

    def _state(self, name, status):
        self.said[name].append((status.state, status.code))

    def status(self, name):
        return self.supervisor.status[name]

    def pid(self, name):
        return self.supervisor._children[name].pid

    def counts(self, name):
        return [o.values["count"] for o in self.seen[name] if isinstance(o, Reading)]

    async def found(self, name, code):
        await until(lambda: code in [c for _, c in self.said[name]])

    async def up(self, *names):
        await until(lambda: all(self.status(n).state is DeviceState.UP and self.seen[n] for n in names))

    async def stop(self):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@pytest.fixture
async def lane(tmp_path, test_driver, monkeypatch):
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(device_module, "WATCH_S", 0.02)
    monkeypatch.setattr(device_module, "BEAT_DEADLINE_S", LATE_S)
    running = []

    def start(clock=None, **devices):
        running.append(Lane(tmp_path, test_driver, devices, clock or SystemClock()))
        return running[-1]

    yield start
    for each in running:
        await each.stop()


async def test_each_way_to_fail_has_its_name_and_nobody_else_notices(lane, monkeypatch):
    # A flood is one also where a busy machine carries but a part of it; and what the well one brings meanwhile, all
    # of it at once after a rest of the core's, is none.
    monkeypatch.setattr(device_module, "FLOOD_WINDOW_S", 1.0)
    monkeypatch.setattr(device_module, "FLOOD_PER_S", 100)
    faults = {
        "crash": "crashing",
        "exit": "crashing",
        "fatal": "crashing",
        "silent": "silent",
        "leak": "leaking",
        "flood": "flooding",
        "garbage": "wire",
        "lost": "link-lost",
    }
    options = {fault: {"fault": fault, "after": 3} for fault in faults}
    options["silent"]["progress_deadline_s"] = 1.0
    running = lane(well={"hz": 5}, **options)
    await running.up("well")
    pid = running.pid("well")
    for fault, code in faults.items():
        await running.found(fault, code)
    assert running.pid("well") == pid
    counts = running.counts("well")
    assert counts == list(range(1, len(counts) + 1))
    assert {state for state, _ in running.said["well"]} == {DeviceState.UP}
    # A flood is shown while it lasts; a cable that is out is its driver's to mend. The others are restarted.
    assert DeviceState.DEGRADED in {state for state, _ in running.said["flood"]}
    assert running.status("flood").restarts == running.status("lost").restarts == 0
    await until(
        lambda: all(running.status(f).restarts for f in ("crash", "exit", "fatal", "silent", "leak", "garbage"))
    )


async def test_what_a_process_is(lane, tmp_path):
    with (tmp_path / "lock").open("w") as lock, socket.create_server(("127.0.0.1", 0)) as listener:
        running = lane(one={"memory_bytes": 128 * MB}, two={})
        await running.up("one", "two")
        pid, nursery = running.pid("one"), running.supervisor._nursery._process.pid
        control = running.supervisor._nursery._control
        process = Path(f"/proc/{pid}")
        assert process.joinpath("cmdline").read_bytes().rstrip(b"\0") == b"jaitf-edge-device one"
        assert process.joinpath("stat").read_text().rpartition(")")[2].split()[1] == str(nursery)
        limits = {
            line[:25].strip(): line[25:].split()[0] for line in process.joinpath("limits").read_text().splitlines()
        }
        assert limits["Max data size"] == str(2 * 128 * MB)
        assert limits["Max core file size"] == "0"
        assert process.joinpath("oom_score_adj").read_text().strip() == "500"
        core = {str(Path(f"/proc/self/fd/{each.fileno()}").readlink()) for each in (listener, lock, control)}
        held = descriptors(pid)
        assert not core & set(held.values())
        assert not [name for name in held.values() if str(tmp_path) in name]
        sockets = {name for number, name in held.items() if name.startswith("socket:") and number > 2}
        # Its end of the wire, and the pair that its event loop wakes itself with; none is another device's.
        assert len(sockets) == 3
        assert not sockets & set(descriptors(running.pid("two")).values())


async def test_one_is_restarted_and_that_is_no_crash(lane):
    running = lane(one={}, two={})
    await running.up("one", "two")
    first, other = running.pid("one"), running.pid("two")
    running.supervisor.restart("one")
    await until(lambda: not alive(first))
    await until(lambda: "one" in running.supervisor._children and running.pid("one") != first)
    await running.up("one")
    assert (DeviceState.DOWN, "starting") in running.said["one"]
    assert running.status("one").restarts == 0
    assert running.pid("two") == other


async def test_one_is_disabled_stays_so_and_comes_back_when_enabled(lane):
    running = lane(one={}, two={})
    await running.up("one", "two")
    first = running.pid("one")
    running.supervisor.disable("one")
    assert running.status("one").state is DeviceState.DISABLED
    await until(lambda: "one" not in running.supervisor._children)
    seen = len(running.seen["two"])
    await until(lambda: len(running.seen["two"]) > seen + 20)
    assert not alive(first)
    assert running.status("one").state is DeviceState.DISABLED
    running.supervisor.enable("one")
    running.seen["one"].clear()
    await running.up("one")


async def test_one_that_is_disabled_while_it_is_being_born_is_not_born(lane, monkeypatch):
    running = lane(one={})
    nursery, born = running.supervisor._nursery, []
    real = nursery.spawn

    async def spawn(*arguments):
        born.append(await real(*arguments))
        running.supervisor.disable("one")
        return born[-1]

    monkeypatch.setattr(nursery, "spawn", spawn)
    await until(lambda: born and not alive(born[0].pid))
    assert not running.supervisor._children
    assert running.status("one").state is DeviceState.DISABLED
    monkeypatch.setattr(nursery, "spawn", real)
    running.supervisor.enable("one")
    await running.up("one")


async def test_one_disabled_by_configuration_waits_for_the_command(lane):
    running = lane(one={"enabled": False}, two={})
    await running.up("two")
    assert (running.status("one").state, running.status("one").reason) == (DeviceState.DISABLED, "by configuration")
    running.supervisor.enable("one")
    await running.up("one")


async def test_nobody_knows_a_device_of_that_name(lane):
    running = lane(one={})
    for command in (running.supervisor.restart, running.supervisor.disable, running.supervisor.enable):
        with pytest.raises(KeyError):
            command("none")


@pytest.mark.parametrize("how", ["stopped", "hangs by itself"])
async def test_a_process_that_says_nothing_is_hanging_and_the_other_is_not(lane, monkeypatch, how):
    """The core's time goes on only while the other one is heard: a machine that is busy makes nobody late."""
    monkeypatch.setattr(device_module, "BEAT_DEADLINE_S", 5.0)
    clock = FakeClock()
    running = lane(clock, one={"fault": "" if how == "stopped" else "hang", "after": 3}, two={})
    await running.up("one", "two")
    two = running.pid("two")
    if how == "stopped":
        os.kill(running.pid("one"), signal.SIGSTOP)
    while (DeviceState.DOWN, "hanging") not in running.said["one"]:
        heard = len(running.seen["two"])
        await until(lambda heard=heard: len(running.seen["two"]) > heard)
        clock.advance(0.25)
    running.seen["one"].clear()
    await running.up("one")
    assert running.pid("two") == two
    assert {state for state, _ in running.said["two"]} == {DeviceState.UP}


async def test_what_a_dead_process_left_is_dealt_with_and_bounds_its_successor(lane, monkeypatch):
    monkeypatch.setattr(module, "READING_WINDOW", 10)
    running = lane(one={"fault": "exit", "after": 30, "hz": 500})
    running.gate.clear()  # the store takes nothing: every process leaves its thirty behind
    await until(lambda: running.status("one").restarts == 1)
    unsettled = running.supervisor._unsettled["one"]
    assert len(unsettled) == 30
    await asyncio.sleep(0.3)
    assert running.status("one").restarts == 1
    assert len(unsettled) == 30
    running.gate.set()
    await until(lambda: running.status("one").restarts >= 2)
    assert running.counts("one")[:30] == list(range(1, 31))


async def test_at_the_end_what_has_come_is_kept_and_no_process_is_left(lane, monkeypatch):
    monkeypatch.setattr(module, "SETTLE_S", LATE_S)
    running = lane(one={"count": 20, "hz": 1000}, two={})
    running.gate.clear()
    await until(lambda: len(running.supervisor._unsettled["one"]) == 20 and "two" in running.supervisor._children)
    pids = [running.pid("one"), running.pid("two"), running.supervisor._nursery._process.pid]
    asyncio.get_running_loop().call_later(0.2, running.gate.set)
    await running.stop()
    assert running.counts("one") == list(range(1, 21))
    await until(lambda: not [pid for pid in pids if alive(pid)])


async def test_the_end_does_not_wait_for_ever(lane, monkeypatch):
    monkeypatch.setattr(module, "SETTLE_S", 0.05)
    running = lane(one={})
    running.gate.clear()
    await until(lambda: running.supervisor._unsettled["one"])
    async with asyncio.timeout(LATE_S):
        await running.stop()


async def test_a_nursery_that_dies_takes_its_children_along_and_another_starts(lane):
    running = lane(one={}, two={})
    await running.up("one", "two")
    pids = [running.pid("one"), running.pid("two")]
    os.kill(running.supervisor._nursery._process.pid, signal.SIGKILL)
    await until(lambda: not any(map(alive, pids)))
    await until(lambda: len(running.supervisor._children) == 2 and running.pid("one") not in pids)
    running.seen["one"].clear()
    running.seen["two"].clear()
    await running.up("one", "two")


async def test_a_disk_that_takes_no_folder_is_this_devices_trouble_and_passes(lane, tmp_path, monkeypatch):
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices" / "one").write_text("in the way")
    running = lane(one={}, two={})
    await running.up("two")
    await running.found("one", "internal")
    (tmp_path / "devices" / "one").unlink()
    await running.up("one")


async def test_a_process_that_cannot_be_forked_is_said_and_tried_again(lane, monkeypatch):
    running = lane(one={})
    await running.up("one")
    nursery = running.supervisor._nursery
    real, tries = nursery._control, []

    class NoMemory:
        """The nursery answers as it does where fork(2) fails."""

        def send(self, data):
            tries.append(data)
            waiting = nursery._spawning.pop("one")
            waiting.set_exception(LinkLost("no process could be started: Cannot allocate memory"))

    async def no_memory():
        return NoMemory()

    with monkeypatch.context() as patch:
        patch.setattr(nursery, "_up", no_memory)
        running.supervisor.restart("one")
        await until(lambda: tries)
        await until(lambda: "Cannot allocate memory" in running.status("one").reason)
    assert nursery._control is real
    await until(lambda: running.status("one").state is DeviceState.UP)


async def test_trouble_of_the_store_is_shown_on_every_device_that_runs(lane):
    running = lane(one={}, two={"fault": "lost", "after": 1})
    await running.up("one")
    await running.found("two", "link-lost")
    running.supervisor.store_changed("no room on the disk")
    assert (running.status("one").state, running.status("one").code) == (DeviceState.DEGRADED, "store-full")
    assert running.status("two").code != "store-full" or running.status("two").state is not DeviceState.DOWN
    running.supervisor.store_changed(None)
    assert running.status("one").state is DeviceState.UP


async def test_a_device_that_comes_and_goes_is_logged_once_in_a_while(lane, caplog):
    running = lane(one={"fault": "exit", "after": 1, "hz": 1000})
    await until(lambda: running.status("one").restarts >= 5)
    down = [r for r in caplog.records if r.levelname == "WARNING" and "ended with status" in r.getMessage()]
    assert 1 <= len(down) <= 2
    assert len(running.said["one"]) > 5  # the console hears of every change


async def test_a_stop_that_comes_together_with_a_new_process_is_not_swallowed(lane):
    running = lane(one={"enabled": False})
    nursery = running.supervisor._nursery
    spawning = asyncio.create_task(nursery.spawn("one", 256 * MB))
    await until(lambda: nursery._control)
    real = nursery._born

    def born_and_stopped(*arguments):
        real(*arguments)
        spawning.cancel()

    nursery._born = born_and_stopped
    with pytest.raises(asyncio.CancelledError):
        await spawning


async def test_a_process_whose_wire_did_not_arrive_is_given_up(lane):
    """As where this process may open no more files: the kernel then drops what it cannot hand over."""
    running = lane(one={"enabled": False})
    nursery, read = running.supervisor._nursery, os.open("/dev/null", os.O_RDONLY)
    spawned = asyncio.get_running_loop().create_future()
    nursery._spawning["one"] = spawned
    nursery._born("one", 1, [read])
    with pytest.raises(LinkLost, match="too many open files"):
        await spawned
    with pytest.raises(OSError):
        os.fstat(read)
