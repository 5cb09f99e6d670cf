"""LLRP bytes: golden frames that the npm package llrpjs 1.0.1 encoded, and bytes that are none."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import ProtocolError
from drivers.llrp import codec
from drivers.llrp.codec import Capabilities, Decoder, Event, Message, Status, TagRead, Type

SENT = {
    "04010000000b0000000101": codec.get_capabilities(),
    "0402000000110000000200000900000000": codec.get_inputs(),
    "040300000035000000030000f4001900f5000700018000f5000700048000f5000700088000dc0009010000138800e1000800018002": (
        codec.set_config(5000, [1])
    ),
    "04150000000e0000000400000000": codec.rospec_order(Type.DELETE_ROSPEC, codec.ALL_ROSPECS),
    "04140000004d0000000500b1004300004a46000000b2001200b300050000b60009000000000000b7001a00020001000200b8000900000000"
    "0000ba000700010100ed000d01000100ee00061400": codec.add_rospec(19014, [1, 2]),
    "04180000000e0000000600004a46": codec.rospec_order(Type.ENABLE_ROSPEC, 19014),
    "04160000000e0000000700004a46": codec.rospec_order(Type.START_ROSPEC, 19014),
    "04400000000a00000008": Message(Type.ENABLE_EVENTS_AND_REPORTS),
    "04480000000a00000009": Message(Type.KEEPALIVE_ACK),
    "040e0000000a0000000a": Message(Type.CLOSE_CONNECTION),
}
HELLO = "043f000000200000000b00f600160080000c000660c601eec7e8010000060000"
REPORT = (
    "043d0000003d0000000d00f000228d30751feb705c5904e3d50d7081000286c984000660c601eec7e888000300f0001100f1000a0020e280"
    "1160810001"
)
RECEIVED = [
    (HELLO, codec.parse_event, Event(attempt=0)),
    ("043f000000200000000b00f600160080000c000660c601eec7e8010000060002", codec.parse_event, Event(attempt=2)),
    (
        "043f000000210000000c00f600170080000c000660c601eec7e800f80007000280",
        codec.parse_event,
        Event(inputs=((2, True),)),
    ),
    (
        "043f000000210000000c00f600170080000c000660c601eec7e800ff0007000003",
        codec.parse_event,
        Event(antennas=((3, False),)),
    ),
    (
        "043f000000270000000c00f6001d0080000c000660c601eec7e800fc000d0007746f6f20686f74",
        codec.parse_event,
        Event(exception="too hot"),
    ),
    (
        REPORT,
        codec.parse_report,
        (TagRead("30751FEB705C5904E3D50D70", 2, -55), TagRead("E2801160", 1, None)),
    ),
    (
        "04640000001f0000000e011f0015006d000d6e6f2073756368207468696e67",
        codec.parse_status,
        Status(109, "no such thing"),
    ),
    (
        "040b000000420000000f011f00080000000000890030000440000000651a000002bc0005372e362e31008b000800010000008d000800040"
        "003008c00090001000101",
        codec.parse_capabilities,
        Capabilities(25882, 700, "7.6.1", 4, 4),
    ),
    (
        "040c0000002a00000010011f00080000000000e100080001800100e100080002800000e1000800030002",
        codec.parse_inputs,
        {1: True, 2: False, 3: None},
    ),
]
PARSERS = [
    codec.parse_event,
    codec.parse_report,
    codec.parse_status,
    codec.parse_capabilities,
    codec.parse_inputs,
    lambda body: list(codec.parameters(body)),
]


def one(data: bytes) -> Message:
    (message,) = Decoder().feed(data)
    return message


@pytest.mark.parametrize(("golden", "message"), SENT.items())
def test_what_is_sent_is_what_another_library_would_send(golden, message):
    wire = bytes.fromhex(golden)
    number = int.from_bytes(wire[6:10])
    assert codec.encode(Message(message.type, message.body, number)).hex() == golden
    assert one(wire) == Message(message.type, message.body, number)


@pytest.mark.parametrize(("golden", "parse", "meaning"), RECEIVED)
def test_what_another_library_encoded_is_understood(golden, parse, meaning):
    assert parse(one(bytes.fromhex(golden)).body) == meaning


def test_a_keepalive_is_ten_bytes():
    assert one(bytes.fromhex("043e0000000a00000007")) == Message(Type.KEEPALIVE, b"", 7)


@given(st.lists(st.sampled_from([HELLO, REPORT, "043e0000000a00000007"]), max_size=6), st.data())
def test_messages_come_whole_however_they_are_cut(goldens, data):
    wire = bytes.fromhex("".join(goldens))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    decoder = Decoder()
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert [m for piece in pieces for m in decoder.feed(piece)] == [one(bytes.fromhex(g)) for g in goldens]


@given(st.integers(0, 1023), st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_a_message_comes_back_as_it_went(kind, body, number):
    assert one(codec.encode(Message(kind, body, number))) == Message(kind, body, number)


@given(st.binary(max_size=400))
def test_any_bytes_are_messages_or_a_protocol_error(data):
    with suppress(ProtocolError):
        assert list(Decoder().feed(data)) is not None
    for parse in PARSERS:
        with suppress(ProtocolError):
            parse(data)


@given(st.sampled_from(RECEIVED), st.data())
def test_a_damaged_message_is_understood_otherwise_or_a_protocol_error(case, data):
    golden, parse, _ = case
    body = bytearray(bytes.fromhex(golden)[10:])
    at = data.draw(st.integers(0, len(body) - 1))
    how = data.draw(st.sampled_from(["flip", "cut", "double"]))
    if how == "flip":
        body[at] ^= data.draw(st.integers(1, 255))
    elif how == "cut":
        del body[at:]
    else:
        body.insert(at, body[at])
    with suppress(ProtocolError):
        parse(bytes(body))


@pytest.mark.parametrize(
    "wire",
    [
        "485454502f312e3120343030",  # HTTP/1.1 400
        "083e0000000a00000007",  # version 2
        "043e0000000900000007",  # shorter than its own head
        "043e7fffffff00000007",  # two gigabytes
    ],
)
def test_what_is_not_llrp_is_found_at_its_first_bytes(wire):
    with pytest.raises(ProtocolError):
        list(Decoder().feed(bytes.fromhex(wire)))


def test_a_tag_of_an_odd_number_of_bits_keeps_its_last_byte_and_one_without_epc_is_none():
    def tag(epc: bytes) -> bytes:
        return codec.tlv(codec.Param.TAG_REPORT_DATA, epc)

    odd = codec.tlv(codec.Param.EPC_DATA, struct.pack(">H", 12), b"\xab\xc0")
    none = codec.tlv(codec.Param.EPC_DATA, struct.pack(">H", 0))
    assert codec.parse_report(tag(odd) + tag(none) + tag(b"")) == (TagRead("ABC0", None, None),)
    with pytest.raises(ProtocolError):
        codec.parse_report(tag(codec.tlv(codec.Param.EPC_DATA, struct.pack(">H", 96), b"\xab")))
