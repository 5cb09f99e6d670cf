"""The demo as a newcomer starts it: every part real, hits on the page and in the terminal, nothing left afterwards."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.unit.edge.test_demo import left_behind

pytestmark = [pytest.mark.protocol, pytest.mark.timeout(120)]

COMMAND = [Path(sys.executable).with_name("jaitf-edge"), "demo", "--seed", "7"]


@contextmanager
def demo(folder, *arguments):
    """Start a demo whose files, and whose processes' files, lie in `folder`."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def nothing_left(folder):
    psutil.wait_procs(left_behind(folder), timeout=20)
    return left_behind(folder) == []


def test_so_many_seconds(tmp_path):
    with demo(tmp_path, "--seconds", "8", "--json") as process:
        out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    hits = [json.loads(line) for line in out.splitlines()]
    assert hits and all(hit["type"] == "org.jaitf.edge.hit.v1" for hit in hits)
    assert [hit["data"]["seq"] for hit in hits] == list(range(1, len(hits) + 1))
    assert re.search(r"^Console: http://127\.0\.0\.1:\d+", err, re.MULTILINE)
    assert nothing_left(tmp_path) and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_however_it_ends_nothing_is_left(tmp_path, number):
    with demo(tmp_path) as process:
        address = process.stdout.readline()
        assert address.startswith("Console: http://")
        with urllib.request.urlopen(address.split()[1], timeout=10) as page:
            assert page.status == 200
        assert re.match(r"[\d:]{8}  \w+ +(xray|portal)-1  ", process.stdout.readline())  # the first hit
        programs = {each.name() for each in left_behind(tmp_path)}
        assert {"mosquitto", "jaitf-edge", "jaitf-sim", "jaitf-console"} <= programs
        process.send_signal(number)
        assert process.wait(60) == (-number if number == signal.SIGKILL else 0)
    assert nothing_left(tmp_path)
    # After SIGKILL the sweeper goes on for a moment, as a process that is nobody's child any more.
    psutil.wait_procs(
        [p for p in psutil.process_iter(["cmdline"]) if "sweeper.py" in str(p.info["cmdline"])], timeout=20
    )
    assert list(tmp_path.iterdir()) == []
