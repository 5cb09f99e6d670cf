"""M100, YRM100, QM100, R200, JRD-4035 (communication protocol V2.1): BB, type, command, length, values, sum, 7E.

BB and 7E may occur inside, so that only the length tells where a frame ends. A tag's notice carries a second check: the
tag's own CRC over its PC and EPC. 115200 baud, 8N1.
"""

from __future__ import annotations

from typing import ClassVar

from drivers.links.serial import Line
from drivers.uhf_serial.frames import Cut, Family, Framer, Reply, Tag

_HEAD, _END = 0xBB, 0x7E
_COMMAND, _RESPONSE, _NOTICE = 0, 1, 2
_INFORMATION, _POLL, _ERROR = 0x03, 0x22, 0xFF
#: Around the values: head, type, command, two of length; sum and end.
_FRAME_BYTES = 7
#: The longest that is of use is a tag's notice: strength, PC, up to 62 bytes of EPC, CRC.
_MAX_VALUES = 128
_NO_TAG = 0x15
#: In the PC's first byte: the code is not GS1's but of an ISO application family, such as RFID bag tags (AFI C1).
_ISO = 0x01
_FAULTS = {
    0x16: "error 16: wrong access password",
    0x17: "error 17: the module does not know the command; another family?",
    0x20: "error 20: every channel is taken (frequency hopping); is another reader close?",
}


def crc_genibus(data: bytes) -> int:
    """Return CRC-16/GENIBUS (polynomial 1021, start FFFF, inverted), which every Gen2 tag sends over PC and EPC."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
    return crc ^ 0xFFFF


def frame(kind: int, command: int, values: bytes = b"") -> bytes:
    """Return a frame: its sum is over type to values, modulo 256."""
    inner = bytes([kind, command]) + len(values).to_bytes(2) + values
    return bytes([_HEAD]) + inner + bytes([sum(inner) & 0xFF, _END])


class M100Framer(Framer):
    """Cuts and understands what such a module sends."""

    def cut(self, buffer: bytearray) -> int | Cut:
        """Return the length of the valid frame at the start of `buffer`; see `Framer.cut`."""
        if buffer[0] != _HEAD or (len(buffer) > 1 and buffer[1] not in (_RESPONSE, _NOTICE)):
            return Cut.NO_FRAME
        if len(buffer) < 5:
            return Cut.NOT_ENOUGH
        values = int.from_bytes(buffer[3:5])
        if values > _MAX_VALUES:
            return Cut.NO_FRAME
        size = _FRAME_BYTES + values
        if len(buffer) < size:
            return Cut.NOT_ENOUGH
        if buffer[size - 1] != _END or sum(buffer[1 : size - 2]) & 0xFF != buffer[size - 2]:
            return Cut.NO_FRAME
        return size

    def understand(self, frame: bytes) -> Reply | None:
        """Return what a valid frame means; see `Framer.understand`."""
        kind, command, values = frame[1], frame[2], frame[5:-2]
        if (kind, command) == (_NOTICE, _POLL):
            tag = _tag(values)
            return Reply(tags=(tag,)) if tag else Reply(damaged=1)
        if (kind, command) == (_RESPONSE, _INFORMATION):
            return Reply(identity=values[1:].decode("ascii", "replace"))
        if (kind, command) == (_RESPONSE, _ERROR) and values:
            fault = _FAULTS.get(values[0], f"error {values[0]:02X}")
            return Reply(fault=None if values[0] == _NO_TAG else fault)
        return None


def _tag(values: bytes) -> Tag | None:
    """Return the tag of a notice: strength s8, PC, EPC (as long as the PC says), CRC; None where they do not fit."""
    if len(values) < 5:
        return None
    told, crc = values[1:-2], int.from_bytes(values[-2:])
    epc_bytes = (told[0] >> 3) * 2
    if len(told) != 2 + epc_bytes or not epc_bytes or crc_genibus(told) != crc:
        return None
    return Tag(told[2:].hex().upper(), int.from_bytes(values[:1], signed=True), gs1=not told[0] & _ISO)


class M100(Family):
    """The family's commands."""

    line: ClassVar[Line] = Line(baud=115200)

    def framer(self) -> Framer:
        """Return a new framer."""
        return M100Framer()

    def ask_identity(self) -> bytes:
        """Return the command that asks for the module's type and version."""
        return frame(_COMMAND, _INFORMATION, b"\x00")

    def ask_tags(self) -> bytes:
        """Return the command for one round of inventory."""
        return frame(_COMMAND, _POLL)
