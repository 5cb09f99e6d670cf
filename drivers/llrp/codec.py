"""LLRP 1.0.1 (EPCglobal, 2007): the messages a tag reader and its one client need, as bytes and back; pure.

A message is a 10-byte header (3 reserved bits, 3 bits version, 10 bits type; length of the whole, u32; message id, u32;
big endian) and its parameters. A parameter is TLV (6 reserved bits, 10 bits type, u16 length of the whole) or TV (high
bit set, 7 bits type, a length that the type fixes).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from drivers.errors import ProtocolError

VERSION = 1
MAX_MESSAGE_BYTES = 1 << 20
ALL_ROSPECS = 0
_HEADER = struct.Struct(">HII")
_TLV = struct.Struct(">HH")


class Type(IntEnum):
    """Message types (section 16.1)."""

    GET_READER_CAPABILITIES = 1
    GET_READER_CONFIG = 2
    SET_READER_CONFIG = 3
    CLOSE_CONNECTION_RESPONSE = 4
    GET_READER_CAPABILITIES_RESPONSE = 11
    GET_READER_CONFIG_RESPONSE = 12
    SET_READER_CONFIG_RESPONSE = 13
    CLOSE_CONNECTION = 14
    ADD_ROSPEC = 20
    DELETE_ROSPEC = 21
    START_ROSPEC = 22
    ENABLE_ROSPEC = 24
    ADD_ROSPEC_RESPONSE = 30
    DELETE_ROSPEC_RESPONSE = 31
    START_ROSPEC_RESPONSE = 32
    ENABLE_ROSPEC_RESPONSE = 34
    RO_ACCESS_REPORT = 61
    KEEPALIVE = 62
    READER_EVENT_NOTIFICATION = 63
    ENABLE_EVENTS_AND_REPORTS = 64
    KEEPALIVE_ACK = 72
    ERROR_MESSAGE = 100


#: Which message answers which.
RESPONSES = {
    Type.GET_READER_CAPABILITIES: Type.GET_READER_CAPABILITIES_RESPONSE,
    Type.GET_READER_CONFIG: Type.GET_READER_CONFIG_RESPONSE,
    Type.SET_READER_CONFIG: Type.SET_READER_CONFIG_RESPONSE,
    Type.CLOSE_CONNECTION: Type.CLOSE_CONNECTION_RESPONSE,
    Type.ADD_ROSPEC: Type.ADD_ROSPEC_RESPONSE,
    Type.DELETE_ROSPEC: Type.DELETE_ROSPEC_RESPONSE,
    Type.START_ROSPEC: Type.START_ROSPEC_RESPONSE,
    Type.ENABLE_ROSPEC: Type.ENABLE_ROSPEC_RESPONSE,
}


class Param(IntEnum):
    """Parameter types; up to 127 TV, above TLV (section 16.2)."""

    ANTENNA_ID = 1
    PEAK_RSSI = 6
    EPC_96 = 13
    GENERAL_DEVICE_CAPABILITIES = 137
    GPIO_CAPABILITIES = 141
    ROSPEC = 177
    RO_BOUNDARY_SPEC = 178
    ROSPEC_START_TRIGGER = 179
    ROSPEC_STOP_TRIGGER = 182
    AISPEC = 183
    AISPEC_STOP_TRIGGER = 184
    INVENTORY_PARAMETER_SPEC = 186
    KEEPALIVE_SPEC = 220
    GPI_PORT_CURRENT_STATE = 225
    RO_REPORT_SPEC = 237
    TAG_REPORT_CONTENT_SELECTOR = 238
    TAG_REPORT_DATA = 240
    EPC_DATA = 241
    READER_EVENT_NOTIFICATION_SPEC = 244
    EVENT_NOTIFICATION_STATE = 245
    READER_EVENT_NOTIFICATION_DATA = 246
    GPI_EVENT = 248
    REPORT_BUFFER_OVERFLOW = 251
    READER_EXCEPTION_EVENT = 252
    ANTENNA_EVENT = 255
    CONNECTION_ATTEMPT_EVENT = 256
    CONNECTION_CLOSE_EVENT = 257
    LLRP_STATUS = 287


#: Bytes of each TV parameter's value: it has no length of its own, so that an unknown one cannot be passed over.
_TV_BYTES = {
    1: 2, 2: 8, 3: 8, 4: 8, 5: 8, 6: 1, 7: 2, 8: 2, 9: 4, 10: 2,
    11: 2, 12: 2, 13: 12, 14: 2, 15: 2, 16: 4, 17: 2, 18: 4, 19: 2, 20: 2,
}  # fmt: skip

_GPI_EVENTS, _EXCEPTION_EVENTS, _ANTENNA_EVENTS = 1, 4, 8
_GENERAL_CAPABILITIES, _GPI_STATES = 1, 9
_ON = 0x80


class Attempt(IntEnum):
    """What became of a connection attempt."""

    SUCCESS = 0
    READER_HAS_CLIENT = 1
    CLIENT_EXISTS = 2
    FAILED = 3
    ANOTHER_TRIED = 4


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `type` is a number, for there are more than we know; a response has its request's `id`."""

    type: int
    body: bytes = b""
    id: int = 0


