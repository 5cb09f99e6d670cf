"""Serial ports (pseudo-terminals here) and TCP connections under one interface."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tty
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import LinkBusy, LinkDenied, LinkLost, LinkTimeout
from drivers.links.serial import (
    MAX_UNREAD_BYTES,
    Line,
    Parity,
    SerialAddress,
    Stream,
    TcpAddress,
    _why,
    address,
    holder,
    open_stream,
)
from drivers.ports import free_port

SOON_S, DEADLINE_S = 0.01, 60.0


class Pty:
    """A pseudo-terminal: the test holds the device's end."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.close(slave)
        self.url = f"serial://{self.path}?baud=115200"

    def send(self, data: bytes) -> None:
        os.write(self.master, data)

    async def received(self, count: int) -> bytes:
        got = b""
        async with asyncio.timeout(DEADLINE_S):
            while len(got) < count:
                got += await asyncio.to_thread(os.read, self.master, count - len(got))
        return got

    def hang_up(self) -> None:
        master, self.master = self.master, -1
        if master >= 0:
            os.close(master)


@pytest.fixture
def pty() -> Iterator[Pty]:
    one = Pty()
    yield one
    one.hang_up()


async def read_exactly(stream: Stream, count: int) -> bytes:
    got = b""
    while len(got) < count:
        got += await stream.read(count - len(got), DEADLINE_S)
    return got


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("serial:///dev/ttyUSB0", SerialAddress("/dev/ttyUSB0", Line(baud=57600))),
        (
            "serial:///dev/serial/by-id/usb-FTDI_A-if00-port0?baud=115200&parity=even&bits=7&stop=2",
            SerialAddress("/dev/serial/by-id/usb-FTDI_A-if00-port0", Line(115200, Parity.EVEN, 7, 2)),
        ),
        ("tcp://10.0.0.7:4001", TcpAddress("10.0.0.7", 4001)),
        ("tcp://[fe80::1]:4001", TcpAddress("fe80::1", 4001)),
        ("tcp://reader.example", TcpAddress("reader.example", 5084)),
    ],
)
def test_an_url_says_where_and_how(url, expected):
    assert address(url, Line(baud=57600), default_port=5084) == expected


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("serial://dev/ttyUSB0", "three slashes"),
        ("serial:///dev/ttyUSB0?baud=fast", "baud is a number"),
        ("serial:///dev/ttyUSB0?baud=0", "baud is a number"),
        ("serial:///dev/ttyUSB0?baud=9600&baud=300", "twice"),
        ("serial:///dev/ttyUSB0?speed=9600", "'speed' is no setting"),
        ("serial:///dev/ttyUSB0?parity=some", "none, even or odd"),
        ("serial:///dev/ttyUSB0?bits=9", "7 or 8"),
        ("tcp://10.0.0.7", "tcp://HOST:PORT"),
        ("tcp://10.0.0.7:99999", "range"),
        ("tcp://10.0.0.7:1/x", "tcp://HOST:PORT"),
        ("/dev/ttyUSB0", "must be serial"),
        ("http://10.0.0.7", "must be serial"),
    ],
)
def test_a_wrong_url_is_refused_with_words(url, says):
    with pytest.raises(ValueError, match=says):
        address(url)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_a_value_error(text):
    for url in (text, f"serial:///{text}", f"tcp://{text}"):
        with suppress(ValueError):
            assert address(url)


async def test_bytes_go_both_ways_and_a_cancelled_read_loses_none(pty):
    with closing(await open_stream(pty.url, DEADLINE_S)) as stream:
        await stream.write(b"\x00\x11\x13\x7f\xff\r\n", DEADLINE_S)
        assert await pty.received(7) == b"\x00\x11\x13\x7f\xff\r\n"
        with pytest.raises(LinkTimeout):
            await stream.read(10, SOON_S)
        reading = asyncio.create_task(stream.read(10, DEADLINE_S))
        await asyncio.sleep(0)
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        pty.send(bytes(range(256)))
        assert await read_exactly(stream, 256) == bytes(range(256))


async def test_what_came_before_the_hang_up_is_read_and_then_the_port_is_lost(pty):
    with closing(await open_stream(pty.url, DEADLINE_S)) as stream:
        pty.send(b"last words")
        assert await read_exactly(stream, 10) == b"last words"
        pty.hang_up()
        with pytest.raises(LinkLost, match="went away"):
            await stream.read(1, DEADLINE_S)
        with pytest.raises(LinkLost):
            await stream.write(b"x", DEADLINE_S)


async def test_a_port_is_held_exclusively_and_free_at_once_after_close(pty):
    first = await open_stream(pty.url, DEADLINE_S)
    with pytest.raises(LinkBusy, match="this process"):
        await open_stream(pty.url, DEADLINE_S)
    first.close()
    first.close()
    for _ in range(5):
        again = await open_stream(pty.url, DEADLINE_S)
        pty.send(b"x")
        assert await again.read(1, DEADLINE_S) == b"x"
        again.close()


