"""Which video an encoder offers: an RTSP server is asked to describe the paths that encoders usually have.

Source: RFC 2326 (RTSP 1.0), 10.2 DESCRIBE and 11 (status codes).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from drivers.errors import DeviceRefused, LinkTimeout, ProtocolError
from drivers.finding import Attempt, Found, Kind, Miss, Place
from drivers.links.serial import open_stream

PORTS = (554, 8554)
PATHS = ("", "screen", "live", "stream", "stream1", "stream0", "main", "0", "1", "h264", "live/main", "live/0", "media")
ANSWER_S = 1.5
_MAX_BYTES = 65_536


def attempts(place: Place) -> Iterator[Attempt]:
    """List what to try; see `drivers.finding`."""
    if place.kind is Kind.HOST:
        for port in (place.port,) if place.port else PORTS:
            yield _attempt(place.where, port)


def _attempt(host: str, port: int) -> Attempt:
    return Attempt(f"screen, RTSP on port {port}", 8.0, lambda _limit_s: _ask(host, port))


async def _ask(host: str, port: int) -> Found | Miss:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    status = 0
    for number, path in enumerate(PATHS, 1):
        url = f"rtsp://{where}/{path}"
        # A connection each: an encoder may hang up after a path that it does not have.
        status = await _describe(where, url, number)
        if status == 200:
            return Found("screen", {"url": url}, "an RTSP stream")
        if status in (401, 403):
            why = f"{url}: the encoder wants a user: set username and password_file"
            return Miss(DeviceRefused.code, why)
    why = f"{where}: an RTSP server, but none of the usual paths (last answer {status}); its manual has the address"
    return Miss(DeviceRefused.code, why)


async def _describe(where: str, url: str, number: int) -> int:
    """Return the status of a DESCRIBE; raises LinkError, or ProtocolError where the other side is no RTSP server."""
    stream = await open_stream(f"tcp://{where}", ANSWER_S)
    try:
        ask = f"DESCRIBE {url} RTSP/1.0\r\nCSeq: {number}\r\nAccept: application/sdp\r\n\r\n"
        await stream.write(ask.encode("ascii"), ANSWER_S)
        head = b""
        async with asyncio.timeout(ANSWER_S):
            while b"\r\n" not in head and len(head) < _MAX_BYTES:
                head += await stream.read(4096, ANSWER_S)
    except TimeoutError:
        raise LinkTimeout(f"{where}: no answer to DESCRIBE within {ANSWER_S:g} s") from None
    finally:
        stream.close()
    return status_of(head, where)


def status_of(head: bytes, where: str) -> int:
    """Return the status code of an answer's first line (RFC 2326, 7.1); raises ProtocolError where it has none."""
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"RTSP/1.") or not words[1].isdigit():
        raise ProtocolError(f"{where}: what listens there is no RTSP server")
    return int(words[1])
