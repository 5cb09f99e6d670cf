"""Readers in a running appliance: what of them reaches the broker and the disk, and what must not."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge.contract.documents import schema
from edge.messages import ReadingNews
from simulators.codereader.wire import Keyboard, stroke, typed
from simulators.collar.cli import Collar
from simulators.collar.model import Walk
from simulators.line import Line
from simulators.scale.cli import Protocol, Scale
from simulators.scale.model import Platform
from simulators.tagreader.model import TEAM, Gate
from simulators.tagreader.module import Module, m100
from tests.core import until
from tests.mqtt import Listener
from tests.peers import Broker

pytestmark = [pytest.mark.protocol, pytest.mark.timeout(300)]

TODAY = datetime.now(UTC)
PASS = f"M1DESMARAIS/LUC       EABC123 LFWCDGAF 0718 {TODAY.timetuple().tm_yday:03d}F001A0025 100"
FORGED = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898903C36UTO7408122F1204159ZE184226B<<<<<10")
PRIVATE = [b"DESMARAIS", b"ABC123", b"ERIKSSON", b"L898903C3", b"ZE184226B"]
#: Digits alone: every nanosecond's stamp has them within it once in a million times.
PRIVATE += [rb"(?<![0-9.])7408122(?![0-9])"]
#: So short that a digest or a stamp has them within it now and then: looked for where they stand for themselves.
PRIVATE += [rb"(?<![0-9A-Za-z.])" + word + rb"(?![0-9A-Za-z])" for word in (b"ANNA", b"740812")]


@asynccontextmanager
async def appliance(
    folder: Path, url: str, devices: dict[str, str], teams: str = "", lane: str = ""
) -> AsyncIterator[Path]:
    config, data = folder / "config", folder / "data"
    (config / "devices").mkdir(parents=True)
    (config / "edge.toml").write_text(
        '[web]\nlisten = ""\n'
        f'[appliance]\nsite = "lfw"\nlane = "t1-l3"\nid = "edge-01"\ndata_dir = "{data}"\n[console]\nurl = "{url}"\n'
        + lane
    )
    (config / "teams.toml").write_text(teams)
    for name, text in devices.items():
        (config / "devices" / f"{name}.toml").write_text(text)
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge", "run", "--config", str(config)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        await until(lambda: process.poll() is not None or b"ready" in log.read_bytes())
        assert process.poll() is None, log.read_text()
        yield folder
    finally:
        process.terminate()
        await until(lambda: process.poll() is not None)


def device(driver: str, **settings: object) -> str:
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())
    return f'driver = "{driver}"\n[settings]\n{lines}\n'


TEAMS = f"""
[[team]]
name = "K9-7"
dog = "Rex"
handler = "4711"
epcs = ["{TEAM[0].hex()}"]
collar = "collar-1"
[[button]]
device = "button-1"
label = "alert"
readers = ["tags-1"]
place = "belt 2"
"""


def codes_told(listener: Listener) -> list[Any]:
    return [code for m in listener.of("reading/codes-1") for code in m.json["codes"]]


def uris(listener: Listener) -> set[str | None]:
    return {tag.get("uri") for m in listener.of("reading/tags-1") for tag in m.json.get("tags", ())}


async def test_what_readers_see_reaches_the_console_and_nobodys_name_does(tmp_path: Path, broker: Broker):
    codes, keys = Line(), Keyboard(tmp_path / "keys")
    keys.plug_in()
    scale = Scale(Protocol.TOLEDO, Platform(parcel_s=1.5, swing_s=0.1, heavy_every=2))
    collar = Collar(Walk(), 0.2)
    gate = Module(m100, Gate(missed=0))
    ports = [await one.listen() for one in (codes, scale, collar, gate)]
    urls = [f"tcp://127.0.0.1:{number}" for number in ports]
    button = '[[settings.buttons]]\nkey = "KEY_F1"\nname = "alert"\nseverity = "high"\n'
    devices = {
        "codes-1": device("codereader", url=urls[0]),
        "button-1": device("codereader", url=f"hid://{tmp_path}/keys") + button,
        "scale-1": device("scale", url=urls[1], protocol="toledo", declared_kg=12.0, tolerance_kg=2.0),
        "collar-1": device("nmea", url=urls[2]),
        "tags-1": device("uhf-serial", url=urls[3]),
    }
    try:
        async with (
            Listener(broker.port, receipts=True) as listener,
            appliance(tmp_path / "box", broker.url, devices, TEAMS) as box,
        ):
            # A reading is told to whoever listens then: the appliance's connection is to be there.
            await listener.wait(lambda: [m for m in listener.of("device/codes-1") if m.json["state"] == "up"])
            await until(lambda: codes.connected)  # and its end of the wire here
            codes.send(b"]I00125728359\r" + f"]L0{PASS}\r".encode() + "\r".join(FORGED).encode() + b"\r")
            await listener.wait(lambda: listener.of("hit/codes-1"))
            await listener.wait(lambda: listener.of("hit/scale-1"))
            await listener.wait(lambda: any(m.json.get("position") for m in listener.of("reading/collar-1")))
            await listener.wait(lambda: any("teams" in m.json for m in listener.of("reading/tags-1")))
            await listener.wait(lambda: "urn:epc:id:sgtin:0614141.812345.6789" in uris(listener))
            await listener.wait(lambda: len(codes_told(listener)) >= 3)
            keys.send(stroke(59) + typed("0125728358\r"))
            await listener.wait(lambda: listener.of("hit/button-1"))
            said = [message.payload for message in listener.messages]

        threat = listener.of("hit/codes-1")[0].json["data"]["threats"][0]
        assert threat["label"] == "travel_document"
        assert threat["measurement"]["value"] == "document number, composite"
        assert listener.of("hit/scale-1")[0].json["data"]["threats"][0]["measurement"]["value"] > 20
        alert = listener.of("hit/button-1")[0].json["data"]
        assert alert["severity"] == "high"
        assert alert["canine"]["team"] == "K9-7"
        told = codes_told(listener)
        assert [code["kind"] for code in told] == ["bag_tag", "boarding_pass", "travel_document"]
        assert told[1]["flights"][0]["flight"] == "AF0718"
        for message in listener.messages:
            if "/up/reading/" in message.topic:
                jsonschema.validate(message.json, schema(ReadingNews))

        kept = b"".join(path.read_bytes() for path in box.rglob("*") if path.is_file())
        assert b"travel_document" in kept  # what is kept can be read here, and a name would be seen
        for private in PRIVATE:
            assert not [payload for payload in said if re.search(private, payload)], private
            assert not re.search(private, kept), private
    finally:
        keys.pull_out()
        for one in (codes, scale, collar, gate):
            await one.close()
        await asyncio.sleep(0)


async def test_a_parcel_that_weighs_twice_what_its_label_declares(tmp_path: Path, broker: Broker):
    """The label and the scale are two devices at one station: the lane brings them together."""
    codes, scale = Line(), Scale(Protocol.SICS, Platform(parcel_s=3600, swing_s=0.1, around_kg=12))
    urls = [f"tcp://127.0.0.1:{await one.listen()}" for one in (codes, scale)]
    devices = {"codes-1": device("codereader", url=urls[0]), "scale-1": device("scale", url=urls[1])}
    lane = '[lane.stations.post]\ndevices = ["codes-1", "scale-1"]\nwithin_s = 60\n[lane.weight]\ntolerance_kg = 1\n'
    try:
        async with (
            Listener(broker.port, receipts=True) as listener,
            appliance(tmp_path / "box", broker.url, devices, lane=lane),
        ):
            await listener.wait(lambda: any(m.json.get("weight_kg", 0) > 10 for m in listener.of("reading/scale-1")))
            await listener.wait(lambda: [m for m in listener.of("device/codes-1") if m.json["state"] == "up"])
            await until(lambda: codes.connected)  # and its end of the wire here
            codes.send(b"]C1001061414112345678973301000060\r")  # SSCC, gross weight 6.0 kg
            await listener.wait(lambda: listener.of("hit/scale-1") and listener.of("reading/codes-1"))
        hit = listener.of("hit/scale-1")[0].json["data"]
        (threat,) = hit["threats"]
        assert threat["label"] == "weight differs from declared"
        assert threat["measurement"]["value"] == float(Platform(around_kg=12).parcel_kg(0))
        assert (threat["category"], hit["severity"]) == ("ANOMALY", "medium")
        assert listener.of("reading/codes-1")[0].json["declared_kg"] == 6.0
    finally:
        for one in (codes, scale):
            await one.close()
