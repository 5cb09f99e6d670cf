"""`jaitf-edge setup` as a technician drives it: keys on a terminal, a real broker, simulated devices on their wires."""

import re
import signal
import subprocess
import sys
import tomllib
from contextlib import contextmanager

import pytest

from edge.config.load import examine, load
from edge.setup.desk import KEPT
from simulators.tagreader.model import Gate
from simulators.tagreader.module import Module, m100
from tests.background import serving
from tests.terminal import CTRL_C, CTRL_U, DOWN, ENTER, running

pytestmark = [pytest.mark.protocol, pytest.mark.timeout(300)]
ATTEMPTS = 4


@pytest.fixture
def reader(tmp_path):
    """A tag reader on a line of 57600 baud, which is not what modules of its kind usually have."""
    with serving(lambda: Module(m100, Gate(seed=1, missed=0), tmp_path / "reader", 57_600)):
        yield tmp_path / "reader"


@pytest.fixture
def panel():
    """An alarm panel that no profile describes, as unit 7; SIGUSR1 trips it."""
    command = [sys.executable, "-m", "simulators.cli", "modbus", "--listen", "127.0.0.1:0", "--profile", "panel"]
    process = subprocess.Popen([*command, "--unit", "7", "--every-s", "0.4"], stdout=subprocess.PIPE, text=True)
    where = process.stdout.readline().split("tcp://")[1].split(",")[0]
    yield where, lambda: process.send_signal(signal.SIGUSR1)
    process.terminate()
    process.wait(60)
    process.stdout.close()


@contextmanager
def finding(where, folder, *given, names=False):
    """Start setup to find what is at a place, again where a busy machine was too slow for it to answer in time."""
    for _ in range(ATTEMPTS):
        with running("setup", folder, *given, "--find", where) as term:
            if names:
                term.until("Keep these names?")
                term.keys(ENTER)
            if term.until_one("Add it?", "What is to be connected?") == "Add it?":
                yield term
                return
    raise AssertionError(f"nothing was found at {where} in {ATTEMPTS} times")


def test_from_nothing_to_a_lane_with_a_device(tmp_path, broker, reader):
    folder = tmp_path / "config"
    with running("setup", folder, "--data-dir", tmp_path / "data") as term:
        term.until("site (airport or post office):")
        term.keys("LFW", ENTER)
        term.until("site (airport or post office): lfw", after="office): LFW fail")  # proposed
        term.keys(ENTER)
        term.until("lane (screening lane):")
        term.keys("t1-l3", ENTER)
        term.until("id (this appliance")
        term.keys("edge-01", ENTER)  # in the place of this machine's name
        term.until("What does the lane screen?")
        term.keys(DOWN, ENTER)
        if term.until_one("at another address", "as you were given it:") == "at another address":
            # this machine has a broker of its own, or several
            term.keys(re.findall(r"(\d)\. at another address", term.text)[0], ENTER)
        term.until("2 of 3", "as you were given it:")
        term.keys("mqtt://127.0.0.1:1", ENTER)  # behind the mqtts:// that stands there
        term.until("nobody listens there", "try: check the port", "What now?")
        term.keys(DOWN, ENTER)
        term.until("as you were given it:", after="> another address")
        term.keys(CTRL_U, broker.url, ENTER)
        term.until("connected, MQTT 5", "3 of 3", "What is to be connected?")
        assert load(folder).appliance.stream == "cargo"
        place = "2" if "serial ports" in term.text else "1"
        for _ in range(ATTEMPTS):
            term.keys(place, ENTER)
            term.until("Where:")
            term.keys(str(reader), ENTER)
            term.until("opening a serial port raises DTR", "Look now?")
            term.forget()
            term.keys("y")
            if term.until_one("Add it?", "What is to be connected?") == "Add it?":
                break
        term.until("uhf-serial, m100 at 57600 baud: module simulated V1.0", "Add it?")
        term.keys("y")
        term.until("Its name: tags-1")
        term.keys(CTRL_U, "gate-1", ENTER)
        term.until("ok gate-1: the module answers")
        term.until("4. that is all", after="Configured: gate-1 (uhf-serial)")
        term.keys(CTRL_C)
        term.until("Stopped. What was written stays")
        assert term.ended() == 1
    found = examine(folder)
    assert [problem.level.value for problem in found.problems if "emptied" not in problem.message] == []
    [device] = load(folder).devices
    assert (device.name, device.settings.url) == ("gate-1", f"serial://{reader}?baud=57600")


