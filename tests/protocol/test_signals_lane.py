"""The officer's lamp on a whole appliance: a Modbus hit, a Modbus relay, no console anywhere."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from simulators.modbus.model import Contacts, Image
from simulators.modbus.wire import Faults, Server
from tests.core import until
from tests.protocol.test_core_run import Box

pytestmark = pytest.mark.protocol

HOST = "127.0.0.1"
SIGNALS = """
[[signals]]
name = "lamp"
device = "io-1"
output = "lamp"
severities = ["high"]
seconds = 600

[[signals]]
name = "sign"
device = "io-1"
output = "relay 3"
labels = ["of nothing"]
fail_safe = "on"
"""


@dataclass
class Gate:
    """A device with one register that a test sets."""

    value: int = 0
    coils: int = 0
    kept: range = range(0)

    def at(self, seconds: float) -> Image:
        return Image(holding={0: self.value})


@dataclass
class Lane:
    gate: Gate = field(default_factory=Gate)
    relays: Server | None = None
    box: Box | None = None


@asynccontextmanager
async def lane(folder: Path, severity: str) -> AsyncIterator[Lane]:
    made = Lane()
    gate = Server(made.gate, 1, Faults(), time.monotonic)
    made.relays = Server(Contacts(every_s=1e9), 1, Faults(), time.monotonic)
    ports = [await server.listen(HOST, 0) for server in (gate, made.relays)]
    made.box = Box(folder, "mqtt://127.0.0.1:9")  # nobody listens there, nor ever will
    with (made.box.config / "edge.toml").open("a") as file:
        file.write(SIGNALS)
    (made.box.config / "devices/gate-1.toml").write_text(
        f'driver = "modbus"\n[settings]\nurl = "tcp://{HOST}:{ports[0]}"\npoll_ms = 20\n[[settings.points]]\n'
        f'name = "gate"\ntable = "holding"\naddress = 0\nalarm = "on_change"\nseverity = "{severity}"\n'
    )
    (made.box.config / "devices/io-1.toml").write_text(
        f'driver = "modbus"\n[settings]\nurl = "tcp://{HOST}:{ports[1]}"\npoll_ms = 1000\nprofile = "iologik-e1200"\n'
    )
    try:
        yield made
    finally:
        if made.box.process and made.box.process.poll() is None:
            made.box.process.kill()
            made.box.process.wait()
        for server in (gate, made.relays):
            await server.close()


async def ready(made: Lane) -> None:
    """Start the appliance; return once the gate's first value is read and the outputs show that there is nothing."""
    box, relays = made.box, made.relays
    assert box and relays
    await box.start()
    await until(lambda: "gate-1: up" in box.said() and relays.coils == {0: False, 3: False})


async def test_a_hit_lights_the_lamp_with_the_console_away_and_the_end_leaves_it_at_rest(tmp_path: Path) -> None:
    async with lane(tmp_path, "high") as made:
        assert made.box and made.relays
        shown = made.relays.coils
        await ready(made)  # both are known, and dark
        made.gate.value = 1
        await until(lambda: shown == {0: True, 3: False})
        (hit,) = await asyncio.to_thread(made.box.hits)  # the simulated devices go on meanwhile
        assert hit["state"] == "queued", "the console has not heard of it"
        assert await made.box.end() == 0
        assert shown == {0: False, 3: True}, "what was left behind is what fail_safe says"


async def test_a_device_that_is_killed_shows_the_lamp_again(tmp_path: Path) -> None:
    async with lane(tmp_path, "high") as made:
        assert made.box and made.relays
        shown = made.relays.coils
        await ready(made)
        made.gate.value = 1
        await until(lambda: shown[0])
        shown[0] = False  # as if the module had been switched off and on
        (pid,) = (pid for pid, title in made.box.family().items() if title == "jaitf-edge-device io-1")
        os.kill(pid, signal.SIGKILL)
        await until(lambda: shown[0])


async def test_a_hit_that_the_signal_is_not_for_leaves_it_dark(tmp_path: Path) -> None:
    async with lane(tmp_path, "low") as made:
        assert made.box and made.relays
        await ready(made)
        made.gate.value = 1
        while not await asyncio.to_thread(made.box.hits):
            await asyncio.sleep(0.05)
        assert await made.box.end() == 0
        assert made.relays.coils == {0: False, 3: True}
