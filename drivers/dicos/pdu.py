"""What a DICOM connection may send: sizes of protocol data units and of the objects in them (PS3.8, 9.3). Pure."""

from __future__ import annotations

from struct import Struct, error
from typing import Final

from drivers.errors import ProtocolError

HEAD_BYTES: Final = 6
MAX_OFFERED_BYTES: Final = 128 * 1024
ASSOCIATE_RQ: Final = b"\1"
P_DATA: Final = 4
#: A-ABORT by the service provider, for no reason that the standard has a number for (PS3.8, 9.3.8).
ABORT: Final = bytes((7, 0, 0, 0, 0, 4, 0, 0, 2, 0))

#: A-ASSOCIATE-RJ: permanent, by the service user, application context name not supported (PS3.8, 9.3.4).
REJECT_DIALECT: Final = bytes((3, 0, 0, 0, 0, 4, 0, 1, 1, 2))
DICOM_DIALECT: Final = "1.2.840.10008.3.1.1.1"

#: By PDU type, the longest body; of P-DATA so many times what was offered, as some peers do not count the same way.
_MAX_BODY_BYTES = {1: 256 * 1024, 2: 256 * 1024, 3: 1024, P_DATA: 0, 5: 1024, 6: 1024, 7: 1024}
_TIMES_OFFERED = 8
_MAX_COMMAND_BYTES = 64 * 1024
_HEAD = Struct(">BxI")
_ITEM = Struct(">IBB")
_COMMAND, _LAST = 0x01, 0x02
_FIRST_ITEM, _APPLICATION_CONTEXT = 74, 0x10


class TooMuch(ProtocolError):
    """A connection sends what is no DICOM, or more than is taken."""


class TooLarge(TooMuch):
    """An object that is larger than is taken: something was screened that is not going to be judged."""

    code = "object-too-large"


def application_context(association: memoryview) -> tuple[int, int] | None:
    """Return where the application context item of an A-ASSOCIATE-RQ or -AC PDU begins and ends (PS3.8, 9.3.2.1)."""
    at = _FIRST_ITEM
    while at + 4 <= len(association):
        end = at + 4 + int.from_bytes(association[at + 2 : at + 4], "big")
        if association[at] == _APPLICATION_CONTEXT:
            return at, end
        at = end
    return None


def dialect(request: memoryview) -> str:
    """Return the application context name in an A-ASSOCIATE-RQ PDU, "" where there is none (PS3.8, 9.3.2).

    Scanners that speak DICOS's own dialect name another than DICOM's.
    """
    found = application_context(request)
    if found is None:
        return ""
    return bytes(request[found[0] + 4 : found[1]]).decode("ascii", "replace").strip("\0 ")


class Tally:
    """Counts one connection's PDUs; `object_bytes` is how much of the object under way has come."""

    def __init__(self, max_object_bytes: int, max_pdu_bytes: int = MAX_OFFERED_BYTES) -> None:
        self.object_bytes = 0
        self._command_bytes = 0
        self._max_object_bytes = max_object_bytes
        self._max_body_bytes = {**_MAX_BODY_BYTES, P_DATA: _TIMES_OFFERED * max_pdu_bytes}

    def head(self, head: bytes | bytearray) -> tuple[int, int]:
        """Return type and length of the PDU whose first HEAD_BYTES these are. Raises TooMuch."""
        kind, length = _HEAD.unpack(head)
        if kind not in self._max_body_bytes:
            raise TooMuch("what came is no DICOM")
        if length > self._max_body_bytes[kind]:
            raise TooMuch(f"a PDU of {length} bytes, {self._max_body_bytes[kind]} are allowed")
        return kind, length

    def data(self, body: memoryview) -> bool:
        """Count the body of a P-DATA PDU and return whether it completes an object. Raises TooMuch."""
        completes, at = False, 0
        while at < len(body):
            try:
                length, _, control = _ITEM.unpack_from(body, at)
            except error:
                raise TooMuch("a P-DATA PDU that ends within an item") from None
            if length < 2 or at + 4 + length > len(body):
                raise TooMuch("a P-DATA PDU whose item is longer than itself")
            completes |= self._count(length - 2, control)
            at += 4 + length
        return completes

    def _count(self, size: int, control: int) -> bool:
        last = bool(control & _LAST)
        if control & _COMMAND:
            self._command_bytes += size
            if self._command_bytes > _MAX_COMMAND_BYTES:
                raise TooMuch(f"a command of more than {_MAX_COMMAND_BYTES} bytes")
            self._command_bytes *= not last
            return False
        self.object_bytes += size
        if self.object_bytes > self._max_object_bytes:
            raise TooLarge(f"an object of more than {self._max_object_bytes} bytes (max_object_bytes)")
        self.object_bytes *= not last
        return last
