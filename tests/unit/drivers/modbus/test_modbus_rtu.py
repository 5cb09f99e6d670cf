"""RTU frames: found among noise, never mistaken; the line's silence after a lost word."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import LinkLost, LinkTimeout, ProtocolError
from drivers.modbus import line as line_module
from drivers.modbus import rtu
from drivers.modbus.client import ExceptionReply
from drivers.modbus.line import Line, RtuLink
from drivers.modbus.points import Table
from tests.unit.drivers.modbus.served import read_in_the_end


def framed(body: bytes) -> bytes:
    return body + rtu.crc(body)


def test_the_checksum_is_that_of_the_specification() -> None:
    # Serial Line 1.02, appendix B: slave 02, function 07 gives 41 12.
    assert rtu.crc(bytes((0x02, 0x07))) == bytes((0x41, 0x12))


def test_requests_are_the_bytes_that_libmodbus_sends() -> None:
    # mbpoll -m rtu -a 1 -0 -r 0 -c 2 -t 4, on a pseudo-terminal.
    assert rtu.read(1, Table.HOLDING, 0, 2).frame == bytes.fromhex("010300000002C40B")
    assert rtu.read(0x11, Table.COIL, 0x13, 0x25).frame == framed(bytes.fromhex("110100130025"))
    assert rtu.write(1, Table.COIL, 3, 1).frame == framed(bytes.fromhex("01050003FF00"))
    assert rtu.write(1, Table.HOLDING, 3, 0x1234).frame == framed(bytes.fromhex("010600031234"))


words = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=125)


@given(st.integers(1, 247), words, st.binary(max_size=40), st.binary(max_size=10))
def test_an_answer_is_found_among_noise(unit: int, values: list[int], before: bytes, after: bytes) -> None:
    request = rtu.read(unit, Table.HOLDING, 0, len(values))
    data = b"".join(v.to_bytes(2, "big") for v in values)
    found = request.answer(before + framed(bytes((unit, 3, len(data))) + data) + after)
    assert found is not None
    if request.answer(before) is None:
        assert rtu.values(Table.HOLDING, len(values), bytes(found[0])) == values
        assert found[1] == after


@given(st.integers(1, 247), words, st.integers(0, 300), st.integers(1, 255))
def test_a_changed_byte_makes_no_answer(unit: int, values: list[int], at: int, change: int) -> None:
    request = rtu.read(unit, Table.HOLDING, 0, len(values))
    data = b"".join(v.to_bytes(2, "big") for v in values)
    frame = bytearray(framed(bytes((unit, 3, len(data))) + data))
    frame[at % len(frame)] ^= change
    assert request.answer(bytes(frame)) is None


@given(st.binary(max_size=80))
def test_noise_is_no_answer(noise: bytes) -> None:
    found = rtu.read(1, Table.INPUT, 0, 4).answer(noise)
    assert found is None


def test_the_answer_of_another_length_or_unit_is_passed_over() -> None:
    request = rtu.read(1, Table.HOLDING, 0, 2)
    late = framed(bytes((1, 3, 2, 0xAA, 0xAA)))
    other = framed(bytes((2, 3, 4, 1, 1, 1, 1)))
    assert request.answer(late + other) is None
    assert request.answer(late + other + framed(bytes((1, 3, 4, 0, 5, 0, 6)))) == (bytes((0, 5, 0, 6)), b"")
    assert request.answer(framed(bytes((1, 0x83, 2)))) == (2, b"")


@contextmanager
def terminal(folder: Path) -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    try:
        yield master, f"serial://{os.ttyname(slave)}?baud=115200"
    finally:
        os.close(master)
        os.close(slave)


@asynccontextmanager
async def answering(master: int, answer: Callable[[bytes], bytes]) -> AsyncIterator[list[bytes]]:
    """A unit written for this test: what it is asked is kept, what `answer` returns is sent."""
    asked: list[bytes] = []
    loop = asyncio.get_running_loop()

    def came() -> None:
        asked.append(os.read(master, 1024))
        os.write(master, answer(asked[-1]))

    loop.add_reader(master, came)
    try:
        yield asked
    finally:
        loop.remove_reader(master)


def holding(*values: int) -> bytes:
    return framed(bytes((1, 3, 2 * len(values))) + b"".join(v.to_bytes(2, "big") for v in values))


async def test_a_late_answer_is_thrown_away_and_the_unit_is_in_doubt(tmp_path: Path) -> None:
    with terminal(tmp_path) as (master, url):
        line = Line(url, 0.1, 0.15)
        link = RtuLink(line, 1)
        try:
            async with answering(master, lambda _: b""):
                with pytest.raises(LinkTimeout, match="no answer within"):
                    await link.read(Table.HOLDING, 0, 1)
            assert link.doubts == 1
            os.write(master, holding(0xAAAA))
            async with answering(master, lambda _: holding(0xBBBB)):
                assert await read_in_the_end(link, Table.HOLDING, 1, 1) == [0xBBBB]
        finally:
            line.close()


async def test_two_answers_at_once_leave_the_unit_in_doubt(tmp_path: Path) -> None:
    with terminal(tmp_path) as (master, url):
        line = Line(url, 1.0, 0.05)
        link = RtuLink(line, 1)
        try:
            async with answering(master, lambda _: holding(1) + holding(2)):
                await link.read(Table.HOLDING, 0, 1)
            assert link.doubts == 1
        finally:
            line.close()


async def test_units_take_turns_on_the_line(tmp_path: Path) -> None:
    with terminal(tmp_path) as (master, url):
        line = Line(url, 2.0, 0.05)
        links = [RtuLink(line, unit) for unit in (1, 2, 3)]

        def answer(request: bytes) -> bytes:
            assert len(request) == 8, "one word at a time"
            return framed(bytes((request[0], 3, 2, 0, request[0])))

        try:
            async with answering(master, answer) as asked:
                got = await asyncio.gather(*(link.read(Table.HOLDING, 0, 1) for link in links for _ in range(3)))
        finally:
            line.close()
    assert [values[0] for values in got] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert len(asked) == 9


async def test_an_exception_is_an_answer(tmp_path: Path) -> None:
    with terminal(tmp_path) as (master, url):
        line = Line(url, 2.0, 0.05)
        try:
            async with answering(master, lambda _: framed(bytes((1, 0x83, 2)))):
                with pytest.raises(ExceptionReply, match="exception 2, illegal address"):
                    await RtuLink(line, 1).read(Table.HOLDING, 0, 1)
        finally:
            line.close()


async def test_a_line_that_is_never_still_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Babbling:
        """Always has a byte more, however busy the machine is."""

        async def read(self, n_max: int, deadline_s: float) -> bytes:
            await asyncio.sleep(0)
            return b"\x55"

        def close(self) -> None:
            """It has nothing to let go of."""

    async def opened(*_: object) -> Babbling:
        return Babbling()

    monkeypatch.setattr(line_module, "open_stream", opened)
    line = Line("serial:///dev/none", 0.1, 0.01)
    with pytest.raises(ProtocolError, match="never still"):
        await RtuLink(line, 1).read(Table.HOLDING, 0, 1)


async def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    line = Line(f"serial://{tmp_path}/nothing", 0.1, 0.05)
    with pytest.raises(LinkLost, match="plugged in"):
        await RtuLink(line, 1).connect()
