"""Thresholds set beside a running appliance hold for its next bag, are audited, and drift is measured against them."""

import json
import os
import shutil
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest

from inference.build import build
from tests.core import until
from tests.mqtt import Listener
from tests.unit.inference.conftest import DARKNESS_HEAD, blob_picture, darkness_graph

pytestmark = pytest.mark.protocol


def bag(path, dark):
    """Write a bag with one thing in it that is so dark, and nothing else like it."""
    values = np.full((160, 200), 60_000, np.uint16)
    values[10:150, 10:190] = 45_000
    values[50:74, 60:84] = dark
    values[0, 0] = dark % 1000  # no two files alike
    cv2.imwrite(str(path.with_suffix(".part.png")), values)
    path.with_suffix(".part.png").rename(path)


@pytest.fixture
def site(tmp_path, broker):
    build(tmp_path / "darkness", DARKNESS_HEAD, darkness_graph(), "# d\n", {"blob": [blob_picture(60, 50)]})
    for name in ("config/devices", "export", "ordinary", "new"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "config" / "edge.toml").write_text(
        '[web]\nlisten = ""\n'
        f'[appliance]\nsite = "lfw"\nlane = "t1-l3"\nid = "edge-01"\ndata_dir = "{tmp_path / "data"}"\n'
        f'[console]\nurl = "{broker.url}"\n'
    )
    (tmp_path / "config" / "devices" / "export-1.toml").write_text(
        f'driver = "folder"\nmodel = "{tmp_path / "darkness"}"\n[settings]\npath = "{tmp_path / "export"}"\n'
    )
    for number in range(40):
        bag(tmp_path / "ordinary" / f"{number:02}.png", 35_000 + 100 * number)
    return tmp_path


def edge(site, *arguments):
    command = [sys.executable, "-m", "edge", *arguments, "--config", str(site / "config")]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


async def test_a_threshold_set_while_it_runs_holds_from_the_next_bag_on(site, broker):
    log = site / "log"
    with log.open("ab") as out:
        command = [sys.executable, "-m", "edge", "run", "--config", str(site / "config")]
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=os.environ)
    try:
        async with Listener(broker.port, receipts=True) as listener:
            await until(lambda: process.poll() is not None or "ready" in log.read_text())
            assert process.poll() is None, log.read_text()

            async def verdict(name, dark):
                before = len(listener.of("verdict/export-1"))
                bag(site / "new" / name, dark)
                shutil.move(site / "new" / name, site / "export" / name)
                await listener.wait(lambda: len(listener.of("verdict/export-1")) > before)
                return listener.of("verdict/export-1")[-1].json

            assert (await verdict("one.png", 30_001))["decision"] == "clear"
            set_ = edge(
                *(site, "model", "calibrate", "--benign", str(site / "ordinary"), "--device", "export-1"),
                *("--false-alarms", "0.1", "--apply", "--by", "A. Diallo", "--reason", "new tube"),
            )
            assert set_.returncode == 0, set_.stderr
            await listener.wait(lambda: any(m.json["what"] == "thresholds" for m in listener.of("audit")))
            (audit,) = [m.json for m in listener.of("audit") if m.json["what"] == "thresholds"]
            assert audit["by"] == "A. Diallo" and "at export-1" in audit["detail"] and "new tube" in audit["detail"]
            assert (await verdict("two.png", 30_002))["decision"] == "alarm"
            hit = (await listener.first("hit/export-1")).json["data"]
            line = json.loads((site / "data" / "calibration.jsonl").read_text())
            assert hit["threshold"] == line["normal"] < 0.8
            await listener.wait(lambda: _drift(listener).get("scans") == 2)
            drift = _drift(listener)
            assert (drift["state"], drift["calibrated_at"]) == ("unknown", line["at"])
            process.send_signal(signal.SIGTERM)
            await until(lambda: process.poll() is not None)
            assert process.returncode == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _drift(listener):
    told = listener.of("health")
    return told[-1].json["drift"].get("export-1", {}) if told else {}
