"""The reference console and a real appliance over a broker: what an officer does reaches the lane, and is answered."""

import asyncio
import io
import json
import urllib.request
import zipfile
from urllib.parse import urlencode

import cv2
import numpy as np
import pytest

from tests.core import until
from tests.protocol.test_core_run import Box
from tests.unit.simulators.console.process import Console

pytestmark = pytest.mark.protocol


@pytest.fixture
async def lane(tmp_path, broker):
    """A console, and an appliance with a picture folder into which a bag with something dense has fallen."""
    console = await asyncio.to_thread(Console(broker.url, tmp_path / "console.db").ready)
    box = Box(tmp_path / "box", broker.url)
    export = tmp_path / "export"
    export.mkdir()
    device = f'driver = "folder"\nmodel = "baggage"\n[settings]\npath = "{export}"\n'
    (box.config / "devices" / "export-1.toml").write_text(device)
    bag = np.full((600, 800), 40_000, np.uint16)
    bag[200:260, 250:520] = bag[240:400, 250:320] = 900
    cv2.imwrite(str(export / "bag.png"), cv2.copyMakeBorder(bag, 60, 60, 60, 60, cv2.BORDER_CONSTANT, value=65_000))
    await box.start()
    yield console, box
    box.process.kill()
    box.process.wait()
    console.close()


def get(console, path):
    with urllib.request.urlopen(f"{console.url}{path}", timeout=60) as answer:
        return answer.read()


def post(console, path, **form):
    request = urllib.request.Request(f"{console.url}{path}", urlencode(form).encode())
    request.add_header("Origin", console.url)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def hits(console):
    return json.loads(get(console, "/api/hits"))["hits"]


async def test_from_the_lane_to_the_officer_and_back(lane):
    console, box = lane
    await until(lambda: hits(console) and hits(console)[0]["picture"] == "here")
    (hit,) = hits(console)
    path = f"/hit/{hit['hit_id']}"

    post(console, f"{path}/disposition", outcome="seizure", commodity="firearm", officer="officer-7")
    await until(lambda: hits(console)[0]["told"] == "done")
    post(console, f"{path}/fetch", officer="officer-7")
    await until(lambda: "evidence.zip" in get(console, path).decode())
    package = box.data.parent / "evidence.zip"
    package.write_bytes(get(console, f"{path}/evidence.zip"))
    ran = await asyncio.create_subprocess_exec(
        *box.command("evidence")["args"][:3], "evidence", "verify", str(package), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(ran.communicate(), 60)
    assert ran.returncode == 0, said.decode()
    with zipfile.ZipFile(io.BytesIO(get(console, f"{path}/handover.zip"))) as handed:
        assert handed.read("evidence.zip") == package.read_bytes()
        assert json.loads(handed.read("record.json"))["items"] == [{"commodity": "firearm"}]
    with zipfile.ZipFile(package) as evidence:
        assert b"officer-7" in evidence.read("dispositions.jsonl")

    board = "/appliance/lfw/edge-01"
    post(console, f"{board}/command", name="ping", officer="officer-7")
    await until(lambda: "the appliance is here" in get(console, board).decode())
    post(console, f"{board}/targets", lines="T-1 bag_tag 0220123456 high", hours="1", officer="officer-7")
    await until(lambda: "targets" in get(console, "/log").decode())
