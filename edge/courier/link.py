"""One connection to the broker: paho-mqtt underneath, in the event loop, and nothing kept between connections.

paho's own thread, reconnecting and queueing stay off: the ledger is the only queue. MQTT 5 where the broker speaks it,
else 3.1.1.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from drivers import mends
from drivers.errors import ConfigError, LinkError, LinkLost, LinkTimeout
from edge.config.model import Console
from edge.courier.client import TOO_LARGE, Client
from edge.courier.identity import check_private

log = logging.getLogger("jaitf.courier")

CONNECT_DEADLINE_S = 10.0
LEAVE_DEADLINE_S = 1.0
KEEPALIVE_S = 15
LOOK_S = 1.0
"""How often paho looks whether a ping is due, or overdue."""
WILL_DELAY_S = 10
SESSION_EXPIRY_S = 60
MAX_IN_FLIGHT = 64
TOLD_AT_ONCE = 256
"""So many answers of the broker are dealt with before the event loop sees to anything else."""
DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}

TAKEN_OVER = 0x8E
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
        self._watched: int | None = None
        self._gone = asyncio.Event()
        self._client = client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=True if version == 4 else None,
            protocol=MQTTProtocolVersion.MQTTv5 if version == 5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.max_inflight_messages_set(MAX_IN_FLIGHT)
        client.connect_timeout = CONNECT_DEADLINE_S / 2
        client.on_connect = self._connect
        client.on_message = self._message
        client.on_plain_message = self._plain_message
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
            try:
                client.tls_set_context(await asyncio.to_thread(tls_context, self._console))
            except OSError as error:
                raise LinkLost(f"{self._console.url}: {mends.said(error)}") from None
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
            raise LinkLost(f"{self._console.url}: {mends.said(error)}") from None
        self._attach()
        try:
            # Not wait_for: in Python 3.11 it swallows a cancellation that comes together with the result.
            async with asyncio.timeout(CONNECT_DEADLINE_S):
                return await self._connected
        except TimeoutError:
            self.abandon()
            raise LinkTimeout(f"{self._console.url}: no CONNACK for {CONNECT_DEADLINE_S:.0f} s") from None
        except LinkError:
            self.abandon()
            raise

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
        if self._watched is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_DEADLINE_S):
                    await self._gone.wait()
        self.abandon()

    def abandon(self) -> None:
        """Cut the connection without leave. No callback comes after this."""
        self._dropped = True
        self._detach()
        if (sock := self._client.socket()) is not None:
            sock.close()
        while self._told:
            self._tell()

    def _doubt(self) -> str:
        """Return what a hang-up may mean: in TLS 1.3 our certificate is refused after the handshake."""
        if not self._console.url.startswith("mqtts://"):
            return ""
        return "; does it want a certificate of ours, or not know who signed ours? `jaitf-edge doctor` asks it"

    def _attach(self) -> None:
        """Have the event loop work the socket from here on. Raises LinkLost."""
        client, sock = self._client, self._client.socket()
        if not isinstance(sock, socket.socket):
            raise LinkLost(f"{self._console.url}: hung up before CONNECT was sent{self._doubt()}")
        # Else a small packet waits 40 ms for the other side's delayed acknowledgement of the one before.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._watched = sock.fileno()
        client.on_disconnect = self._disconnect
        client.on_socket_close = lambda *_: self._detach()
        client.on_socket_register_write = self._write_soon
        self._loop.add_reader(self._watched, self._work, client.loop_read)
        self._look()
        self._write()

    def _detach(self) -> None:
        if self._watched is not None:
            self._loop.remove_reader(self._watched)
            self._loop.remove_writer(self._watched)
            self._watched = None
            self._gone.set()

    def _look(self) -> None:
        if self._watched is not None:
            self._work(self._client.loop_misc)
            self._loop.call_later(LOOK_S, self._look)

    def _write_soon(self, *_: object) -> None:
        """Not at once: what is published until the event loop comes to it goes in one piece."""
        self._loop.call_soon(self._write)

    def _write(self) -> None:
        if self._watched is not None:
            self._work(self._client.loop_write)
        if self._watched is not None and self._client.want_write():
            self._loop.add_writer(self._watched, self._write)
        elif self._watched is not None:
            self._loop.remove_writer(self._watched)

    def _work(self, part: Callable[[], object]) -> None:
        """Do a part of paho's work; where it stumbles over what the broker sent, the connection is of no more use."""
        try:
            part()
        except Exception as error:  # noqa: BLE001  # whatever the broker's bytes make of it
            log.debug("paho: %r", error)
            self._detach()
            self._call(self._drop, Dropped(0, "the broker sent what is no MQTT"))

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        """Have the event loop call a function, in order, and not from within paho."""
        self._told.append((function, arguments))
        if not self._telling:
            self._telling = True
            self._loop.call_soon(self._tell)

    def _tell(self) -> None:
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
        # paho neither heeds the broker's limit, beyond which the broker hangs up, nor lets it be set by now.
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
            reason = f"{self._console.url}: hung up before CONNACK: {dropped.reason}{self._doubt()}"
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

    def _plain_message(self, topic: bytes, payload: bytes, retained: bool) -> None:
        with contextlib.suppress(UnicodeDecodeError):
            self._call(self._on_message, Incoming(topic.decode(), payload, retained))

    def _published(self, _c: object, _u: object, mid: int, code: ReasonCode, _p: object) -> None:
        too_large = mid in self._client.too_large
        self._client.too_large.discard(mid)
        self._call(self._on_puback, mid, TOO_LARGE if too_large else code.value)
