"""The appliance with scanners around it, from C-STORE to evidence: dcmtk, the simulators, a workstation, a broker."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers.dicos import joined
from drivers.dicos.codec import file_meta
from drivers.ports import free_port
from simulators.xray import make_scan
from simulators.xray.wire import Identity, datasets
from tests.core import until
from tests.protocol.test_dicos_joined import store
from tests.protocol.test_dicos_persons import TRACE, ZONES, simulated
from tests.protocol.test_dicos_reports import received, storescp

pytestmark = [pytest.mark.protocol, pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore:.*VR")]


def toml(**settings: Any) -> str:
    return "\n".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())


class Lane:
    """One appliance's configuration and process."""

    def __init__(self, folder: Path, url: str) -> None:
        self.config, self.data, self.log = folder / "config", folder / "data", folder / "log"
        (self.config / "devices").mkdir(parents=True)
        (self.config / "edge.toml").write_text(
            '[web]\nlisten = ""\n'
            f'[appliance]\nsite = "lfw"\nlane = "t1-l3"\nid = "edge-01"\ndata_dir = "{self.data}"\n'
            f'[console]\nurl = "{url}"\n'
        )

    def device(self, name: str, model: str | None, tables: str = "", **settings: Any) -> int:
        port = free_port()
        head = 'driver = "dicos"\n' + (f'model = "{model}"\n' if model else "")
        body = toml(listen=f"127.0.0.1:{port}", **settings)
        (self.config / "devices" / f"{name}.toml").write_text(f"{head}[settings]\n{body}\n{tables}")
        return port

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "edge", *arguments, "--config", str(self.config)]

    def ask(self, *arguments: str) -> list[dict[str, Any]]:
        ran = subprocess.run(self.command(*arguments), capture_output=True, timeout=120, check=True)
        return [json.loads(line) for line in ran.stdout.splitlines()]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(self.command("run"), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            await until(lambda: process.poll() is not None or "ready" in self.log.read_text())
            assert process.poll() is None, self.log.read_text()
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                await until(lambda: process.poll() is not None)
            finally:
                process.kill()
                process.wait(60)

    def holds(self, trace: bytes) -> list[str]:
        return [
            str(Path(folder, name))
            for folder, _, names in os.walk(self.data)
            for name in names
            if trace in Path(folder, name).read_bytes()
        ]


async def listens(port: int) -> None:
    async def there() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    async with asyncio.timeout(60):
        while not await there():
            await asyncio.sleep(0.1)


async def test_from_two_energies_to_the_evidence_and_the_workstation(tmp_path: Path, broker: Any) -> None:
    lane, inbox, viewer = Lane(tmp_path, broker.url), tmp_path / "inbox", free_port()
    to = f"dicom://VIEWER@127.0.0.1:{viewer}"
    port = lane.device("xray-1", "baggage", dual_energy=True, join_s=20, tdr_to=to)
    sent = tmp_path / "sent"
    sent.mkdir()
    for bag in range(4):
        scan = make_scan(bag, "pistol")
        for n, ds in enumerate(datasets(scan, Identity.make(np.random.default_rng(bag), bag), dual=True)):
            ds.save_as(sent / f"{bag}-{n}.dcs", enforce_file_format=True)
    with storescp(inbox, viewer):
        async with lane.running():
            await listens(port)
            out = await store(port, *sorted(sent.iterdir()))
            assert out.count("(Success)") == 8, out
            await until(lambda: len(received(inbox)) == 4)
            hits = lane.ask("hits", "--json")
    assert hits, "no alarm among four bags with a pistol"
    package = tmp_path / "hit.zip"
    lane.ask("evidence", "export", hits[0]["hit_id"], "--out", str(package), "--json")
    verified = subprocess.run(
        [sys.executable, "-m", "edge", "evidence", "verify", str(package)], capture_output=True, text=True, timeout=60
    )
    assert verified.returncode == 0, verified.stdout
    with zipfile.ZipFile(package) as archive:
        original, report = archive.read("scan/original.zip"), archive.read("tdr.dcs")
        event = json.loads(archive.read("hit.json"))["data"]
    assert event["evidence"]["sha256"] == sha256(original).hexdigest()
    pixels = {path.read_bytes()[-1000:] for path in sent.iterdir()}
    kept = joined.parted(original)
    assert [name for name, _ in kept] == ["00-low.dcs", "00-high.dcs"]
    assert all(data[-1000:] in pixels for _, data in kept)
    reports = {path.read_bytes()[file_meta(path.read_bytes())[1] :] for path in received(inbox)}
    assert report[file_meta(report)[1] :] in reports, "the workstation's report is the evidence's, byte for byte"


async def test_no_picture_of_a_person_is_anywhere_on_the_disk(tmp_path: Path, broker: Any) -> None:
    lane = Lane(tmp_path, broker.url)
    port = lane.device("body-1", None, "[settings.zones]\n" + "\n".join(f'"{w}" = "{z}"' for w, z in ZONES.items()))
    async with lane.running():
        await listens(port)
        told = await simulated(port, "--count", "8", "--seed", "3", "--alarm-rate", "0.7", "--pictures")
        hits = lane.ask("hits", "--json")
    alarms = [truth for truth in told if truth["decision"] == "alarm"]
    assert alarms and len(hits) == len(alarms)
    assert not any(truth["picture_taken"] for truth in told)
    assert lane.holds(b"dhs17:"), "the hits are there"
    for trace in (TRACE, b"PASSAGE", b"R UPPER ARM", b"R HIP"):
        assert not lane.holds(trace), trace
    assert TRACE not in lane.log.read_bytes()
