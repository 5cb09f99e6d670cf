"""Whether the bytes of an association may be kept for finding a fault: not where they may show or tell of a person.

Everything that a scanner sent is looked at as the driver would look at it (PS3.8, 9.3). What cannot be read is kept
only where it is too short for a picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import Struct

from drivers.dicos.codec import may_concern_person
from drivers.dicos.pdu import HEAD_BYTES, P_DATA
from drivers.dicos.uids import is_of_person

#: Of bytes that are no DICOM.
MAX_UNREADABLE_BYTES = 4096
_RQ, _AC = 1, 2
_CONTEXTS, _OFFERED, _ACCEPTED, _ABSTRACT, _TRANSFER = 74, 0x20, 0x21, 0x30, 0x40
_COMMAND, _LAST = 0x01, 0x02
_HEAD, _ITEM, _VALUE = Struct(">BxI"), Struct(">BxH"), Struct(">IBB")


@dataclass
class _Contexts:
    """What was offered (SOP class) and accepted (transfer syntax), by the presentation context's number."""

    classes: dict[int, str] = field(default_factory=dict)
    syntaxes: dict[int, str] = field(default_factory=dict)


def reason_against(said: bytes, answered: bytes) -> str:
    """Return why an association whose scanner `said` this is not to be kept, "" where nothing speaks against it."""
    contexts = _Contexts()
    for kind, body in _pdus(answered):
        if kind == _AC:
            _accepted(body, contexts)
    under_way: dict[int, bytearray] = {}
    read = 0
    for kind, body in _pdus(said):
        read += HEAD_BYTES + len(body)
        if kind == _RQ:
            _offered(body, contexts)
            if any(is_of_person(uid) for uid in contexts.classes.values()):
                return "it offers pictures of people"
        elif kind == P_DATA:
            for context, control, value in _values(body):
                if not control & _COMMAND:
                    under_way.setdefault(context, bytearray()).extend(value)
                    if control & _LAST and _of_person(context, bytes(under_way.pop(context)), contexts):
                        return "it may show a person"
    rest = said[read:]
    # A PDU that was cut off: what there is of it belongs to the object under way.
    for context, _, value in _values(rest[HEAD_BYTES:]) if rest[:1] == bytes([P_DATA]) else ():
        under_way.setdefault(context, bytearray()).extend(value)
    if any(_of_person(context, bytes(data), contexts) for context, data in under_way.items()):
        return "it may show a person"
    if len(rest) > MAX_UNREADABLE_BYTES and not under_way:
        return "it cannot be read"
    return ""


def _of_person(context: int, data: bytes, contexts: _Contexts) -> bool:
    return may_concern_person(data, contexts.classes.get(context, ""), contexts.syntaxes.get(context, ""))


def _pdus(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the whole PDUs at the beginning of `data`, type and body."""
    at = 0
    while at + HEAD_BYTES <= len(data):
        kind, length = _HEAD.unpack_from(data, at)
        end = at + HEAD_BYTES + length
        if not 1 <= kind <= 7 or end > len(data):
            return
        yield kind, data[at + HEAD_BYTES : end]
        at = end


def _values(body: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield the presentation data values of a P-DATA body: context, control, bytes; the last may be cut off."""
    at = 0
    while at + _VALUE.size <= len(body):
        length, context, control = _VALUE.unpack_from(body, at)
        yield context, control, body[at + _VALUE.size : at + 4 + max(length, 2)]
        at += 4 + max(length, 2)


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ITEM.size <= len(data):
        kind, length = _ITEM.unpack_from(data, at)
        yield kind, data[at + _ITEM.size : at + _ITEM.size + length]
        at += _ITEM.size + length


def _offered(body: bytes, contexts: _Contexts) -> None:
    for kind, item in _items(body[_CONTEXTS - HEAD_BYTES :]):
        if kind == _OFFERED and item:
            for what, uid in _items(item[4:]):
                if what == _ABSTRACT:
                    contexts.classes[item[0]] = _uid(uid)


def _accepted(body: bytes, contexts: _Contexts) -> None:
    for kind, item in _items(body[_CONTEXTS - HEAD_BYTES :]):
        if kind == _ACCEPTED and len(item) >= 4 and item[2] == 0:
            for what, uid in _items(item[4:]):
                if what == _TRANSFER:
                    contexts.syntaxes[item[0]] = _uid(uid)


def _uid(data: bytes) -> str:
    return data.decode("ascii", "replace").strip("\0 ")
