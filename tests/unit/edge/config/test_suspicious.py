"""What may be written and is rarely meant: each suspicion at its file and line, and nothing where nothing is odd."""

import asyncio
import json
import shutil
import sys
import time
from collections import namedtuple
from datetime import timedelta

import pytest

from drivers.contract import Doubt
from edge.calibration import Calibration, Calibrations, Measured
from edge.cli.app import main
from edge.config import suspicious
from edge.config.problems import Level
from edge.config.suspicious import examine_closely
from edge.ledger import Ledger
from inference import manifest, package
from tests.certs import issue
from tests.core import FakeClock, events, record, scan_hit
from tests.unit.edge.config.conftest import EDGE, MeterSettings

SCANNER = 'driver = "scanner"\nmodel = "baggage"\n'
METER = 'driver = "meter"\n[settings]\nurl = "{}"\npoints = [{{name = "a", address = 1}}]\n'
DAY = timedelta(days=1)


@pytest.fixture
def said(folder, tmp_path):
    """Return what is warned of: `said(edge, name="...")`; `data_dir` is a folder here."""

    def look(edge=EDGE, /, **devices):
        path = folder(edge.replace("/var/lib/jaitf-edge", f"{tmp_path}/data"), **({"x": SCANNER} | devices))
        found = examine_closely(path)
        assert found.errors == []
        lines = [str(each).replace(f"{tmp_path}/", "") for each in found.problems if each.level is Level.WARNING]
        return [line for line in lines if "emptied when the machine restarts" not in line]

    return look


def test_nothing_is_odd(said):
    assert said() == []


def test_what_drivers_doubt(said, monkeypatch):
    def doubts(self):
        return [Doubt(("poll_ms",), "too often"), Doubt(("points", 0, "address"), "odd")]

    monkeypatch.setattr(MeterSettings, "doubts", doubts)
    assert said(EDGE, m=METER.format("tcp://h:1") + "poll_ms = 20\n") == [
        "devices/m.toml:4: settings.points[0].address: warning: odd",
        "devices/m.toml:5: settings.poll_ms: warning: too often",
    ]
    assert said(EDGE, m="enabled = false\n" + METER.format("tcp://h:1")) == []


@pytest.mark.parametrize(
    ("url", "warning"),
    [
        ("serial:///dev/ttyS0?baud=9800", "9800 is no usual baud rate; 9600 is"),
        ("serial:///dev/ttyS0?baud=125000", "125000 is no usual baud rate; 115200 is"),
        ("serial:///dev/ttyS0?baud=9600", None),
        ("serial:///dev/ttyS0", None),
        ("tcp://10.0.0.1:9800", None),
    ],
)
def test_baud_rates(said, url, warning):
    expected = [f"devices/m.toml:3: settings.url: warning: {warning}"] if warning else []
    assert said(EDGE, m=METER.format(url)) == expected


@pytest.mark.parametrize(("end", "verb"), [(400 * DAY, None), (20 * DAY, "ends"), (-DAY / 2, "ended")])
def test_certificates(said, tmp_path, end, verb):
    issue(tmp_path, end=end)
    edge = EDGE.replace("mqtt://127.0.0.1:1883", 'mqtts://b:8883"\nca_file = "page.pem')
    edge += '[web]\ncert_file = "page.pem"\nkey_file = "page.key"\n'
    found = said(edge)
    assert [line.split(": warning")[0] for line in found] == (
        ["edge.toml:9: console.ca_file", "edge.toml:11: web.cert_file"] if verb else []
    )
    assert all(f"page.pem {verb} on 20" in line and line.endswith("renew it") for line in found)


