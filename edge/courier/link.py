"""One connection to the broker: paho-mqtt underneath, events in the event loop above, nothing kept between connections.

paho's own reconnecting and queueing stay off: the ledger is the only queue. MQTT 5 where the broker speaks it, else
3.1.1.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from drivers.errors import ConfigError, LinkError, LinkLost, LinkTimeout
from edge.config.model import Console
from edge.courier.identity import check_private

CONNECT_DEADLINE_S = 10.0
LEAVE_DEADLINE_S = 1.0
KEEPALIVE_S = 15
WILL_DELAY_S = 10
SESSION_EXPIRY_S = 60
MAX_IN_FLIGHT = 64
TOLD_AT_ONCE = 256
"""So many answers of the broker are dealt with before the event loop sees to anything else."""
DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}

TAKEN_OVER = 0x8E
TOO_LARGE = 0x95
_QUOTA_EXCEEDED = 0x97
UNSPECIFIED = 0x80
"""What paho calls a connection that ended without a word, too."""
_UNSUPPORTED_VERSION = {0x84, 0x01}


class BrokerRefused(LinkError):
    """The broker said no, or hung up before it said anything.

    `version`: it does not speak this version of MQTT; `silent`: it hung up, which may mean the same.
    """

    code = "broker-refused"

    def __init__(self, reason: str, *, version: bool = False, silent: bool = False) -> None:
        super().__init__(reason)
        self.version = version
        self.silent = silent


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says for this appliance when it is gone."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """What the broker's CONNACK allows."""

    in_flight: int
    max_packet_bytes: int | None
    version: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """A connection that ended: the broker's reason code where it gave one."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as it came; where it is to be answered, and with what on the answer, in MQTT 5."""

    topic: str
    payload: bytes
    retained: bool
    response_topic: str | None = None
    correlation: bytes | None = None


def address(url: str) -> tuple[str, int, bool]:
    """Return (host, port, TLS) of an `mqtt://` or `mqtts://` URL. Raises ConfigError."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"console.url: {url!r}: {error}") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ConfigError(f"console.url: {url!r} is no mqtt:// or mqtts:// address")
    return parts.hostname, port or DEFAULT_PORTS[parts.scheme], parts.scheme == "mqtts"


def is_loopback(host: str) -> bool:
    """Return whether a host name or address cannot leave this machine."""
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def tls_context(console: Console) -> ssl.SSLContext:
    """Return the TLS settings of a console: TLS 1.2 at least, broker verified, own certificate where there is one.

    Raises ConfigError for a key that every user of this machine can read, OSError for files that do not do.
    """
    context = ssl.create_default_context(cafile=console.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if console.cert_file:
        if console.key_file:
            check_private(console.key_file)
        # A key under a passphrase is an error, not a question on a terminal that nobody sits at.
        context.load_cert_chain(console.cert_file, console.key_file, password=lambda: "")
    return context


def password(console: Console) -> str | None:
    """Return the password of a console, None where it needs none. Raises ConfigError where its file cannot be read."""
    if console.password_file is None:
        return None
    try:
        return console.password_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"console.password_file: {console.password_file}: {error}") from None


def _properties(packet: int, **values: int | bytes) -> Properties:
    properties = Properties(packet)  # type: ignore[no-untyped-call]  # paho types its client, not this class
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def _in_flight(properties: Properties | None) -> int:
    return min(MAX_IN_FLIGHT, getattr(properties, "ReceiveMaximum", MAX_IN_FLIGHT))


_QOS_1 = 0x02
_TAKEN = ReasonCode(PacketTypes.PUBACK)
_NOTHING_MORE = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # as above


class _Client(mqtt.Client):
    """paho, that also hears a broker say of one message that it is too large.

    mosquitto with a `message_size_limit` puts 0x95 into a PUBACK; MQTT 5 (3.4.2.1) has it for CONNACK and DISCONNECT
    alone, and paho takes such a packet for none and hangs up: the message would be sent, and the connection lost, again
    and again. The code is kept here by packet id, and paho is shown one that it knows.

    And that reads the two packets that a drain is full of in their plain forms without building, for each, tables of
    all properties and reasons that MQTT 5 has: a PUBACK of a packet id alone, a QoS 1 message without properties.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.too_large: set[int] = set()

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
        message = mqtt.MQTTMessage(int.from_bytes(packet[about - 2 : about], "big"), bytes(packet[2 : about - 2]))
        message.qos = 1
        message.retain = bool(self._in_packet["command"] & 0x01)
        message.properties = _NOTHING_MORE
        message.payload = bytes(packet[about + 1 :])
        self._handle_on_message(message)
        return self._send_puback(message.mid)