def test_a_broker_that_wants_a_password(tmp_path, start_broker):
    subprocess.run(["mosquitto_passwd", "-b", "-c", tmp_path / "users", "edge-01", "s3cret word"], check=True)
    broker = start_broker(f"allow_anonymous false\npassword_file {tmp_path / 'users'}")
    folder = tmp_path / "config"
    given = ("--site", "lfw", "--lane", "t1-l3", "--id", "edge-01", "--data-dir", tmp_path / "data")
    with running("setup", folder, *given, "--broker", broker.url) as term:
        term.until("ok site lfw, lane t1-l3, appliance edge-01")
        term.until("the broker refuses: Not authorized", "What now?", "4. go on")
        term.keys("3", ENTER)
        term.until("User name: edge-01")
        term.keys(ENTER)
        term.until("Password:")
        term.keys("s3cret word", ENTER)
        term.until("connected, MQTT 5", "4. that is all")
        assert "s3cret" not in term.text
        term.keys("4", ENTER)
        term.until("Check the whole box now?")
        term.keys("n")
        assert term.ended() == 0
    secret = folder / "console.password"
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("s3cret word\n", 0o600)
    assert "s3cret" not in (folder / "edge.toml").read_text()
    assert load(folder).console.username == "edge-01"


def test_an_unknown_modbus_device_is_surveyed_into_a_profile(tmp_path, broker, panel):
    where, trip = panel
    folder = tmp_path / "config"
    given = ("--site", "lfw", "--lane", "t1-l3", "--id", "edge-01", "--data-dir", tmp_path / "data")
    made = subprocess.run(
        [sys.executable, "-m", "edge", "setup", folder, *given, "--broker", broker.url, "--yes"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "written" in made.stdout
    before = (folder / "edge.toml").read_text()
    with finding(where, folder, names=True) as term:
        term.until("modbus, unit 7", "Add it?")
        term.keys(ENTER)
        term.until("one that clears on reading is then cleared", "raises DTR", "Read it, to find out what it is?")
        term.keys("y")
        term.until("What does unit 7 hold?")
        term.keys("1", ENTER)
        term.until("these answer: holding 4100 to 4107", "And now?")
        term.keys(ENTER)
        term.until("are left out: holding 4100", "Now press the button", "changed: nothing yet")
        term.until("holding 4102: 2 -> 34 -> 2", again=trip)  # who is asked a few times a second may miss it once
        term.keys(ENTER)
        term.until("Which of these is it?")
        term.keys(DOWN, ENTER)
        term.until("What is it")
        term.keys(CTRL_U, "duress button", ENTER)
        term.until("How urgent")
        term.keys("3", ENTER)
        term.until("Look for another")
        term.keys("n")
        term.until("Where shall these points stand?")
        term.keys(DOWN, ENTER)
        term.until("The profile's name")
        term.keys(CTRL_U, "our-panel", ENTER)
        term.until("as a person calls it")
        term.keys(CTRL_U, "Alarm panel", ENTER)
        term.until("Its name: portal-1")
        term.keys(ENTER)
        term.until("ok portal-1: read holding 4102", "duress button = False")
        term.until("4. that is all", after="Configured: portal-1 (modbus)")
        term.keys("4", ENTER)
        term.until("Check the whole box now?")
        term.keys("n")
        assert term.ended() == 0
    profile = tomllib.loads((folder / "profiles" / "our-panel.toml").read_text())
    [point] = profile["points"]
    assert (point["table"], point["address"], point["bit"], point["alarm"]) == ("holding", 4102, 5, "nonzero")
    [device] = load(folder).devices
    assert device.settings.unit == 7
    assert (folder / "edge.toml").read_text() == before and not (folder / KEPT).exists()


def test_a_device_that_must_not_be_read_is_described_by_its_manual(tmp_path, broker, panel):
    where, _ = panel
    folder = tmp_path / "config"
    given = ("--site", "lfw", "--lane", "t1-l3", "--id", "edge-01", "--data-dir", tmp_path / "data")
    with finding(where, folder, *given, "--broker", broker.url) as term:
        term.until("modbus, unit 7", "Add it?")
        term.keys("y")
        term.until("Read it, to find out what it is?")
        term.keys("n")
        term.until("What does unit 7 hold?", "1. I know table and address", "2. leave it out")
        assert "read everything" not in term.text
        term.keys(CTRL_C)
        assert term.ended() == 1