@dataclass(frozen=True, slots=True)
class TagRead:
    """One sighting of a tag: EPC as upper-case hex, antenna from 1, RSSI in dBm; None where the reader does not say."""

    epc: str
    antenna: int | None
    rssi_dbm: int | None


@dataclass(frozen=True, slots=True)
class Event:
    """What a reader tells of itself in one notification."""

    attempt: int | None = None
    closing: bool = False
    inputs: tuple[tuple[int, bool], ...] = ()
    antennas: tuple[tuple[int, bool], ...] = ()
    exception: str | None = None
    overflow: bool = False


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Who the reader is: its maker's private enterprise number (IANA), model, firmware, antennas and inputs."""

    maker: int
    model: int
    firmware: str
    antennas: int
    inputs: int


@dataclass(frozen=True, slots=True)
class Status:
    """A reader's answer: 0 is success; `text` is its own words."""

    code: int
    text: str


def encode(message: Message) -> bytes:
    """Return a message's bytes."""
    return _HEADER.pack(VERSION << 10 | message.type, _HEADER.size + len(message.body), message.id) + message.body


class Decoder:
    """Turns a stream of bytes into messages. After a ProtocolError the stream has no way back: connect again."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take bytes and yield the messages that they complete; raises ProtocolError where they are not LLRP."""
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            head, length, number = _HEADER.unpack_from(self._buffer)
            version = head >> 10
            if version != VERSION:
                raise ProtocolError(f"not LLRP 1.0.1: the message starts with {bytes(self._buffer[:2]).hex()}")
            if not _HEADER.size <= length <= MAX_MESSAGE_BYTES:
                raise ProtocolError(f"a message of {length} bytes is over the limit, or too short to be one")
            if len(self._buffer) < length:
                return
            body = bytes(self._buffer[_HEADER.size : length])
            del self._buffer[:length]
            yield Message(head & 0x3FF, body, number)


