"""The UHFReader18 family (Chafon CF-RU and others; manual V2.0): length, address, command, status, data, CRC.

Nothing marks where a frame begins; its length and its CRC-16/MCRF4XX (low byte first) tell. 57600 baud, 8N1.
"""

from __future__ import annotations

from typing import ClassVar

from drivers.links.serial import Line
from drivers.uhf_serial.frames import Cut, Family, Framer, Reply, Tag

_INVENTORY, _INFORMATION = 0x01, 0x21
#: The length does not count itself: address, command, status and two of CRC are the least.
_LEAST = 5
_BROADCAST = 0xFF
_LISTS_TAGS = {0x01: False, 0x02: False, 0x03: True, 0x04: False}
_NO_TAG = 0xFB
_FAULTS = {
    0xF8: "status F8: antenna fault; its cable, its connector",
    0xFE: "status FE: the module does not know the command; another family?",
}


def crc_mcrf4xx(data: bytes | bytearray) -> int:
    """Return CRC-16/MCRF4XX (reflected polynomial 8408, start FFFF, not inverted)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x8408 if crc & 1 else 0)
    return crc


def frame(address: int, command: int, data: bytes = b"") -> bytes:
    """Return a command."""
    inner = bytes([4 + len(data), address, command]) + data
    return inner + crc_mcrf4xx(inner).to_bytes(2, "little")


class Reader18Framer(Framer):
    """Cuts and understands what the module of one address sends (any, where that is the broadcast's)."""

    def __init__(self, address: int) -> None:
        super().__init__()
        self._address = address

    def cut(self, buffer: bytearray) -> int | Cut:
        """Return the length of the valid frame at the start of `buffer`; see `Framer.cut`."""
        if buffer[0] < _LEAST:
            return Cut.NO_FRAME
        if len(buffer) > 1 and self._address not in (buffer[1], _BROADCAST):
            return Cut.NO_FRAME
        if len(buffer) > 2 and buffer[2] not in (_INVENTORY, _INFORMATION):
            return Cut.NO_FRAME
        size = buffer[0] + 1
        if len(buffer) < size:
            return Cut.NOT_ENOUGH
        if crc_mcrf4xx(buffer[: size - 2]) != int.from_bytes(buffer[size - 2 : size], "little"):
            return Cut.NO_FRAME
        return size

    def understand(self, frame: bytes) -> Reply | None:
        """Return what a valid frame means; see `Framer.understand`."""
        command, status, data = frame[2], frame[3], frame[4:-2]
        if status in _FAULTS:
            return Reply(fault=_FAULTS[status])
        if command == _INFORMATION:
            if status or len(data) < 3:
                return Reply(fault=f"status {status:02X} to who it is")
            return Reply(identity=f"type {data[2]:02X} version {data[0]}.{data[1]}")
        if status == _NO_TAG:
            return Reply()
        if status not in _LISTS_TAGS:
            return Reply(fault=f"status {status:02X}")
        tags = _tags(data)
        return Reply(damaged=1) if tags is None else Reply(tags=tags, more=_LISTS_TAGS[status])


def _tags(data: bytes) -> tuple[Tag, ...] | None:
    """Return the tags of an inventory: how many, then each EPC after its length; None where they do not fit."""
    found, at = [], 1
    for _ in range(data[0] if data else 0):
        if at >= len(data):
            return None
        end = at + 1 + data[at]
        if end > len(data):
            return None
        found.append(Tag(data[at + 1 : end].hex().upper()))
        at = end
    return tuple(tag for tag in found if tag.epc) if at >= len(data) else None


class Reader18(Family):
    """The family's commands, to one address."""

    line: ClassVar[Line] = Line(baud=57600)

    def __init__(self, address: int) -> None:
        self._address = address

    def framer(self) -> Framer:
        """Return a new framer."""
        return Reader18Framer(self._address)

    def ask_identity(self) -> bytes:
        """Return the command that asks for the module's type and version."""
        return frame(self._address, _INFORMATION)

    def ask_tags(self) -> bytes:
        """Return the command for one round of inventory."""
        return frame(self._address, _INVENTORY)
