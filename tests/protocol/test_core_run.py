"""`jaitf-edge run` as a process, with a real broker and real devices' processes: how it starts, runs and ends."""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core import alive, descriptors, until
from tests.mqtt import Listener

pytestmark = pytest.mark.protocol

THIRD_PARTY = Path(__file__).parents[1] / "thirdparty"


class Box:
    """One appliance's configuration, and the process that runs it."""

    def __init__(self, folder, url, **devices):
        self.config, self.data = folder / "config", folder / "data"
        (self.config / "devices").mkdir(parents=True)
        (self.config / "edge.toml").write_text(
            '[web]\nlisten = ""\n'
            f'[appliance]\nsite = "lfw"\nlane = "t1-l3"\nid = "edge-01"\ndata_dir = "{self.data}"\n'
            f'[console]\nurl = "{url}"\n'
        )
        for name, settings in devices.items():
            lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())
            (self.config / "devices" / f"{name}.toml").write_text(f'driver = "test"\n[settings]\n{lines}\n')
        self.log = folder / "log"
        self.process = None

    def command(self, *arguments):
        environment = {**os.environ, "PYTHONPATH": str(THIRD_PARTY)}
        command = [sys.executable, "-m", "edge", *arguments, "--config", str(self.config)]
        return {"args": command, "env": environment, "stdin": subprocess.DEVNULL}

    async def start(self):
        with self.log.open("ab") as log:
            before = log.tell()  # what the one before said is not its word
            self.process = subprocess.Popen(**self.command("run"), stdout=log, stderr=log, start_new_session=True)
        await until(lambda: self.process.poll() is not None or b"ready" in self.log.read_bytes()[before:])
        assert self.process.poll() is None, self.said()

    def said(self):
        return self.log.read_text()

    async def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        await until(lambda: self.process.poll() is not None)
        return self.process.returncode

    def hits(self, *arguments):
        ran = subprocess.run(**self.command("hits", "--json", *arguments), capture_output=True, check=True, timeout=120)
        return [json.loads(line) for line in ran.stdout.splitlines()]

    def family(self):
        """The processes that this box's core has started, by title."""
        found = {}
        for each in Path("/proc").iterdir():
            if each.name.isdigit():
                with contextlib.suppress(OSError):
                    if os.getsid(int(each.name)) == self.process.pid and int(each.name) != self.process.pid:
                        found[int(each.name)] = (each / "cmdline").read_bytes().rstrip(b"\0").decode()
        return found


@pytest.fixture
def box(tmp_path, broker):
    made = []

    def make(url=None, **devices):
        made.append(Box(tmp_path / f"box-{len(made)}", url or broker.url, **devices))
        return made[-1]

    yield make
    for each in made:
        if each.process and each.process.poll() is None:
            each.process.kill()
            each.process.wait()


async def test_a_counter_through_to_the_console_and_an_orderly_end(box, broker):
    me = box(**{"counter-1": {"hz": 50, "count": 40}, "idle-1": {"count": 1}})
    async with Listener(broker.port, receipts=True) as listener:
        await me.start()

        def values():
            # Those from before the connection may come behind those from after it, and some may come twice.
            return {m.json["data"]["threats"][0]["measurement"]["value"] for m in listener.of("hit/counter-1")}

        await listener.wait(lambda: values() == set(range(1, 41)))
        await listener.first("hit/idle-1")  # its process, too, is what it will be
        birth, state = (await listener.first("birth")).json, (await listener.first("state")).json
        assert (state["state"], state["session"]) == ("online", birth["session"])
        assert (birth["seq_start"], len(birth["ledger_id"]), birth["contract"]) == (1, 36, birth["contract"])
        assert [d["name"] for d in birth["devices"]] == ["counter-1", "idle-1"]
        assert (await listener.first("birth")).retained
        assert (await listener.first("health")).qos == 0
        [device, *_] = await listener.wait(
            lambda: [m for m in listener.of("device/counter-1") if m.json["state"] == "up"]
        )
        assert (device.retained, device.json["facts"]) == (True, {"serial": "T-1"})
        await until(lambda: {row["state"] for row in me.hits()} == {"received"})  # beside the running one
        assert values() == set(range(1, 41))
        family = me.family()
        assert {"jaitf-edge-device counter-1", "jaitf-edge-device idle-1", "jaitf-edge-nursery"} == set(family.values())
        assert await me.end() == 0
        await until(lambda: not [pid for pid in family if alive(pid)])
        await listener.wait(lambda: listener.of("state")[-1].json["state"] == "stopped")
        assert listener.of("state")[-1].json["session"] == birth["session"]
    assert [row["seq"] for row in me.hits()] == list(range(1, 42))  # and beside nobody at all