def calibration(normal, *, measured=False, device=None):
    own = manifest.parse((package.BUILT_IN / "baggage" / package.MANIFEST).read_bytes())
    bags = Measured(
        bags=800, alarms=8, alarms_elevated=20, wanted=(0.01, 0.02), edges=(0.5,) * 9, files_sha256="0" * 64
    )
    return own, Calibration(
        at="2026-11-20T10:00:00.000Z",
        by="ama",
        reason="fewer alarms",
        model="baggage",
        version=own.version,
        sha256=own.files["model.onnx"],
        device=device,
        normal=normal,
        elevated=normal,
        measured=bags if measured else None,
    )


def test_thresholds(said, tmp_path):
    (tmp_path / "data").mkdir()
    history = Calibrations(tmp_path / "data")
    own = calibration(0.9)[0].operating_points.normal
    higher = min(own + 0.05, 0.99)
    history.append(calibration(higher)[1])
    assert said() == [
        f"devices/x.toml:2: model: warning: ama set its threshold to {higher:g}, above the {own:g} of the"
        " package: what scores between them is missed"
    ]
    history.append(calibration(0.5, measured=True)[1])
    assert said() == []
    history.append(calibration(0.6, device="x")[1])
    assert "above the 0.5 that was calibrated here" in said()[0]
    history.append(calibration(0.4, device="x")[1])
    assert said() == []


def test_a_quota_larger_than_the_disk(said, monkeypatch):
    usage = namedtuple("usage", "total used free")(10**10, 0, 10**10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    (only,) = said()
    assert only.startswith("edge.toml:") and "storage.quota_bytes: warning: 20.0 GB is more than the disk of " in only
    assert only.endswith("has, 10.0 GB: it will be full before the quota is")
    assert said(EDGE + "[storage]\nquota_bytes = 9_000_000_000\n") == []


def test_keep_days_and_the_quota_of_a_new_box(said):
    edge = EDGE + "[storage]\nquota_bytes = 60_000_000\nkeep_days = 30\n"
    assert said(edge) == [
        "edge.toml:11: storage.keep_days: warning: the quota leaves 2.0 MB a day for the pictures of each device: too"
        " little for ten hits"
    ]
    assert said(edge, x="enabled = false\n" + SCANNER, m=METER.format("tcp://h:1")) == []


def test_keep_days_and_what_comes_in(said, tmp_path):
    async def write():
        clock = FakeClock()
        clock.wall_ns = time.time_ns() - 2 * 86_400 * 10**9
        ledger = Ledger(tmp_path / "data", events(), clock, quota_bytes=10**9, keep_days=30, on_commit=lambda *_: None)
        ledger.start()
        await ledger.commit(record(scan_hit(clock.now(), b"x" * 12_000_000)))
        await ledger.close()

    asyncio.run(write())
    edge = EDGE + "[storage]\nquota_bytes = 60_000_000\nkeep_days = {}\n"
    assert said(edge.format(9)) == []
    assert said(edge.format(30)) == [
        "edge.toml:11: storage.keep_days: warning: 6 MB of evidence come a day: the quota is full after 10 days"
    ]


def test_a_profile_that_nobody_names(said, tmp_path):
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "portal.toml").touch()
    assert said() == ["profiles/portal.toml:1: -: warning: no device names this profile"]


def test_errors_come_alone(folder):
    found = examine_closely(folder("x = 1\n" + EDGE, x=SCANNER))
    assert found.config is None and found.errors


@pytest.mark.parametrize(("strict", "status"), [((), 0), (("--strict",), 2)])
def test_strict(folder, tmp_path, monkeypatch, capsys, strict, status):
    path = folder(EDGE, x=SCANNER, m=METER.format("serial:///dev/ttyS0?baud=9800"))
    monkeypatch.setattr(sys, "argv", ["jaitf-edge", "check", "--json", "--config", str(path), *strict])
    with pytest.raises(SystemExit) as ended:
        main()
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert ended.value.code == status
    assert [(each["level"], each.get("line")) for each in rows] == [("warning", 3), ("ok", None)]


def test_the_table_is_whole():
    assert len(set(suspicious.SUSPICIONS)) == len(suspicious.SUSPICIONS) == 7
