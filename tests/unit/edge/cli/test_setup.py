"""`setup` by flags: what is found is tested, what answers is written, what does not is told with its mend."""

import json
import socket
import time

import pytest

from edge.config.load import load
from edge.doctor.finding import ok
from edge.finding import search
from edge.setup import flags
from simulators.tagreader.llrp import Reader
from simulators.tagreader.model import Gate
from simulators.tagreader.module import Module, m100
from tests.background import serving
from tests.core import DEADLINE_S

pytestmark = pytest.mark.slow


@pytest.fixture
def broker(monkeypatch):
    """The broker's own tests are the doctor's."""
    monkeypatch.setattr(flags, "reach", lambda console: ok("connected"))
    return ("--broker", "mqtt://127.0.0.1:1883", "--site", "lfw", "--lane", "t1-l3", "--id", "edge-01")


@pytest.fixture
def reader():
    with serving(lambda: Reader(Gate(seed=1))) as port:
        yield port


def test_a_device_by_flag_is_tested_and_written(cli, tmp_path, broker, reader):
    ran = cli("setup", tmp_path, *broker, "--device", f"llrp=127.0.0.1:{reader}", "--yes")
    assert ran.status == 0, ran.out + ran.err
    assert "k9-1: ok: connected" in ran.out
    [device] = load(tmp_path).devices
    assert (device.name, device.driver, device.settings.url) == ("k9-1", "llrp", f"tcp://127.0.0.1:{reader}")
    again = cli("setup", tmp_path, "--device", f"llrp=127.0.0.1:{reader}", "--yes", "--json")
    said = [json.loads(line) for line in again.out.splitlines()]
    assert [one["text"] for one in said if one["event"] == "device"] == ["is configured already: left as it is"]
    assert len(load(tmp_path).devices) == 1


def test_a_reader_whose_file_has_a_wrong_speed_is_told_the_right_one(cli, tmp_path, broker, monkeypatch):
    monkeypatch.setattr(flags, "search", lambda place, driver: search(place, "uhf-serial"))  # the others take 40 s
    port = tmp_path / "reader"
    path = tmp_path / "lane" / "devices" / "tags-1.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'driver = "uhf-serial"\n[settings]\nurl = "serial://{port}?baud=115200"\nprotocol = "m100"\n')
    before = path.read_text()

    def set_up_until(said):
        """Again where a busy machine was too slow for the reader to answer in the 300 ms that a search gives it."""
        deadline = time.monotonic() + DEADLINE_S
        while said not in (ran := cli("setup", path.parent.parent, *broker, "--find", str(port), "--yes")).out:
            assert ran.status == 1 and time.monotonic() < deadline, ran.out
            assert path.read_text() == before
        return ran

    with serving(lambda: Module(m100, Gate(seed=1), port, 57_600)):
        ran = set_up_until(f'it answers with url = "serial://{port}?baud=57600": put that into devices/tags-1.toml')
        assert ran.status == 1
        assert "tags-1: fail: no answer: is configured already, and does not answer as its file has it" in ran.out
        assert path.read_text() == before
        path.write_text(before := before.replace("115200", "57600"))
        assert set_up_until("tags-1: ok: is configured already").status == 0


def test_a_place_is_searched(cli, tmp_path, broker, reader):
    ran = cli("setup", tmp_path, *broker, "--find", f"127.0.0.1:{reader}", "--yes")
    assert ran.status == 0, ran.out + ran.err
    assert [device.driver for device in load(tmp_path).devices] == ["llrp"]


def test_a_device_that_does_not_answer_is_told_and_not_written(cli, tmp_path, broker):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{closed.getsockname()[1]}"
        ran = cli("setup", tmp_path, *broker, "--device", f"llrp={where}", "--yes")
        assert ran.status == 1
        assert "k9-1: fail: connection" in ran.out and "try: " in ran.out
        assert not load(tmp_path).devices
        forced = cli("setup", tmp_path, *broker, "--device", f"llrp={where}", "--yes", "--untested")
    assert forced.status == 1
    [device] = load(tmp_path).devices
    assert "it did not answer then" in device.file.read_text()


def test_a_machine_without_serial_ports_is_told_so(cli, tmp_path, broker, monkeypatch):
    monkeypatch.setattr(flags, "serial_ports", list)
    ran = cli("setup", tmp_path, *broker, "--find", "serial", "--yes")
    assert (ran.status, "no serial port" in ran.out) == (1, True)


def test_a_file_that_cannot_be_used_is_said_before_anything_is_asked(cli, tmp_path):
    (tmp_path / "edge.toml").write_text('[appliance]\nsite = "lfw"\nlanes = "t1"\n')
    ran = cli("setup", tmp_path, "--yes")
    assert ran.status == 2
    assert "edge.toml:3: appliance.lanes: unknown key (did you mean lane?)" in ran.err


def test_no_right_to_write_is_said_before_anything_is_asked(cli, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    ran = cli("setup", tmp_path / "config", "--yes")
    assert (ran.status, "run it with sudo" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "there is no terminal"),
        (("--yes",), "--site"),
        (("--yes", "--site", "lfw", "--lane", "a", "--id", "b", "--broker", "mqtt://10.0.0.1"), "--insecure"),
        (("--yes", "--site", "lfw", "--lane", "a", "--id", "b", "--broker", "http://10.0.0.1"), "console.url"),
        (("--yes", "--find", "/no/such/place"), "no such serial port or folder"),
        (("--yes", "--device", "modbuss=x"), "did you mean modbus"),
    ],
)
def test_wrong_use_is_2_and_names_the_flag(cli, tmp_path, monkeypatch, arguments, says):
    monkeypatch.setattr(flags.known, "names", lambda hostname: {})
    monkeypatch.setattr(flags.known, "brokers", list)
    ran = cli("setup", tmp_path, *arguments)
    assert (ran.status, says in ran.err) == (2, True), ran.err
    assert not (tmp_path / "edge.toml").exists()


def test_a_mistake_in_another_file_is_no_success(cli, tmp_path, broker):
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices" / "io-1.toml").write_text('driver = "modbus\n')
    ran = cli("setup", tmp_path, *broker, "--yes")
    assert ran.status == 1
    assert "mistakes stand in it still, 1 of them: jaitf-edge check --config" in ran.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--device", "Étiquette 1:llrp=10.0.0.7"], "did you mean etiquette-1?"),
        (["--broker", "ftp://x"], "console.url: must be mqtts://HOST:PORT"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_tried(cli, tmp_path, broker, arguments, says):
    ran = cli("setup", tmp_path, *broker, *arguments, "--yes")
    assert (ran.status, says in ran.err) == (2, True), ran.err
    assert not list(tmp_path.iterdir())


def test_a_unit_that_says_nothing_is_a_failed_survey(cli, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ran = cli("setup", "--survey", f"tcp://127.0.0.1:{silent.getsockname()[1]}?unit=9", "--watch", "0")
    assert ran.status == 1
    assert "unit 9 answers at no address that was asked; is that its unit?" in ran.err
