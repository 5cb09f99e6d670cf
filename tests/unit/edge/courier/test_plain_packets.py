"""The short ways through paho give what paho's own would."""

from __future__ import annotations

import paho.mqtt.client as mqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.courier.client import Client


def heard(kind: type[mqtt.Client], packets: list[tuple[int, bytes]], protocol: MQTTProtocolVersion) -> list[object]:
    """What a client of a kind makes of packets: each message, each packet id that was answered or acknowledged."""
    found: list[object] = []
    client = kind(CallbackAPIVersion.VERSION2, protocol=protocol)
    client.on_message = lambda _c, _u, m: found.append((m._topic, m.payload, m.retain))
    client.on_plain_message = lambda *message: found.append(message)
    client.on_publish = lambda _c, _u, mid, code, properties: found.append((mid, code.value, str(properties)))
    client._send_puback = lambda mid: found.append(("answered", mid)) or mqtt.MQTT_ERR_SUCCESS
    client._send_pubrec = lambda mid: found.append(("asked", mid)) or mqtt.MQTT_ERR_SUCCESS
    for mid in range(1, 4):
        client._out_messages[mid] = message = mqtt.MQTTMessage(mid, b"up")
        message.qos = 1
        client._inflight_messages += 1
    for command, packet in packets:
        client._in_packet["command"], client._in_packet["packet"] = command, bytearray(packet)
        try:
            client._handle_publish() if command & 0xF0 == 0x30 else client._handle_pubackcomp("PUBACK")
        except mqtt._packet.MalformedPacket:
            found.append("malformed")
    return found


def publish(topic: bytes, mid: int, properties: bytes, payload: bytes) -> bytes:
    return len(topic).to_bytes(2, "big") + topic + mid.to_bytes(2, "big") + properties + payload


PUBLISHES = st.builds(
    publish, st.binary(max_size=20), st.integers(0, 65_535), st.sampled_from([b"\0", b"\2\1\1"]), st.binary(max_size=40)
)
PACKETS = st.one_of(
    st.tuples(st.sampled_from([0x32, 0x33, 0x3A, 0x34]), PUBLISHES | st.binary(max_size=12)),
    st.tuples(st.just(0x40), st.sampled_from([b"\0\1", b"\0\2\0", b"\0\3\x10\0", b"\0\x09", b"\0", b""])),
)


@pytest.mark.parametrize("protocol", [MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311])
@given(packets=st.lists(PACKETS, max_size=6))
def test_the_short_ways_give_what_pahos_own_would(protocol, packets):
    assert heard(Client, packets, protocol) == heard(mqtt.Client, packets, protocol)
