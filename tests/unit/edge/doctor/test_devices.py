"""What devices need of the machine: ports and input devices that are there, or which are not, and what mends that."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edge import standing
from edge.config.load import load
from edge.daemon import Lock
from edge.doctor.devices import answers, devices


def findings(folder: Path, *urls: str) -> list[tuple[str, str, str | None]]:
    (folder / "devices").mkdir()
    (folder / "edge.toml").write_text(
        f'[appliance]\nsite = "lfw"\nlane = "t1-l3"\nid = "edge-01"\ndata_dir = "{folder}/data"\n'
        '[console]\nurl = "mqtt://127.0.0.1"\n'
    )
    for number, url in enumerate(urls):
        text = f'driver = "codereader"\n[settings]\nurl = "{url}"\n'
        (folder / "devices" / f"codes-{number}.toml").write_text(text)
    return [(found.grade.value, found.text, found.mend) for found in devices(load(folder))]


def test_input_devices_and_ports_are_looked_for_and_their_mends_differ(tmp_path):
    (tmp_path / "event0").touch()
    there, hid, serial = findings(
        tmp_path, f"hid://{tmp_path}/event0", "hid:///dev/input/by-id/none", "serial:///dev/serial/by-id/none"
    )
    assert there[0] == "ok"
    assert (hid[0], serial[0]) == ("fail", "fail")
    assert "/dev/input/by-id" in (hid[2] or "")
    assert "/dev/serial/by-id" in (serial[2] or "")


def test_who_may_not_use_one_is_told_which_group(tmp_path, monkeypatch):
    (tmp_path / "event0").touch()
    monkeypatch.setattr("edge.doctor.devices.os.access", lambda *_: False)
    hid, serial = findings(tmp_path, f"hid://{tmp_path}/event0", f"serial://{tmp_path}/event0")
    assert (hid[2], serial[2]) == ("add the user to group input", "add the user to group dialout")


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:2112"])
def test_a_network_address_needs_nothing_here(tmp_path, url):
    assert findings(tmp_path, url) == []


def test_a_device_that_a_running_appliance_does_not_reach_is_no_device_that_can_be_used(tmp_path):
    findings(tmp_path, "tcp://127.0.0.1:1", "tcp://127.0.0.1:2", "tcp://127.0.0.1:3")
    config = load(tmp_path)
    data = config.appliance.data_dir
    states = {
        "codes-0": {"state": "down", "code": "link-timeout", "reason": "nothing came"},
        "codes-1": {"state": "degraded", "code": "no-room", "reason": "full"},
        "codes-2": {"state": "up", "code": "", "reason": ""},
    }
    data.mkdir()
    (data / standing.FILE).write_text(json.dumps({"devices": states}))
    assert list(answers(config)) == [], "none runs"
    lock = Lock(data)
    (data / standing.FILE).write_text(json.dumps({"health": {}, "devices": states}))
    down, degraded, up = answers(config)
    assert (down.grade.value, down.text) == ("fail", "codes-0: down: nothing came [link-timeout]")
    assert "firewall" in down.mend
    assert (degraded.grade.value, up.grade.value) == ("warn", "ok")
    os.utime(data / standing.FILE, ns=(0, 0))
    assert list(answers(config)) == [], "what an appliance wrote that ran before says nothing"
    (data / standing.FILE).write_text('{"devices": 7}')
    assert list(answers(config)) == []
    del lock