class Link:
    """A connection that lives once: `open`, then publish, subscribe and callbacks, until `on_drop` or `close`."""

    def __init__(
        self,
        console: Console,
        client_id: str,
        *,
        on_message: Callable[[Incoming], None],
        on_puback: Callable[[int, int], None],
        on_drop: Callable[[Dropped], None],
        version: int = 5,
    ) -> None:
        self._console = console
        self._loop = asyncio.get_running_loop()
        self._on_message = on_message
        self._on_puback = on_puback
        self._on_drop = on_drop
        self._version = version
        self._connected: asyncio.Future[Limits] = self._loop.create_future()
        self._dropped = False
        self._told: deque[tuple[Callable[..., None], tuple[object, ...]]] = deque()
        self._telling = False
        self._thread: threading.Thread | None = None
        self._client = client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=True if version == 4 else None,
            protocol=MQTTProtocolVersion.MQTTv5 if version == 5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.max_inflight_messages_set(MAX_IN_FLIGHT)
        client.connect_timeout = CONNECT_DEADLINE_S / 2
        client.on_connect = self._connect
        client.on_disconnect = self._disconnect
        client.on_message = self._message
        client.on_publish = self._published
        if console.username:
            client.username_pw_set(console.username, password(console))

    async def open(self, will: Will) -> Limits:
        """Connect and return what the broker allows.

        Raises LinkTimeout, LinkLost, or BrokerRefused with the broker's reason; the connection is then no more.
        """
        host, port, tls = address(self._console.url)
        client = self._client
        if tls:
            client.tls_set_context(await asyncio.to_thread(tls_context, self._console))
        will_properties, connect_properties = None, None
        if self._version == 5:
            will_properties = _properties(PacketTypes.WILLMESSAGE, WillDelayInterval=WILL_DELAY_S)
            connect_properties = _properties(PacketTypes.CONNECT, SessionExpiryInterval=SESSION_EXPIRY_S)
        client.will_set(will.topic, will.payload, qos=1, retain=True, properties=will_properties)
        arguments: dict[str, Any] = {"keepalive": KEEPALIVE_S}
        if self._version == 5:
            # Not a clean start: it would end the session of the connection before, and with that send its will.
            arguments |= {"clean_start": False, "properties": connect_properties}
        try:
            await asyncio.to_thread(client.connect, host, port, **arguments)
        except (OSError, ValueError) as error:
            raise LinkLost(f"{self._console.url}: {error}") from None
        if isinstance(sock := client.socket(), socket.socket):
            # Else a small packet waits 40 ms for the other side's delayed acknowledgement of the one before.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.loop_start()
        self._thread = client._thread  # paho keeps it to itself, and says nothing when it dies of a malformed packet
        try:
            # Not wait_for: in Python 3.11 it swallows a cancellation that comes together with the result.
            async with asyncio.timeout(CONNECT_DEADLINE_S):
                return await self._connected
        except TimeoutError:
            await self.abandon()
            raise LinkTimeout(f"{self._console.url}: no CONNACK for {CONNECT_DEADLINE_S:.0f} s") from None
        except LinkError:
            await self.abandon()
            raise

    @property
    def alive(self) -> bool:
        """Whether anyone still listens to the broker."""
        return self._thread is not None and self._thread.is_alive()

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        expiry_s: int = 0,
        correlation: bytes | None = None,
    ) -> int:
        """Hand a message to the connection and return its packet id; `on_puback` tells of it. Raises LinkLost."""
        properties = None
        if (expiry_s or correlation is not None) and self._version == 5:
            expiry = {"MessageExpiryInterval": expiry_s} if expiry_s else {}
            asked = {"CorrelationData": correlation} if correlation is not None else {}
            properties = _properties(PacketTypes.PUBLISH, **expiry, **asked)
        info = self._client.publish(topic, payload, qos, retain, properties)
        if info.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise LinkLost(mqtt.error_string(info.rc))
        return info.mid

    def subscribe(self, topic: str) -> None:
        """Ask for a topic, its messages marked retained where they are. Raises LinkLost."""
        if self._version == 5:
            options = SubscribeOptions(qos=1, retainAsPublished=True)
            result, _ = self._client.subscribe(topic, options=options)
        else:
            result, _ = self._client.subscribe(topic, qos=1)
        if result is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise LinkLost(mqtt.error_string(result))

    async def close(self) -> None:
        """Take leave of the broker, so that the will is not sent; one that does not react is left anyway."""
        self._dropped = True
        with contextlib.suppress(ValueError):
            self._client.disconnect()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, LEAVE_DEADLINE_S)
        await self.abandon()

    async def abandon(self) -> None:
        """Cut the connection without leave. No callback comes after this."""
        self._dropped = True
        sock = self._client.socket()
        if isinstance(sock, socket.socket):
            # Shut down and not closed: that wakes paho's thread from its select, which then closes it.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        await asyncio.to_thread(self._stop)
        if sock is not None:
            sock.close()
        while self._told:
            self._tell()

    def _stop(self) -> None:
        # paho looks whether its thread is there, and then joins it; in between the thread may end, and be None.
        with contextlib.suppress(AttributeError):
            self._client.loop_stop()

    # paho's thread from here on; everything is carried over into the event loop.

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        """Have the event loop call a function, in order; it is woken once for all that comes before it looks."""
        self._told.append((function, arguments))
        if not self._telling:
            self._telling = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
                self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        # Cleared before the first is taken: what is appended from here on is taken below, or wakes the loop anew.
        self._telling = False
        try:
            for _ in range(min(len(self._told), TOLD_AT_ONCE)):
                function, arguments = self._told.popleft()
                function(*arguments)
        finally:
            if self._told and not self._telling:
                self._telling = True
                self._loop.call_soon(self._tell)

    def _connect(self, _c: object, _u: object, _f: object, code: ReasonCode, properties: Properties | None) -> None:
        # paho neither heeds the broker's limit, beyond which the broker hangs up, nor lets it be set by now; this is
        # its own thread, before anything is published.
        self._client._max_inflight_messages = _in_flight(properties)
        self._call(self._answered, code.value, str(code), properties)

    def _answered(self, code: int, reason: str, properties: Properties | None) -> None:
        if self._connected.done():
            return
        if code != 0:
            version = self._version == 5 and code in _UNSUPPORTED_VERSION
            self._connected.set_exception(BrokerRefused(f"{self._console.url}: {reason}", version=version))
            return
        packet = getattr(properties, "MaximumPacketSize", None) if properties else None
        self._connected.set_result(Limits(_in_flight(properties), packet, self._version))

    def _disconnect(self, _c: object, _u: object, _f: object, code: ReasonCode, _p: object) -> None:
        self._call(self._drop, Dropped(code.value, str(code)))

    def _drop(self, dropped: Dropped) -> None:
        if not self._connected.done():
            # A broker of MQTT 3.1.1 alone may just hang up on a CONNECT of version 5.
            reason = f"{self._console.url}: hung up before CONNACK: {dropped.reason}"
            refusal = BrokerRefused(reason, silent=True)
            self._connected.set_exception(refusal)
        elif not self._dropped:
            self._dropped = True
            self._on_drop(dropped)

    def _message(self, _c: object, _u: object, message: mqtt.MQTTMessage) -> None:
        with contextlib.suppress(UnicodeDecodeError):  # a topic that is no text is none of ours
            about = message.properties
            asked = (getattr(about, "ResponseTopic", None), getattr(about, "CorrelationData", None))
            self._call(self._on_message, Incoming(message.topic, bytes(message.payload), message.retain, *asked))

    def _published(self, _c: object, _u: object, mid: int, code: ReasonCode, _p: object) -> None:
        too_large = mid in self._client.too_large
        self._client.too_large.discard(mid)
        self._call(self._on_puback, mid, TOO_LARGE if too_large else code.value)
