"""The two dialects of one port: DICOM's associations, and DICOS's, whose peers name another application context. Pure.

What pynetdicom speaks is DICOM. A `Dialect` stands between it and one peer, and rewrites whole PDUs (PS3.8, 9.3) in
which a DICOS peer differs. The differences are those that the reference toolkit (SDICOS) shows on the wire:

* it names an application context of its own and accepts no answer under another name;
* its A-ASSOCIATE-AC states presentation context items four bytes longer than they are;
* its C-STORE-RQ puts the command and the first bytes of the data set into one presentation data value.
"""

from __future__ import annotations

from struct import Struct, error, pack
from typing import Final

from drivers.dicos.pdu import DICOM_DIALECT, HEAD_BYTES, P_DATA, application_context

DICOS_V03: Final = DICOM_DIALECT + ".3"
#: NEMA IIC 1's application contexts: V03, V02A, and the other name that V02A peers use.
DICOS_DIALECTS: Final = (DICOS_V03, DICOM_DIALECT + ".211", DICOM_DIALECT + ".2")
DIALECTS: Final = (DICOM_DIALECT, *DICOS_DIALECTS)

_ASSOCIATE_RQ, _ASSOCIATE_AC = 1, 2
_FIRST_ITEM = 74
_APPLICATION_CONTEXT, _CONTEXT_ANSWER, _TRANSFER_SYNTAX = 0x10, 0x21, 0x40
_COMMAND, _LAST = 0x01, 0x02
_ITEM = Struct(">IBB")
_SHORT = Struct(">BxH")
#: The element that every command begins with, (0000,0000) UL, whose value is the length of the rest (PS3.7, E.1).
_GROUP_LENGTH = bytes((0, 0, 0, 0, 4, 0, 0, 0))
_GROUP_LENGTH_BYTES = 12


class Dialect:
    """How one association's peer speaks; `name` is its application context. DICOM passes through as it is."""

    def __init__(self, name: str = DICOM_DIALECT) -> None:
        self.name = name
        self._command_open = False

    @property
    def is_dicos(self) -> bool:
        """Whether the peer speaks DICOS's dialect."""
        return self.name in DICOS_DIALECTS

    def received(self, pdu: bytearray) -> bytearray:
        """Return a whole PDU of the peer's as DICOM would have it; one that makes no sense comes back as it is."""
        if not self.is_dicos:
            return pdu
        if pdu[0] == P_DATA:
            return self._parted(pdu)
        return _repaired(pdu) if pdu[0] == _ASSOCIATE_AC else pdu

    def sent(self, pdu: bytes) -> bytes:
        """Return a whole PDU of ours as the peer expects it."""
        if self.is_dicos and pdu[:1] in (b"\1", b"\2"):
            return _renamed(pdu, self.name)
        return pdu

    def _parted(self, pdu: bytearray) -> bytearray:
        """Part a command from the data behind it, and say of it that it is whole."""
        parts, at, body = [], 0, memoryview(pdu)[HEAD_BYTES:]
        while at < len(body):
            try:
                length, context, control = _ITEM.unpack_from(body, at)
            except error:
                return pdu  # the count of what came finds it
            if length < 2 or at + 4 + length > len(body):
                return pdu
            parts += self._items(context, control, body[at + 6 : at + 4 + length])
            at += 4 + length
        joined = b"".join(parts)
        return bytearray(pack(">BxI", P_DATA, len(joined)) + joined)

    def _items(self, context: int, control: int, value: memoryview) -> list[bytes]:
        whole = _command_bytes(value) if control & _COMMAND and not self._command_open else None
        if whole is None or len(value) < whole:
            if control & _COMMAND:
                self._command_open = not control & _LAST
            return [_item(context, control, value)]
        command = _item(context, _COMMAND | _LAST, value[:whole])
        if len(value) == whole:
            return [command]
        return [command, _item(context, control & _LAST, value[whole:])]


def _item(context: int, control: int, value: memoryview) -> bytes:
    return _ITEM.pack(len(value) + 2, context, control) + bytes(value)


def _command_bytes(value: memoryview) -> int | None:
    """Return how long the command at the start of a value is by its own count; None where it does not say."""
    if bytes(value[:8]) != _GROUP_LENGTH or len(value) < _GROUP_LENGTH_BYTES:
        return None
    return _GROUP_LENGTH_BYTES + int.from_bytes(value[8:12], "little")


def _renamed(pdu: bytes, name: str) -> bytes:
    """Return an A-ASSOCIATE-RQ or -AC under another application context."""
    found = application_context(memoryview(pdu))
    if found is None:
        return pdu
    start, end = found
    body = pdu[HEAD_BYTES:start] + _SHORT.pack(_APPLICATION_CONTEXT, len(name)) + name.encode("ascii") + pdu[end:]
    return pack(">BxI", pdu[0], len(body)) + body


def _repaired(pdu: bytearray) -> bytearray:
    """Return an A-ASSOCIATE-AC whose presentation context items are as long as they say."""
    at = _FIRST_ITEM
    while at + 4 <= len(pdu):
        kind, length = _SHORT.unpack_from(pdu, at)
        if kind == _CONTEXT_ANSWER and at + 12 <= len(pdu) and pdu[at + 8] == _TRANSFER_SYNTAX:
            truly = 8 + int.from_bytes(pdu[at + 10 : at + 12], "big")
            if length == truly + 4:
                pdu[at + 2 : at + 4] = truly.to_bytes(2, "big")
                length = truly
        at += 4 + length
    return pdu
