"""`record` and `replay`: a device's wire in a file, and out of it again."""

import contextlib
import fcntl
import json
import socket
import threading

import pytest

pytestmark = pytest.mark.slow

FRAME = b"NB,000001,000000,000001,000000\r\nGB,000381,000393,000424,000392\r\n"


@pytest.fixture
def portal():
    """A TCP port where a portal says two lines to each who connects."""
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as accepted:

        def serve():
            while True:
                try:
                    one, _ = server.accept()
                except OSError:
                    return
                with contextlib.suppress(ConnectionError):  # who records for a moment may be gone by then
                    accepted.enter_context(one).sendall(FRAME)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def lane(cli, tmp_path, portal):
    cli("init", tmp_path, "--data-dir", tmp_path / "data", "--console-url", "mqtt://127.0.0.1:1")
    (tmp_path / "devices").mkdir(exist_ok=True)
    device = tmp_path / "devices" / "portal-1.toml"
    device.write_text(f'driver = "rpm-ascii"\n[settings]\nurl = "tcp://127.0.0.1:{portal}"\n')
    reader = tmp_path / "devices" / "reader-1.toml"
    reader.write_text(f'driver = "codereader"\n[settings]\nurl = "tcp://127.0.0.1:{portal}"\n')
    return tmp_path


def test_a_device_is_recorded_replayed_and_made_a_case(cli, lane, tmp_path):
    wire = tmp_path / "portal-1.wire"
    ran = cli("record", "portal-1", "--out", wire, "--seconds", 2, "--config", lane)
    assert ran.status == 0, ran.err
    assert "2 observations" in ran.out
    assert "judged by nobody" in ran.err

    ran = cli("replay", wire, "--case", tmp_path / "case")
    said = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.status == 0
    assert [list(word)[1] for word in said] == ["state", "reading", "reading"]
    assert said[2]["reading"]["values"] == {"gamma_background_cps": {"detectors": [381, 393, 424, 392]}}
    assert cli("replay", wire).out == ran.out
    assert {path.name for path in (tmp_path / "case").iterdir()} == {"wire", "device.toml", "expected.json"}
    assert (tmp_path / "case" / "device.toml").read_text().startswith('driver = "rpm-ascii"\n[settings]\nurl = "tcp')

    assert cli("replay", wire, "--config", lane).out == ran.out
    ran = cli("replay", wire, "--driver", "nmea", "--speed", "1000")
    assert (ran.status, ran.out) == (0, "")  # nothing of it is NMEA, and its silence is not long enough to be told
    assert cli("record", "portal-1", "--out", wire, "--config", lane).status == 2  # there is one of this name


def test_who_records_a_code_reader_is_told_what_the_file_holds(cli, lane, tmp_path):
    ran = cli("record", "reader-1", "--out", tmp_path / "a.wire", "--seconds", 0.3, "--config", lane)
    assert "names and numbers of passengers and of their documents. The file stays on this machine" in ran.err


def test_a_device_of_a_running_appliance_is_busy(cli, lane, tmp_path):
    (lane / "data").mkdir(exist_ok=True)
    with (lane / "data" / "lock").open("w") as lock:
        lock.write("4711")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = cli("record", "portal-1", "--out", tmp_path / "a.wire", "--config", lane)
        assert ran.status == 1
        assert "the appliance runs (process 4711)" in ran.err
        assert "device.disable" in ran.err
        assert not (tmp_path / "a.wire").exists()
        again = ("record", "portal-1", "--out", tmp_path / "a.wire", "--seconds", 0.2, "--config", lane, "--beside")
        assert cli(*again).status == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["record", "portal-2", "--out", "x"], "did you mean portal-1?"),
        (["replay", "no-such.wire"], "No such file"),
        (["replay", "edge.toml"], "no recording"),
        (["replay", "edge.toml", "--speed", "fast"], "from 0.01 to 10000, or max"),
    ],
)
def test_wrong_use(cli, lane, monkeypatch, arguments, says):
    monkeypatch.chdir(lane)
    monkeypatch.setenv("JAITF_EDGE_CONFIG", str(lane))
    ran = cli(*arguments)
    assert ran.status == 2
    assert says in ran.err


def test_a_line_is_recorded_before_there_is_a_driver(cli, portal, tmp_path):
    wire = tmp_path / "new.wire"
    ran = cli("record", f"tcp://127.0.0.1:{portal}", "--out", wire, "--seconds", 1)
    assert ran.status == 0
    assert f"{len(FRAME)} of them said by the device" in ran.out
    assert "without a driver: --driver NAME" in cli("replay", wire).err
    said = cli("replay", wire, "--driver", "rpm-ascii").out
    assert "[381,393,424,392]" in said.splitlines()[2]
    ran = cli("record", "http://127.0.0.1", "--out", tmp_path / "b.wire")
    assert (ran.status, (tmp_path / "b.wire").exists()) == (2, False)


def test_a_recording_of_a_line_that_cannot_be_opened_leaves_nothing(cli, tmp_path):
    out = tmp_path / "new.wire"
    ran = cli("record", "serial:///dev/nowhere?baud=9600", "--out", out)
    assert ran.status == 1 and not out.exists()