async def test_a_kill_leaves_no_process_behind_and_loses_nothing(box, broker):
    me = box(**{"counter-1": {"hz": 100}})
    async with Listener(broker.port) as listener:
        await me.start()
        await listener.wait(lambda: len(listener.hits()) >= 30)
        family = me.family()
        await me.end(signal.SIGKILL)
        await until(lambda: not [pid for pid in family if alive(pid)])
        queued = me.hits()  # a ledger that nobody closed, read as it lies there
        assert [row["seq"] for row in queued] == list(range(1, len(queued) + 1))
        assert {row["state"] for row in queued} <= {"queued", "sent"}
        listener.receipts = True
        await me.start()
        await listener.wait(lambda: len({d["seq"] for d in listener.hits()}) >= len(queued) + 30)
        await me.end()
        assert [row["seq"] for row in me.hits()][: len(queued)] == [row["seq"] for row in queued]
        by_name = {}
        for message in listener.of("hit/"):
            data = message.json["data"]
            by_name.setdefault((data["hit_id"], data["rev"]), set()).add(message.payload)
        assert {len(contents) for contents in by_name.values()} == {1}
        births = [m.json for m in listener.of("birth")]
        assert len({b["ledger_id"] for b in births}) == 1
        assert len({b["session"] for b in births}) == 2


async def test_a_second_one_on_the_same_data_is_refused_and_names_the_first(box):
    me = box(**{"counter-1": {"count": 1}})
    await me.start()
    second = subprocess.run(**me.command("run"), capture_output=True, text=True, check=False, timeout=120)
    assert second.returncode == 1
    assert f"in use by process {me.process.pid}" in second.stderr
    assert me.process.poll() is None


async def test_devices_inherit_neither_the_lock_nor_the_ledger_nor_the_broker(box, broker):
    me = box(**{"counter-1": {"hz": 50}})
    async with Listener(broker.port) as listener:
        await me.start()
        await listener.wait(listener.hits)
        core = set(descriptors(me.process.pid).values())
        assert [name for name in core if name.endswith("/lock")]
        for pid in me.family():
            held = set(descriptors(pid).values())
            files = {name for name in held & core if name.startswith(("/", "socket:", "pipe:"))}
            assert files <= {"/dev/null", str(me.log)}
        # The lock is the core's alone: with it gone, the next one starts though a child might still be dying.
        await me.end(signal.SIGKILL)
        with (me.data / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


async def test_a_data_dir_that_cannot_be_used_is_said_in_a_line(box, tmp_path):
    me = box(**{"counter-1": {}})
    me.data.write_text("a file in the way")
    ran = subprocess.run(**me.command("run"), capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 1
    assert "cannot be used" in ran.stderr
    assert "Traceback" not in ran.stderr


async def test_a_damaged_ledger_is_told_on_the_birth_and_in_the_audit(box, broker):
    me = box(**{"counter-1": {"count": 3}})
    async with Listener(broker.port) as listener:
        await me.start()
        await listener.wait(lambda: len(listener.hits()) == 3)
        old = (await listener.first("birth")).json["ledger_id"]
        await me.end()
        ledger = me.data / "ledger.db"
        with ledger.open("r+b") as file:
            file.write(b"\xa5" * 2000)
        listener.messages.clear()
        await me.start()
        await listener.wait(lambda: "ledger replaced" in {m.json["what"] for m in listener.of("audit")})
        birth = (await listener.wait(lambda: [m for m in listener.of("birth") if m.json["ledger_id"] != old]))[0].json
        assert birth["seq_start"] == 1_000_001
        assert "damaged" in birth["notices"][0]
        await listener.wait(lambda: [d for d in listener.hits() if d["seq"] == 1_000_001])


async def test_a_core_that_is_stopped_for_a_while_goes_on_with_the_same_devices(box, broker):
    me = box(**{"counter-1": {"hz": 20}})
    async with Listener(broker.port, receipts=True) as listener:
        await me.start()
        await listener.wait(listener.hits)
        before = me.family()
        os.kill(me.process.pid, signal.SIGSTOP)
        await until(lambda: Path(f"/proc/{me.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        await asyncio.sleep(6)  # longer than a heartbeat's deadline
        os.kill(me.process.pid, signal.SIGCONT)
        seen = len(listener.hits())
        await listener.wait(lambda: len(listener.hits()) > seen + 40)
        assert me.family() == before
