"""`probe`: one try at the hardware, and which layer failed."""

import json
import os
import pty

import pytest


@pytest.fixture
def lane(cli, tmp_path):
    cli("init", tmp_path, "--data-dir", tmp_path / "data", "--console-url", "mqtt://127.0.0.1:1")
    (tmp_path / "devices").mkdir(exist_ok=True)
    return tmp_path


def test_a_device_that_answers(cli, lane):
    export = lane / "export"
    export.mkdir()
    (lane / "devices" / "export-1.toml").write_text(
        f'driver = "folder"\nmodel = "baggage"\n[settings]\npath = "{export}"\n'
    )
    ran = cli("probe", "export-1", "--config", lane)
    assert (ran.status, ran.out.splitlines()[0].split(",")[0]) == (0, "export-1 (folder): ok")
    assert "0 files that may be pictures" in ran.out
    said = json.loads(cli("probe", "export-1", "--config", lane, "--json").out)
    assert said["ok"] and said["device"] == "export-1" and said["layer"] is None


def test_a_device_that_is_not_there(cli, lane):
    (lane / "devices" / "k9-1.toml").write_text('driver = "llrp"\n[settings]\nurl = "tcp://127.0.0.1:1"\n')
    ran = cli("probe", "k9-1", "--config", lane)
    assert ran.status == 1
    assert ran.out.startswith("k9-1 (llrp): fail: connection [link-lost]")
    assert "  try: check cable, address and port" in ran.out


def test_a_silent_serial_line_names_baud(cli):
    near, far = pty.openpty()
    try:
        url = f"serial://{os.ttyname(far)}"
        ran = cli(
            "probe", "--driver", "uhf-serial", "--set", f"url={url}", "--set", "protocol=m100", "--deadline", "0.5"
        )
    finally:
        os.close(near)
        os.close(far)
    assert ran.status == 1
    assert "no answer [link-timeout]" in ran.out and "baud" in ran.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no-such"], "no device 'no-such'"),
        (["--driver", "modbuss"], "no driver 'modbuss' (did you mean modbus?)"),
        (["--driver", "llrp", "--set", "ur=tcp://127.0.0.1:1"], "did you mean url?"),
        (["--driver", "llrp", "--set", "url"], "KEY=VALUE"),
    ],
)
def test_wrong_use_is_2(cli, lane, arguments, says):
    ran = cli("probe", *arguments, "--config", lane)
    assert ran.status == 2
    assert says in ran.err
