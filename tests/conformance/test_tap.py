"""The wire in a trial's hands spoils what it is told to spoil, and nothing else: no byte before an earlier one."""

from __future__ import annotations

import asyncio
import os
import tty
from pathlib import Path

from drivers.conformance.case import Wire
from drivers.conformance.tap import Tap, _PtyEnd
from tests.core import DEADLINE_S

#: More than a pseudo-terminal holds.
BLOCK_BYTES = 64 * 1024


class End:
    """One end of a wire: what is put into `said` is read from it, what is written to it is in `heard`."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[bytes] = asyncio.Queue()
        self.heard = b""

    async def read(self) -> bytes:
        return await self.said.get()

    async def write(self, data: bytes) -> None:
        self.heard += data

    def close(self) -> None:
        self.said.put_nowait(b"")


async def test_what_was_held_back_comes_before_what_is_said_at_that_moment(tmp_path: Path) -> None:
    tap, driver, peer = Tap(Wire.TCP, tmp_path, serve=1), End(), End()
    tap._join(driver, peer)
    tap.hold()
    for said in (b"1", b"2"):
        peer.said.put_nowait(said)
        while not tap._held or tap._held[-1][1] != said:
            await asyncio.sleep(0)
    peer.said.put_nowait(b"3")  # whoever is to hand it on is awake, and has not had its turn
    tap.release()
    async with asyncio.timeout(DEADLINE_S):
        while len(driver.heard) < 3:
            await asyncio.sleep(0)
    assert driver.heard == b"123"
    await tap.unplug()
    tap.close()


async def test_two_that_wait_for_room_on_a_terminal_are_both_heard_one_after_the_other(tmp_path: Path) -> None:
    tap, terminal, peer = Tap(Wire.PTY, tmp_path, serve=1), _PtyEnd(tmp_path / "line"), End()
    tap._join(terminal, peer)
    [pair] = tap._pairs
    slave = os.open(tmp_path / "line", os.O_RDWR | os.O_NOCTTY)
    tty.setraw(slave)
    telling = [asyncio.create_task(pair.tell(letter * BLOCK_BYTES)) for letter in (b"a", b"b")]
    assert not (await asyncio.wait(telling, timeout=0.1))[0], "there is no room for them"
    heard = b""
    while len(heard) < 2 * BLOCK_BYTES:
        heard += await asyncio.to_thread(os.read, slave, BLOCK_BYTES)
    assert heard == b"a" * BLOCK_BYTES + b"b" * BLOCK_BYTES
    await asyncio.gather(*telling)
    os.close(slave)
    await tap.unplug()
    tap.close()
