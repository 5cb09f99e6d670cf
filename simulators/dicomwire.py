"""A scanner's end of a DICOM association, byte by byte (PS3.7, PS3.8): for what no library would send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from struct import pack, unpack

from drivers.dicos.uids import DX_FOR_PROCESSING

CONTEXT_ID = 1
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"


def associate_rq(abstract: str, transfer: str = EXPLICIT_LITTLE, application: str = "1.2.840.10008.3.1.1.1") -> bytes:
    def item(kind: int, body: bytes) -> bytes:
        return pack(">BxH", kind, len(body)) + body

    context = pack(">Bxxx", CONTEXT_ID) + item(0x30, abstract.encode()) + item(0x40, transfer.encode())
    user = item(0x51, pack(">I", 16384)) + item(0x52, b"1.2.3.4")
    body = (
        pack(">Hxx16s16s32x", 1, b"EDGE".ljust(16), b"RAW".ljust(16))
        + item(0x10, application.encode())
        + item(0x20, context)
        + item(0x50, user)
    )
    return pack(">BxI", 1, len(body)) + body


def _pdata(control: int, data: bytes) -> bytes:
    return pack(">BxI", 4, len(data) + 6) + pack(">IBB", len(data) + 2, CONTEXT_ID, control) + data


def command(message_id: int, sop_class: str, instance: str, has_dataset: bool = True) -> bytes:
    def element(tag: int, value: bytes) -> bytes:
        value += b"\0" * (len(value) % 2)
        return pack("<HHI", 0, tag, len(value)) + value

    body = (
        element(0x0002, sop_class.encode())
        + element(0x0100, pack("<H", 1))
        + element(0x0110, pack("<H", message_id))
        + element(0x0700, pack("<H", 0))
        + element(0x0800, pack("<H", 0 if has_dataset else 0x0101))
        + element(0x1000, instance.encode())
    )
    return _pdata(3, element(0x0000, pack("<I", len(body))) + body)


def data(dataset: bytes, size: int = 8000) -> bytes:
    parts = [dataset[start : start + size] for start in range(0, len(dataset), size)] or [b""]
    return b"".join(_pdata(2 if part is parts[-1] else 0, part) for part in parts)


class Scanner:
    """One association as requestor."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    @asynccontextmanager
    async def connected(cls, port: int) -> AsyncIterator[Scanner]:
        scanner = cls(*await asyncio.open_connection("127.0.0.1", port))
        try:
            yield scanner
        finally:
            scanner.writer.close()

    @classmethod
    @asynccontextmanager
    async def associated(cls, port: int) -> AsyncIterator[Scanner]:
        async with cls.connected(port) as scanner:
            scanner.writer.write(associate_rq(DX_FOR_PROCESSING))
            kind, body = await scanner.pdu()
            assert kind == 2, (kind, body)
            yield scanner

    async def pdu(self, deadline_s: float = 20) -> tuple[int, bytes]:
        async with asyncio.timeout(deadline_s):
            kind, length = unpack(">BxI", await self.reader.readexactly(6))
            return kind, await self.reader.readexactly(length)

    async def status(self) -> int:
        """Return the status of the next C-STORE response."""
        kind, body = await self.pdu()
        assert kind == 4, (kind, body)
        at = body.index(pack("<HHI", 0, 0x0900, 2)) + 8
        (status,) = unpack("<H", body[at : at + 2])
        return int(status)

    async def store(self, sop_class: str, dataset: bytes, message_id: int = 1) -> int:
        self.writer.write(command(message_id, sop_class, f"1.2.3.{message_id}") + data(dataset))
        return await self.status()

    async def ended(self, deadline_s: float = 20) -> None:
        """Wait until the peer has hung up, having said what it may."""
        async with asyncio.timeout(deadline_s):
            with suppress(ConnectionError):
                while await self.reader.read(65536):
                    pass

    def says_no_more(self) -> None:
        with suppress(OSError):  # the other end may have hung up already
            self.writer.write_eof()
