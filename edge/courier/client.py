"""paho-mqtt as a connection uses it: driven from outside, many packets to a system call, short ways for plain ones."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any, Literal

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MessageType, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

TOO_LARGE = 0x95
READ_BYTES = 8192
"""What is read ahead: a few hundred packets at most, so that a flood leaves the event loop its turns."""
WRITE_BYTES = 256 * 1024

_QUOTA_EXCEEDED = 0x97
_QOS_1 = 0x02
_NOTHING_FOLLOWS = {(MessageType.PUBACK, 1), (MessageType.PUBLISH, 1)}
_TAKEN = ReasonCode(PacketTypes.PUBACK)
_NOTHING_MORE = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho types its client, not this class


class Client(mqtt.Client):
    """paho for one connection, that also hears a broker say of one message that it is too large.

    mosquitto with a `message_size_limit` puts 0x95 into a PUBACK; MQTT 5 (3.4.2.1) has it for CONNACK and DISCONNECT
    alone, and paho takes such a packet for none and hangs up: the message would be sent, and the connection lost, again
    and again. The code is kept here by packet id, and paho is shown one that it knows.

    And that makes a drain cheap: what comes is read by the block and not by the byte, what waits to go is sent in one
    piece, and the two packets that a drain is full of are read in their plain forms without building, for each, tables
    of all properties and reasons that MQTT 5 has: a PUBACK of a packet id alone, a QoS 1 message without properties,
    which goes to `on_plain_message` (topic, payload, whether retained) and all others to `on_message`.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.too_large: set[int] = set()
        self.on_plain_message: Callable[[bytes, bytes, bool], None] = lambda topic, payload, retained: None
        self._ahead, self._taken = b"", 0

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Deal with what has come, all that was read ahead with it: no selector tells of that."""
        while True:
            result = self._packet_read()
            if result is MQTTErrorCode.MQTT_ERR_AGAIN:
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            if result is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                return self._loop_rc_handle(result)
            sock = self._sock
            if sock is None:
                return MQTTErrorCode.MQTT_ERR_NO_CONN
            if self._taken == len(self._ahead) and not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
                return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _sock_recv(self, bufsize: int) -> bytes:
        if self._taken == len(self._ahead):
            if bufsize >= READ_BYTES:
                return super()._sock_recv(bufsize)
            self._ahead, self._taken = super()._sock_recv(READ_BYTES), 0
        some = self._ahead[self._taken : self._taken + bufsize]
        self._taken += len(some)
        return some

    def _packet_write(self) -> MQTTErrorCode:
        """Send what waits; packets that paho does nothing more about once they are sent go as one."""
        waits, run, size = self._out_packet, [], 0
        while waits and size < WRITE_BYTES and (waits[0]["command"] & 0xF0, waits[0]["qos"]) in _NOTHING_FOLLOWS:
            packet = waits.popleft()
            run.append(packet["packet"][packet["pos"] :])
            size += len(run[-1])
        if run:
            one = b"".join(run)
            command, length = MessageType.PUBACK, len(one)
            waits.appendleft(
                {"command": command, "mid": 0, "qos": 1, "pos": 0, "to_process": length, "packet": one, "info": None}
            )
        return super()._packet_write()

    def _handle_pubackcomp(self, cmd: Literal["PUBACK", "PUBCOMP"]) -> MQTTErrorCode:
        packet = self._in_packet["packet"]
        if cmd == "PUBACK" and len(packet) == 2:
            with self._out_message_mutex:
                if (mid := int.from_bytes(packet, "big")) in self._out_messages:
                    return self._do_on_publish(mid, _TAKEN, _NOTHING_MORE)
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        if cmd == "PUBACK" and len(packet) > 2 and packet[2] == TOO_LARGE:
            self.too_large.add(int.from_bytes(packet[:2], "big"))
            self._in_packet["packet"] = bytearray(packet[:2]) + bytes((_QUOTA_EXCEEDED,)) + packet[3:]
        return super()._handle_pubackcomp(cmd)

    def _handle_publish(self) -> MQTTErrorCode:
        packet = self._in_packet["packet"]
        # Topic's length and topic, packet id, the properties' length, payload (MQTT 5, 3.3).
        about = 4 + int.from_bytes(packet[:2], "big")
        plain = self._in_packet["command"] & 0x0E == _QOS_1 and self._protocol == MQTTProtocolVersion.MQTTv5
        if not plain or len(packet) <= about or packet[about] != 0:
            return super()._handle_publish()
        retained = bool(self._in_packet["command"] & 0x01)
        self.on_plain_message(bytes(packet[2 : about - 2]), bytes(packet[about + 1 :]), retained)
        return self._send_puback(int.from_bytes(packet[about - 2 : about], "big"))

    def _update_inflight(self) -> MQTTErrorCode:
        # paho looks for a message that waits its turn among all that are under way; where all are, none waits.
        if len(self._out_messages) <= self._inflight_messages:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        return super()._update_inflight()
