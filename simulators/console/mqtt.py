"""One MQTT connection over paho, driven by its owner's thread: nothing here waits without a deadline, or for long."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

CONNECT_DEADLINE_S = 5.0
KEEPALIVE_S = 30
SESSION_EXPIRY_S = 90 * 24 * 3600
MAX_PACKET_BYTES = 1024 * 1024
WINDOW = 1000
PORTS = {"mqtt": 1883, "mqtts": 8883}
_UNSUPPORTED_PROTOCOL = 132


class BrokerUrlError(ValueError):
    """An address that is no broker's."""


class LinkDown(Exception):
    """The broker is not there, does not want us, or went away; the text says which."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and how we are known there."""

    host: str
    port: int
    tls: bool
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None

    @classmethod
    def parse(cls, url: str) -> BrokerAddress:
        """Read `mqtt://HOST[:PORT]` or `mqtts://HOST[:PORT]`. Raises BrokerUrlError."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise BrokerUrlError(f"{url}: {error}") from error
        if parts.username or parts.password:
            raise BrokerUrlError("no user or password in the address: --username and --password-file take them")
        if parts.scheme not in PORTS or not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise BrokerUrlError(f"{url}: not an address of the form mqtt://HOST:PORT or mqtts://HOST:PORT")
        return cls(parts.hostname, PORTS[parts.scheme] if port is None else port, parts.scheme == "mqtts")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


class Connection:
    """A client of a broker. Not thread-safe: its owner calls `open`, then `turn` again and again.

    `kept_session`: the broker queues for us while we are away. Messages are acknowledged only by `ack`.
    `on_message` and `on_sent` are called inside `turn`, and may publish.
    """

    def __init__(
        self,
        address: BrokerAddress,
        client_id: str,
        protocol: MQTTProtocolVersion,
        *,
        kept_session: bool,
        on_message: Callable[[paho.MQTTMessage], None] | None = None,
        on_sent: Callable[[int, ReasonCode], None] | None = None,
    ) -> None:
        self.address = address
        self.window = WINDOW
        self._five = protocol == MQTTProtocolVersion.MQTTv5
        self._kept_session = kept_session
        self._spoken_to = False
        self._connected = False
        self._subscribed = False
        self._refusal: ReasonCode | None = None
        self._on_message = on_message
        self._on_sent = on_sent
        self._client = self._make(client_id, protocol)

    def _make(self, client_id: str, protocol: MQTTProtocolVersion) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=None if self._five else not self._kept_session,
            protocol=protocol,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_DEADLINE_S
        client.max_inflight_messages_set(0)  # the owner keeps to `window`: paho's is fixed before the broker has spoken
        client.on_connect = self._answered
        client.on_subscribe = self._granted
        client.on_message = self._heard
        client.on_publish = self._sent
        address = self.address
        if address.tls:
            client.tls_set(
                ca_certs=str(address.ca_file) if address.ca_file else None,
                certfile=str(address.cert_file) if address.cert_file else None,
                keyfile=str(address.key_file) if address.key_file else None,
                tls_version=ssl.PROTOCOL_TLS_CLIENT,
            )
        if address.username is not None:
            password = address.password_file.read_text("utf-8").rstrip("\r\n") if address.password_file else None
            client.username_pw_set(address.username, password)
        return client

    @property
    def speaks_older(self) -> bool:
        """Say, after a failed `open`, whether the broker may speak only an older MQTT: it refused ours, or hung up."""
        return (
            self._five and self._spoken_to and (self._refusal is None or self._refusal.value == _UNSUPPORTED_PROTOCOL)
        )

    def open(self, wake: socket.socket, subscribe: Sequence[str] = ()) -> None:
        """Connect, and subscribe where asked, within the deadline; give up when `wake` becomes readable.

        Raises LinkDown.
        """
        properties = None
        if self._five:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = SESSION_EXPIRY_S if self._kept_session else 0
            properties.ReceiveMaximum = WINDOW
            properties.MaximumPacketSize = MAX_PACKET_BYTES
        host, port = self.address.host, self.address.port
        try:
            if self._five:
                clean = not self._kept_session
                self._client.connect(host, port, KEEPALIVE_S, clean_start=clean, properties=properties)
            else:
                self._client.connect(host, port, KEEPALIVE_S)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise LinkDown(f"{self.address}: {reason}") from error
        self._spoken_to = True
        deadline = time.monotonic() + CONNECT_DEADLINE_S
        self._until(lambda: self._connected, deadline, wake)
        if subscribe:
            self._client.subscribe([(each, 1) for each in subscribe])
            self._until(lambda: self._subscribed, deadline, wake)

    def _until(self, reached: Callable[[], bool], deadline: float, wake: socket.socket) -> None:
        while not reached():
            turn([self], wake, min(0.5, max(0.0, deadline - time.monotonic())))
            if self._refusal is not None:
                raise LinkDown(f"{self.address}: refused: {self._refusal}")
            if time.monotonic() > deadline:
                raise LinkDown(f"{self.address}: connected, but no answer within {CONNECT_DEADLINE_S:g} s")
            if select.select([wake], [], [], 0)[0]:
                raise LinkDown("stopping")

    @property
    def socket(self) -> socket.socket:
        """Return the socket. Raises LinkDown where there is none any more."""
        sock = self._client.socket()
        if not isinstance(sock, socket.socket):
            if self._refusal is not None:
                raise LinkDown(f"{self.address}: refused: {self._refusal}")
            raise LinkDown(f"{self.address}: the connection was lost")
        return sock

    @property
    def buffered(self) -> bool:
        """Say whether bytes wait inside TLS, where select does not see them."""
        sock = self.socket
        return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0

    @property
    def readable(self) -> bool:
        """Say whether something can be read at once."""
        return self.buffered or bool(select.select([self.socket], [], [], 0)[0])

    @property
    def has_more_to_write(self) -> bool:
        """Say whether the socket took less than we had to say."""
        return self._client.want_write()

    def read(self) -> None:
        """Read what is there. Raises LinkDown."""
        self._check(self._client.loop_read())

    def write(self) -> None:
        """Write what waits. Raises LinkDown."""
        self._check(self._client.loop_write())

    def keep_alive(self) -> None:
        """Ping when it is time to. Raises LinkDown when the broker has not answered the last one."""
        self._check(self._client.loop_misc())

    def ack(self, packet_id: int, qos: int) -> None:
        """Tell the broker that a message is safe with us."""
        self._client.ack(packet_id, qos)

    def publish(
        self, topic: str, payload: str | bytes, *, retain: bool = False, answer_to: tuple[str, bytes] | None = None
    ) -> int:
        """Send with QoS 1; return the packet id that `on_sent` will name.

        `answer_to` is the response topic and the correlation data, where the protocol has them.
        """
        properties = None
        if self._five and answer_to is not None:
            properties = Properties(PacketTypes.PUBLISH)
            properties.ResponseTopic, properties.CorrelationData = answer_to
        return self._client.publish(topic, payload, qos=1, retain=retain, properties=properties).mid

    def close(self) -> None:
        """Say goodbye where there is someone to hear it."""
        self._client.disconnect()
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _check(self, result: MQTTErrorCode) -> None:
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS and self._refusal is None:
            raise LinkDown(f"{self.address}: {paho.error_string(result).rstrip('.').lower()}")

    def _answered(
        self, client: paho.Client, userdata: object, flags: object, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._refusal = reason
            return
        # paho writes acknowledgements one by one: with Nagle's algorithm each would wait for the one before.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.window = min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW))
        self._connected = True

    def _granted(
        self, client: paho.Client, userdata: object, mid: int, reasons: list[ReasonCode], properties: object
    ) -> None:
        self._subscribed = True
        self._refusal = next((reason for reason in reasons if reason.is_failure), None)

    def _heard(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        if self._on_message is not None:
            self._on_message(message)

    def _sent(
        self, client: paho.Client, userdata: object, mid: int, reason: ReasonCode, properties: Properties
    ) -> None:
        if self._on_sent is not None:
            self._on_sent(mid, reason)


def turn(connections: Sequence[Connection], wake: socket.socket | None, wait_s: float) -> None:
    """Wait at most `wait_s` for any of them, or for `wake`; then read and write what there is. Raises LinkDown."""
    by_socket = {each.socket: each for each in connections}
    readers = [*by_socket, *([wake] if wake is not None else [])]
    writers = [sock for sock, each in by_socket.items() if each.has_more_to_write]
    if any(each.buffered for each in connections):
        wait_s = 0.0
    readable, writable, _ = select.select(readers, writers, [], wait_s)
    for sock, each in by_socket.items():
        if sock in writable:
            each.write()
        if sock in readable or each.buffered:
            each.read()
        each.keep_alive()
