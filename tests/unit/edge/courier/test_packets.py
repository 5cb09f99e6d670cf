"""Packets read by the block and sent in one piece are the packets that paho would have read and sent one by one."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from edge.courier.client import Client


class Wire:
    """A socket that hands out what it was given in the pieces it was given in, and takes so much at a time."""

    def __init__(self, pieces: list[bytes], takes: list[int]) -> None:
        self.pieces, self.takes = deque(pieces), deque(takes)
        self.sent = b""
        self.sends = 0

    def recv(self, size: int) -> bytes:
        if not self.pieces:
            raise BlockingIOError
        piece = self.pieces.popleft()
        if len(piece) > size:
            self.pieces.appendleft(piece[size:])
        return piece[:size]

    def send(self, data: bytes) -> int:
        if not self.takes:
            raise BlockingIOError
        taken = bytes(data)[: self.takes.popleft()]
        self.sent += taken
        self.sends += 1
        return len(taken)

    def close(self) -> None:
        pass


def client(wire: Wire) -> tuple[Client, list[bytes]]:
    made, heard = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5), []
    made.on_plain_message = lambda topic, payload, retained: heard.append(payload)
    made.on_socket_register_write = lambda *_: None
    made._sock = wire
    return made, heard


def message(payload: bytes, mid: int, qos: int = 1) -> bytes:
    body = b"\0\1t" + (mid.to_bytes(2, "big") if qos else b"") + b"\0" + payload
    length = len(body)
    lengths = bytes((length,)) if length < 128 else bytes((length & 0x7F | 0x80, length >> 7))
    return bytes((0x30 | qos << 1,)) + lengths + body


@given(st.lists(st.binary(max_size=9000), max_size=8), st.lists(st.integers(1, 12_000), max_size=40))
def test_messages_are_heard_wherever_the_stream_is_cut(payloads, cuts):
    stream = b"".join(message(payload, mid) for mid, payload in enumerate(payloads, 1))
    pieces = []
    for cut in cuts:
        pieces.append(stream[:cut])
        stream = stream[cut:]
    wire = Wire([piece for piece in (*pieces, stream) if piece], [])
    reader, heard = client(wire)
    while wire.pieces:
        assert reader.loop_read() is MQTTErrorCode.MQTT_ERR_SUCCESS
    assert heard == payloads  # nothing is left read ahead: no selector would tell of it


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=20), st.lists(st.integers(1, 900), max_size=30))
def test_what_is_published_is_sent_whole_and_in_order(payloads, takes):
    wire = Wire([], [*takes, *[100_000] * 3])
    writer, _ = client(wire)
    for number, payload in enumerate(payloads):
        writer.publish("t", payload, qos=number % 2)
        if not number % 5:
            writer.loop_write()
    while writer.want_write():
        assert writer.loop_write() is MQTTErrorCode.MQTT_ERR_SUCCESS
        wire.takes.append(100_000)
    assert wire.sent == b"".join(message(each, number + 1, number % 2) for number, each in enumerate(payloads))


def test_a_hundred_hits_are_one_send():
    wire = Wire([], [1_000_000])
    writer, _ = client(wire)
    writer.max_inflight_messages_set(100)
    for _ in range(100):
        writer.publish("t", b"x" * 1000, qos=1)
    writer.loop_write()
    assert (wire.sends, len(wire.sent) > 100_000, writer.want_write()) == (1, True, False)


@pytest.mark.parametrize("stumble", [b"", b"\xf1\0", b"\x32\xff\xff\xff\xff\xff"])
def test_the_end_of_a_stream_and_nonsense_end_the_connection(stumble):
    wire = Wire([message(b"last", 1) + stumble, b""], [])
    reader, heard = client(wire)
    results = {reader.loop_read() for _ in range(3)}
    assert heard == [b"last"]
    assert results - {MQTTErrorCode.MQTT_ERR_SUCCESS}