async def test_who_holds_the_port_is_named(pty):
    code = (
        "import serial, sys; p = serial.Serial(sys.argv[1], exclusive=True);print('open', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, pty.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout and process.stdout.readline() == "open\n"
        with pytest.raises(LinkBusy, match=rf"process {process.pid} \(python"):
            await open_stream(pty.url, DEADLINE_S)
        assert process.stdin
        process.stdin.close()
        process.wait(DEADLINE_S)
    (await open_stream(pty.url, DEADLINE_S)).close()


def test_processes_and_files_that_end_while_they_are_looked_at_hide_no_holder(pty, monkeypatch):
    real, asked = os.listdir, []

    def listdir(path):
        asked.append(str(path))
        # No process has this number, and none this file: what is asked of them is answered as where they ended since.
        return [str(1 << 22) if asked[-1] == "/proc" else "1000000", *real(path)]

    held = os.open(pty.path, os.O_RDWR | os.O_NOCTTY)
    try:
        monkeypatch.setattr(os, "listdir", listdir)
        assert holder(pty.path).startswith(f"process {os.getpid()} (")
    finally:
        os.close(held)
    assert asked[:2] == ["/proc", f"/proc/{1 << 22}/fd"]


async def test_a_full_line_is_a_timeout_and_not_a_wait_for_ever(pty):
    with closing(await open_stream(pty.url, DEADLINE_S)) as stream:
        with pytest.raises(LinkTimeout, match="took no bytes"):
            await stream.write(bytes(1 << 20), 0.1)  # nobody reads the other end
        with pytest.raises(LinkLost):
            await stream.read(1, DEADLINE_S)


async def test_what_nobody_reads_is_bounded_and_the_newest_stays(pty):
    with closing(await open_stream(pty.url, DEADLINE_S)) as stream:
        pty.send(b"s")
        assert await stream.read(1, DEADLINE_S) == b"s"
        count = 3 * MAX_UNREAD_BYTES // 1000
        for number in range(count):
            await asyncio.to_thread(pty.send, b"%04d" % number * 250)
        marker = b"%04d" % (count - 1)
        async with asyncio.timeout(DEADLINE_S):
            while not stream._unread.endswith(marker):  # type: ignore[attr-defined]
                await asyncio.sleep(SOON_S)
        assert len(await stream.read(1 << 20, DEADLINE_S)) <= MAX_UNREAD_BYTES


async def test_a_port_that_is_not_there_and_one_that_is_no_port(tmp_path):
    with pytest.raises(LinkLost, match="plugged in"):
        await open_stream(f"serial://{tmp_path}/none", DEADLINE_S)
    (tmp_path / "file").write_text("")
    with pytest.raises(LinkLost, match="not a serial port"):
        await open_stream(f"serial://{tmp_path}/file", DEADLINE_S)


def test_no_permission_says_which_group():
    error = _why("/dev/ttyUSB0", PermissionError(13, "Permission denied"))
    assert isinstance(error, LinkDenied)
    assert "dialout" in str(error)


async def test_a_symlink_is_followed_anew_at_each_open(tmp_path: Path, pty):
    link = tmp_path / "reader"
    link.symlink_to(pty.path)
    with closing(await open_stream(f"serial://{link}", DEADLINE_S)) as stream:
        pty.send(b"a")
        assert await stream.read(9, DEADLINE_S) == b"a"
    other = Pty()
    link.unlink()
    link.symlink_to(other.path)
    with closing(await open_stream(f"serial://{link}", DEADLINE_S)) as stream:
        other.send(b"b")
        assert await stream.read(9, DEADLINE_S) == b"b"
    other.hang_up()


async def test_tcp_in_place_of_a_port():
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readexactly(4)).upper())
        writer.close()

    port = free_port()  # nobody else's, once nobody listens there any more
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    url = f"tcp://127.0.0.1:{port}"
    with closing(await open_stream(url, DEADLINE_S)) as stream:
        with pytest.raises(LinkTimeout):
            await stream.read(1, SOON_S)
        await stream.write(b"ping", DEADLINE_S)
        assert await read_exactly(stream, 4) == b"PING"
        with pytest.raises(LinkLost, match="closed the connection"):
            await stream.read(1, DEADLINE_S)
    with pytest.raises(LinkLost):
        await stream.write(b"x", DEADLINE_S)
    server.close()
    await server.wait_closed()
    with pytest.raises(LinkLost, match="nothing answers"):
        await open_stream(url, DEADLINE_S)


async def test_a_connection_that_is_not_taken_is_a_timeout():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = f"tcp://127.0.0.1:{full.getsockname()[1]}"
        streams = []
        with pytest.raises(LinkTimeout, match="no connection within"):
            for _ in range(20):
                streams.append(await open_stream(url, 0.2))
        for stream in streams:
            stream.close()
