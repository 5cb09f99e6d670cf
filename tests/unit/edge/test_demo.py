"""The demo's own machinery with stand-ins for its parts: what fails is named, and nothing outlives it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys

import psutil
import pytest

from edge.demo import DemoFailed, Options, Tell, lane, process
from edge.demo.process import Child, Sweeper, our_program, program

pytestmark = pytest.mark.slow

QUIET = Tell(lambda words: None, lambda console, page: None, lambda hit: None)


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """Replace each of the demo's programs by a shell script, one that only waits where none is given."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))

    def make(**scripts):
        ours = dict.fromkeys(("jaitf-sim", "jaitf-edge", "jaitf-console"), "exec sleep 60")
        for name, script in {**ours, **scripts}.items():
            path = tmp_path / "bin" / name
            path.write_text(f"#!/bin/bash\n{script}\n")
            path.chmod(0o755)
        monkeypatch.setattr(lane, "our_program", lambda name: str(tmp_path / "bin" / name))
        real = process.program
        broker = str(tmp_path / "bin" / "mosquitto")
        monkeypatch.setattr(
            lane, "program", lambda name, package: broker if "mosquitto" in scripts else real(name, package)
        )
        return tmp_path / "tmp"

    return make


def left_behind(folder):
    """Processes that were started with their temporary files below a folder."""
    found = []
    for each in psutil.process_iter():
        try:
            if each.environ().get("TMPDIR", "").startswith(str(folder)) and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
        except psutil.Error:
            continue
    return found


def gone(folder):
    """Whether they have all ended, those that were just killed after a moment."""
    return not psutil.wait_procs(left_behind(folder), timeout=60)[1]


async def test_a_broker_that_does_not_start_is_named_with_its_last_words(parts):
    folder = parts(mosquitto="echo no thanks >&2; exit 3")
    with pytest.raises(DemoFailed, match="the broker does not start") as raised:
        await lane.run(Options(), QUIET)
    assert raised.value.lines == ("no thanks",)
    assert list(folder.iterdir()) == [] and gone(folder)


async def test_a_part_that_ends_is_named_with_its_last_words(parts):
    folder = parts(
        **{"jaitf-console": "echo listening; sleep 0.1; echo boo >&2; exit 4", "jaitf-edge": "exec sleep 60"}
    )
    with pytest.raises(DemoFailed, match="the console ended with status 4") as raised:
        await lane.run(Options(), QUIET)
    assert raised.value.lines == ("listening", "boo")
    assert list(folder.iterdir()) == [] and gone(folder)


async def test_a_part_that_never_comes_up_is_named(parts, monkeypatch):
    def progress(words):
        if "console" in words:  # the broker before it comes up, and takes its time
            monkeypatch.setattr(lane, "START_DEADLINE_S", 0.5)

    folder = parts()
    with pytest.raises(DemoFailed, match=r"waited 0\.5 s for the console's page"):
        await lane.run(Options(), Tell(progress, QUIET.address, QUIET.hit))
    assert list(folder.iterdir()) == [] and gone(folder)


async def test_a_signal_while_it_sets_up_ends_it_in_order(parts):
    folder = parts()
    at_appliance = asyncio.Event()
    tell = Tell(lambda words: at_appliance.set() if "appliance" in words else None, QUIET.address, QUIET.hit)
    running = asyncio.create_task(lane.run(Options(), tell))
    await at_appliance.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0
    assert list(folder.iterdir()) == [] and gone(folder)


async def test_a_taken_port_is_refused_with_its_holder(parts):
    parts()
    taken = pytest.raises(DemoFailed, match=f"held by process {os.getpid()}")
    with socket.create_server(("127.0.0.1", 0)) as server, taken:
        await lane.run(Options(port=server.getsockname()[1]), QUIET)


def test_a_missing_program_is_named_with_its_mend(monkeypatch):
    with pytest.raises(DemoFailed, match="apt-get install mosquitto"):
        program("no-such-broker", "mosquitto")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(DemoFailed, match="/nowhere/jaitf-sim is not there; `make setup`"):
        our_program("jaitf-sim")


async def test_a_child_that_ignores_sigterm_is_killed_with_its_children(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "STOP_DEADLINE_S", 0.2)
    said = asyncio.Event()
    command = ["bash", "-c", "trap '' TERM; (trap '' TERM; sleep 60) & echo started; wait; sleep 60"]
    child = await Child.start("stubborn", command, tmp_path, lambda line: said.set())
    await said.wait()
    await child.stop()
    assert gone(tmp_path)


ORPHAN = """
import asyncio, pathlib, sys
from edge.demo.process import Child, Sweeper
async def main():
    folder = pathlib.Path(sys.argv[1])
    await Sweeper.start(folder)
    await Child.start("sleeper", ["sleep", "60"], folder)
    print("started", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_nothing_outlives_a_demo_that_is_killed(tmp_path):
    folder = tmp_path / "folder"
    (folder / "data").mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", ORPHAN, folder], stdout=subprocess.PIPE) as demo:
        assert demo.stdout.readline() == b"started\n"
        (sleeper,) = left_behind(folder)
        sweeper = next(p for p in psutil.Process(demo.pid).children() if p != sleeper)
        demo.kill()
    psutil.wait_procs([sleeper, sweeper], timeout=60)
    assert gone(folder) and not folder.exists()


async def test_the_sweeper_removes_the_folder_on_request(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").touch()
    sweeper = await Sweeper.start(folder)
    assert folder.exists()
    await sweeper.sweep()
    assert not folder.exists()