def parameters(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the type and value of each parameter; raises ProtocolError where lengths do not fit."""
    at = 0
    while at < len(data):
        if data[at] & 0x80:
            kind = data[at] & 0x7F
            if kind not in _TV_BYTES:
                raise ProtocolError(f"parameter {kind} is none of LLRP 1.0.1")
            start, end = at + 1, at + 1 + _TV_BYTES[kind]
        else:
            if len(data) - at < _TLV.size:
                raise ProtocolError("a parameter is cut short")
            head, length = _TLV.unpack_from(data, at)
            kind = head & 0x3FF
            if length < _TLV.size:
                raise ProtocolError(f"parameter {kind} says that it is {length} bytes long")
            start, end = at + _TLV.size, at + length
        if end > len(data):
            raise ProtocolError(f"parameter {kind} is longer than what it lies in")
        yield kind, data[start:end]
        at = end


def _unpack(layout: str, data: bytes, what: str) -> tuple[int, ...]:
    """Return the fixed fields at the start of `data`; raises ProtocolError where it is too short for them."""
    if len(data) < struct.calcsize(layout):
        raise ProtocolError(f"{what} is cut short")
    return struct.unpack_from(layout, data)


def _text(data: bytes, at: int, what: str) -> tuple[str, int]:
    """Return a counted UTF-8 text at `at`, and where it ends."""
    (count,) = _unpack(">H", data[at:], what)
    end = at + 2 + count
    if end > len(data):
        raise ProtocolError(f"{what} is cut short")
    return data[at + 2 : end].decode("utf-8", "replace"), end


def parse_status(body: bytes) -> Status:
    """Return the status in a response; raises ProtocolError where there is none."""
    for kind, value in parameters(body):
        if kind == Param.LLRP_STATUS:
            (code,) = _unpack(">H", value, "LLRPStatus")
            return Status(code, _text(value, 2, "LLRPStatus")[0])
    raise ProtocolError("a response without LLRPStatus")


def parse_report(body: bytes) -> tuple[TagRead, ...]:
    """Return the tags of an RO_ACCESS_REPORT; a tag without an EPC is none."""
    tags = [_tag(value) for kind, value in parameters(body) if kind == Param.TAG_REPORT_DATA]
    return tuple(tag for tag in tags if tag.epc)


def _tag(data: bytes) -> TagRead:
    epc, antenna, rssi = "", None, None
    for kind, value in parameters(data):
        if kind == Param.EPC_96:
            epc = value.hex().upper()
        elif kind == Param.EPC_DATA:
            (bits,) = _unpack(">H", value, "EPCData")
            whole = value[2 : 2 + (bits + 7) // 8]
            if len(whole) * 8 < bits:
                raise ProtocolError(f"EPCData of {bits} bits has {len(whole)} bytes")
            epc = whole.hex().upper()
        elif kind == Param.ANTENNA_ID:
            (antenna,) = _unpack(">H", value, "AntennaID")
        elif kind == Param.PEAK_RSSI:
            (rssi,) = _unpack(">b", value, "PeakRSSI")
    return TagRead(epc, antenna, rssi)


def parse_event(body: bytes) -> Event:
    """Return what a READER_EVENT_NOTIFICATION says; kinds of event that we do not use are passed over."""
    attempt, closing, overflow, exception = None, False, False, None
    inputs: list[tuple[int, bool]] = []
    antennas: list[tuple[int, bool]] = []
    for outer, data in parameters(body):
        if outer != Param.READER_EVENT_NOTIFICATION_DATA:
            continue
        for kind, value in parameters(data):
            if kind == Param.CONNECTION_ATTEMPT_EVENT:
                (attempt,) = _unpack(">H", value, "ConnectionAttemptEvent")
            elif kind == Param.GPI_EVENT:
                number, state = _unpack(">HB", value, "GPIEvent")
                inputs.append((number, bool(state & _ON)))
            elif kind == Param.ANTENNA_EVENT:
                connected, antenna = _unpack(">BH", value, "AntennaEvent")
                antennas.append((antenna, bool(connected)))
            elif kind == Param.READER_EXCEPTION_EVENT:
                exception = _text(value, 0, "ReaderExceptionEvent")[0]
            closing = closing or kind == Param.CONNECTION_CLOSE_EVENT
            overflow = overflow or kind == Param.REPORT_BUFFER_OVERFLOW
    return Event(attempt, closing, tuple(inputs), tuple(antennas), exception, overflow)


def parse_capabilities(body: bytes) -> Capabilities | None:
    """Return who the reader says it is, None where it does not say."""
    for kind, value in parameters(body):
        if kind == Param.GENERAL_DEVICE_CAPABILITIES:
            antennas, _, maker, model = _unpack(">HHII", value, "GeneralDeviceCapabilities")
            firmware, end = _text(value, 12, "GeneralDeviceCapabilities")
            inputs = 0
            for inner, data in parameters(value[end:]):
                if inner == Param.GPIO_CAPABILITIES:
                    (inputs,) = _unpack(">H", data, "GPIOCapabilities")
            return Capabilities(maker, model, firmware, antennas, inputs)
    return None


def parse_inputs(body: bytes) -> dict[int, bool | None]:
    """Return each input's level (True high), None where the reader does not know, from GET_READER_CONFIG_RESPONSE."""
    levels = {0: False, 1: True}
    found: dict[int, bool | None] = {}
    for kind, value in parameters(body):
        if kind == Param.GPI_PORT_CURRENT_STATE:
            number, _, state = _unpack(">HBB", value, "GPIPortCurrentState")
            found[number] = levels.get(state)
    return found


def tlv(kind: int, *values: bytes) -> bytes:
    """Return a TLV parameter of these bytes."""
    value = b"".join(values)
    return _TLV.pack(kind, _TLV.size + len(value)) + value


def get_capabilities() -> Message:
    """Ask who the reader is (general capabilities only)."""
    return Message(Type.GET_READER_CAPABILITIES, bytes([_GENERAL_CAPABILITIES]))


def get_inputs() -> Message:
    """Ask for the level of every input (antenna 0, all inputs, no outputs)."""
    return Message(Type.GET_READER_CONFIG, struct.pack(">HBHH", 0, _GPI_STATES, 0, 0))


def set_config(keepalive_ms: int, inputs: Sequence[int]) -> Message:
    """Ask for keepalives, for the events we use, and that these inputs are watched; all else stays as it is."""
    events = [_EXCEPTION_EVENTS, _ANTENNA_EVENTS, *([_GPI_EVENTS] if inputs else [])]
    states = [tlv(Param.EVENT_NOTIFICATION_STATE, struct.pack(">HB", event, _ON)) for event in sorted(events)]
    return Message(
        Type.SET_READER_CONFIG,
        b"\x00"  # not back to the factory's settings
        + tlv(Param.READER_EVENT_NOTIFICATION_SPEC, *states)
        + tlv(Param.KEEPALIVE_SPEC, struct.pack(">BI", 1, keepalive_ms))
        + b"".join(tlv(Param.GPI_PORT_CURRENT_STATE, struct.pack(">HBB", one, _ON, 2)) for one in inputs),
    )


def add_rospec(rospec: int, antennas: Sequence[int]) -> Message:
    """Have every tag in view of these antennas (none: all) reported one by one, from start to stop, for ever."""
    ids = list(antennas) or [0]
    boundary = tlv(
        Param.RO_BOUNDARY_SPEC,
        tlv(Param.ROSPEC_START_TRIGGER, b"\x00"),
        tlv(Param.ROSPEC_STOP_TRIGGER, struct.pack(">BI", 0, 0)),
    )
    inventory = tlv(
        Param.AISPEC,
        struct.pack(f">H{len(ids)}H", len(ids), *ids),
        tlv(Param.AISPEC_STOP_TRIGGER, struct.pack(">BI", 0, 0)),
        tlv(Param.INVENTORY_PARAMETER_SPEC, struct.pack(">HB", 1, 1)),  # its id, and EPCglobal Class 1 Gen 2
    )
    antenna_and_rssi = 1 << 12 | 1 << 10
    report = tlv(
        Param.RO_REPORT_SPEC,
        struct.pack(">BH", 1, 1),  # upon N tags, or the end of the inventory; N = 1
        tlv(Param.TAG_REPORT_CONTENT_SELECTOR, struct.pack(">H", antenna_and_rssi)),
    )
    body = tlv(Param.ROSPEC, struct.pack(">IBB", rospec, 0, 0), boundary, inventory, report)
    return Message(Type.ADD_ROSPEC, body)


def rospec_order(kind: Type, rospec: int) -> Message:
    """Delete, enable or start a ROSpec; ALL_ROSPECS where `kind` allows it."""
    return Message(kind, struct.pack(">I", rospec))
