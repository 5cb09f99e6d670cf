"""DICOM associations: recorded by a relay, played to the same driver, and nothing of a person kept."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers import registry
from drivers.dicos.elements import file_meta
from drivers.dicos.uids import DX_FOR_PROCESSING
from drivers.errors import ConfigError, LinkBusy
from drivers.ports import free_port
from drivers.recording import sessions, tape
from drivers.recording.heard import Said
from drivers.recording.wires import kept, wire_of
from simulators.dicomwire import Scanner
from simulators.dicosfiles import made
from tests.core import until

pytestmark = pytest.mark.slow

INFO = registry.available()["dicos"]
SECRET = 4321


def settings(port: int, **more: Any) -> Any:
    return registry.settings_class(INFO).model_validate({"listen": f"127.0.0.1:{port}", **more})


def picture(**tags: Any) -> bytes:
    """Return a data set whose every value is SECRET."""
    file = made(np.full((8, 12), SECRET, np.uint16), SOPInstanceUID="1.2.3.1", **tags)
    return file[file_meta(file)[1] :]


PERSON = picture(OOIType="PERSON")


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def recorded(
    path: Path, scan: Callable[[int, Callable[[], None]], Awaitable[None]], **more: Any
) -> tuple[list[Said], tape.Recording]:
    """Record while `scan` stores at the port, until it ends the recording, or is done."""
    port = free_port()
    header = tape.header_of("dicos", "xray-1", kept(settings(port, **more)), 1_795_000_000_000_000_000, "0")
    keeping = tape.Tape(path, header, time.monotonic_ns)

    async def scanning() -> None:
        await until(lambda: listens(port))
        try:
            await scan(port, keeping.stop)
        finally:
            keeping.stop()

    thread = threading.Thread(target=lambda: asyncio.run(scanning()))
    said: list[Said] = []
    thread.start()
    sessions.record(INFO, settings(port, **more), keeping, 60, said.append)
    thread.join()
    return said, tape.read(path)


async def store(port: int, *datasets: bytes) -> None:
    async with Scanner.associated(port) as scanner:
        for dataset in datasets:
            assert await scanner.store(DX_FOR_PROCESSING, dataset) != 0  # nothing is kept: it must store again


def test_a_stored_scan_is_refused_recorded_and_seen_again(tmp_path: Path) -> None:
    live, recording = recorded(tmp_path / "a.wire", lambda port, _: store(port, picture()))
    (scan,) = (word["scan"] for word in live if "scan" in word)
    done = sessions.replay(recording, INFO, settings(1))
    assert [word["scan"] for word in done.said if "scan" in word] == [scan]
    assert scan["pictures"][0]["rows"] == 8


async def ended_amidst(port: int, stop: Callable[[], None]) -> None:
    async with Scanner.associated(port) as scanner:
        for dataset in (picture(), PERSON):
            assert await scanner.store(DX_FOR_PROCESSING, dataset) != 0
        stop()
        await scanner.ended()


@pytest.mark.parametrize(
    "scan", [lambda port, _: store(port, picture(), PERSON), ended_amidst], ids=["whole", "amidst"]
)
def test_an_association_with_a_person_is_left_out_whole(tmp_path: Path, scan: Any) -> None:
    _, recording = recorded(tmp_path / "a.wire", scan)
    notes = [event.text for event in recording.events if event.kind is tape.Kind.NOTE]
    assert len(notes) == 1
    assert notes[0].endswith("is left out: it may show a person")
    raw = b"".join(event.data for event in recording.events)
    assert SECRET.to_bytes(2, "little") * 4 not in raw
    assert b"PERSON" not in raw


def test_an_address_in_use_and_tls_say_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        header = tape.header_of("dicos", "x", {}, 0, "0")
        with pytest.raises(LinkBusy):
            sessions.record(
                INFO, settings(port), tape.Tape(tmp_path / "a.wire", header, time.monotonic_ns), 5, lambda _: None
            )
    tls = settings(1, tls=True, cert_file="a", key_file="b", ca_file="c")
    with pytest.raises(ConfigError, match="without it for the while"):
        wire_of(INFO, tls)
