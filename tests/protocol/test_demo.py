"""The demo as a newcomer starts it: every part real, hits on the page and in the terminal, nothing left afterwards."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.unit.edge.test_demo import left_behind

pytestmark = [pytest.mark.protocol, pytest.mark.timeout(300)]

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
    psutil.wait_procs(left_behind(folder), timeout=60)
    return left_behind(folder) == []


def hits_of(folder, enough, *arguments):
    """Let a demo go on until `enough(hits)`, then end it; what a busy machine brings later is not missing."""
    hits = []
    with demo(folder, *arguments, "--json") as process:
        for line in process.stdout:
            hits.append(json.loads(line)["data"])
            if enough(hits):
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert nothing_left(folder) and list(folder.iterdir()) == []
    return hits


def devices_of(hits):
    return {hit["device"] for hit in hits}


@pytest.mark.timeout(240)
def test_the_passenger_lane_has_hits_of_every_device_that_may_have_some(tmp_path):
    devices = {"xray-1", "portal-1", "body-1", "k9-1"}
    hits = hits_of(tmp_path, lambda hits: devices <= devices_of(hits) and len({hit["hit_id"] for hit in hits}) >= 5)
    assert {hit["stream"] for hit in hits} == {"passenger"}
    dog = next(hit for hit in hits if hit["device"] == "k9-1")
    assert (dog["canine"]["team"], dog["canine"]["dog"], dog["canine"]["certification_lapsed"]) == (
        "K9 1",
        "Rex",
        False,
    )
    assert dog["item"]["match"]["by"] in ("belt", "none")
    xray = [hit for hit in hits if hit["device"] == "xray-1"]
    assert {hit["item"]["match"]["by"] for hit in xray} == {"tag"}
    for hit in hits:  # the zone where a person alarmed, and no picture
        assert hit["device"] != "body-1" or (hit["evidence"] is None and "pictures" not in hit)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("stream", "devices"), [("cargo", {"xray-1", "rpm-1", "scale-1", "k9-1"}), ("post", {"xray-1", "scale-1", "k9-1"})]
)
def test_the_other_lanes(tmp_path, stream, devices):

    def enough(hits):
        parcels = [hit for hit in hits if hit["device"] == "scale-1" and hit["item"].get("parcel")]
        return devices <= devices_of(hits) and (stream != "post" or parcels)

    hits = hits_of(tmp_path, enough, "--lane", stream)
    assert {hit["stream"] for hit in hits} == {stream}
    if stream == "cargo":  # a piece that weighs twice what its own label declares, and none of the others
        weighed = [hit for hit in hits if hit["device"] == "scale-1"]
        assert all(hit["item"].get("parcel") for hit in weighed)
        assert all(hit["threats"][0]["measurement"]["value"] > 50 for hit in weighed)


def test_so_many_seconds(tmp_path):
    with demo(tmp_path, "--seconds", "15", "--json") as process:
        out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    hits = [json.loads(line) for line in out.splitlines()]
    assert hits and all(hit["type"] == "org.jaitf.edge.hit.v1" for hit in hits)
    # Whole, and in any order: what was there before the connection goes behind what comes after it.
    assert sorted(hit["data"]["seq"] for hit in hits) == list(range(1, len(hits) + 1))
    assert re.search(r"^Console: http://127\.0\.0\.1:\d+", err, re.MULTILINE)
    assert nothing_left(tmp_path) and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_however_it_ends_nothing_is_left(tmp_path, number):
    with demo(tmp_path) as process:
        address = process.stdout.readline()
        assert address.startswith("Console: http://")
        with urllib.request.urlopen(address.split()[1], timeout=60) as page:
            assert page.status == 200
        assert re.match(r"Technician's page: http://127\.0\.0\.1:\d+/", process.stdout.readline())
        assert re.match(r"[\d:]{8}  \w+ +(xray|portal|body|k9)-1 +", process.stdout.readline())  # the first hit
        programs = set()
        for each in left_behind(tmp_path):
            with contextlib.suppress(psutil.Error):  # it has ended meanwhile
                programs.add(each.name())
        assert {"mosquitto", "jaitf-edge", "jaitf-sim", "jaitf-console"} <= programs
        process.send_signal(number)
        assert process.wait(60) == (-number if number == signal.SIGKILL else 0)
    assert nothing_left(tmp_path)
    # After SIGKILL the sweeper goes on for a moment, as a process that is nobody's child any more.
    deadline = time.monotonic() + 60
    while list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []
