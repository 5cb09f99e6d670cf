"""Modbus RTU frames: pure. Source: MODBUS over Serial Line 1.02, section 2.5.1, and the application protocol 1.1b3.

A reply is found by what it must be (unit, function, length, checksum) at any place among what came: noise before it,
an echo of the request and the late answer to a request of another length are passed over.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from drivers.modbus.points import Table

READ = {Table.COIL: 1, Table.DISCRETE: 2, Table.HOLDING: 3, Table.INPUT: 4}
WRITE = {Table.COIL: 5, Table.HOLDING: 6}
COIL_ON = 0xFF00
_EXCEPTION = 0x80
#: An exception: unit, function, number, checksum.
SHORTEST_BYTES = 5


def crc(data: bytes) -> bytes:
    """Return the checksum of a frame as it is sent, low byte first (section 2.5.1.2)."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return struct.pack("<H", value)


@dataclass(frozen=True, slots=True)
class Request:
    """One request, and the look of its answer: `size` bytes that begin with `head` (unit, function, length)."""

    frame: bytes
    head: bytes
    size: int

    def answer(self, came: bytes) -> tuple[bytes | int, bytes] | None:
        """Return the answer's data, or the exception's number, and what came after it; None where none is whole."""
        refusal = bytes((self.head[0], self.head[1] | _EXCEPTION))
        for start in range(len(came)):
            size = SHORTEST_BYTES if came.startswith(refusal, start) else self.size
            if size == self.size and not came.startswith(self.head, start):
                continue
            frame = came[start : start + size]
            if len(frame) == size and crc(frame[:-2]) == frame[-2:]:
                found = frame[2] if frame.startswith(refusal) else frame[len(self.head) : -2]
                return found, came[start + size :]
        return None


def read(unit: int, table: Table, start: int, count: int) -> Request:
    """Return the request for `count` values of a table (6.1 to 6.4)."""
    size = (count + 7) // 8 if table.of_bits else 2 * count
    function = READ[table]
    return _request(struct.pack(">BBHH", unit, function, start, count), bytes((unit, function, size)), 5 + size)


def write(unit: int, table: Table, address: int, value: int) -> Request:
    """Return the request that writes one coil or holding register (6.5, 6.6); its answer repeats it."""
    data = (COIL_ON if value else 0) if table is Table.COIL else value
    body = struct.pack(">BBHH", unit, WRITE[table], address, data)
    return _request(body, body, 8)


def values(table: Table, count: int, data: bytes) -> list[int]:
    """Return an answer's data as values, bits as 0 and 1."""
    if table.of_bits:
        return [data[i // 8] >> i % 8 & 1 for i in range(count)]
    return list(struct.unpack(f">{count}H", data))


def _request(body: bytes, head: bytes, size: int) -> Request:
    return Request(body + crc(body), head, size)
