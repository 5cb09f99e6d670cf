"""The way to brokers that are old, silent, or unwilling. Each is a few lines of the wire, on a loopback socket."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from drivers.ports import free_port
from simulators.console import mqtt
from simulators.console.link import Link
from simulators.console.mqtt import BrokerAddress, BrokerUrlError, LinkDown
from simulators.console.topics import Topics

V5, V311 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311
Answer = Callable[[bytes], bytes]


class FakeBroker:
    """Answers CONNECT and SUBSCRIBE as `answer` says; nothing: hangs up."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(20)
        self.address = BrokerAddress("127.0.0.1", self._server.getsockname()[1], False)
        self.connects: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client: socket.socket) -> None:
        client.settimeout(20)
        with client, contextlib.suppress(ConnectionError):  # the console may hang up first
            while packet := client.recv(4096):
                if packet[0] >> 4 == 1:
                    self.connects.append(packet)
                answer = self._answer(packet)
                if not answer:
                    return
                client.sendall(answer)

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(60)


@pytest.fixture
def wake() -> Iterator[tuple[socket.socket, socket.socket]]:
    pair = socket.socketpair()
    yield pair
    for each in pair:
        each.close()


@pytest.fixture
def broker() -> Iterator[Callable[[Answer], FakeBroker]]:
    running: list[FakeBroker] = []

    def make(answer: Answer) -> FakeBroker:
        running.append(FakeBroker(answer))
        return running[-1]

    yield make
    for each in running:
        each.close()


def is_connect(packet: bytes) -> bool:
    return packet[0] >> 4 == 1


def version(packet: bytes) -> int:
    return packet[packet.index(b"MQTT") + 4]


def only_311(packet: bytes) -> bytes:
    """A broker of the old school: refuses version 5 with the old code, grants all else."""
    if is_connect(packet):
        return b"\x20\x02\x00\x01" if version(packet) == 5 else b"\x20\x02\x00\x00"
    return b"\x90\x03" + packet[2:4] + b"\x01"


def link_to(fake: FakeBroker, protocol: MQTTProtocolVersion = V5) -> Link:
    return Link(fake.address, "console", Topics("jaitf"), protocol, lambda: 0)


def test_an_old_broker_is_spoken_to_in_its_own_version(broker: Callable[[Answer], FakeBroker], wake: tuple) -> None:
    old = broker(only_311)
    link = link_to(old)
    with pytest.raises(LinkDown, match="Unsupported protocol version"):
        link.open(wake[0])
    assert link.speaks_older
    link.close(0)
    again = link_to(old, V311)
    again.open(wake[0])
    again.close(0)
    sessions = {packet[packet.index(b"MQTT") + 5] & 2 for packet in old.connects if version(packet) == 4}
    assert sessions == {0, 2}, "one session is kept (not clean), that of the receipts is not"


def test_a_broker_that_hangs_up_may_be_an_old_one(broker: Callable[[Answer], FakeBroker], wake: tuple) -> None:
    link = link_to(broker(lambda packet: b""))
    with pytest.raises(LinkDown):
        link.open(wake[0])
    assert link.speaks_older
    link.close(0)


def test_a_refusal_is_no_reason_to_change_the_version(broker: Callable[[Answer], FakeBroker], wake: tuple) -> None:
    link = link_to(broker(lambda packet: b"\x20\x03\x00\x87\x00"))
    with pytest.raises(LinkDown, match="refused: Not authorized"):
        link.open(wake[0])
    assert not link.speaks_older
    link.close(0)


def test_a_subscription_that_is_not_granted_is_a_refusal(broker: Callable[[Answer], FakeBroker], wake: tuple) -> None:
    def answer(packet: bytes) -> bytes:
        return b"\x20\x03\x00\x00\x00" if is_connect(packet) else b"\x90\x04" + packet[2:4] + b"\x00\x87"

    link = link_to(broker(answer))
    with pytest.raises(LinkDown, match="refused: Not authorized"):
        link.open(wake[0])
    link.close(0)


def test_a_broker_that_says_nothing_is_given_up(
    broker: Callable[[Answer], FakeBroker], wake: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = threading.Event()
    monkeypatch.setattr(mqtt, "CONNECT_DEADLINE_S", 0.2)

    def answer(packet: bytes) -> bytes:
        silent.wait(60)
        return b""

    link = link_to(broker(answer))
    with pytest.raises(LinkDown, match=r"no answer within 0\.2 s"):
        link.open(wake[0])
    silent.set()
    link.close(0)


def test_stopping_does_not_wait_for_a_silent_broker(broker: Callable[[Answer], FakeBroker], wake: tuple) -> None:
    silent = threading.Event()

    def answer(packet: bytes) -> bytes:
        wake[1].send(b"x")
        silent.wait(60)
        return b""

    link = link_to(broker(answer))
    with pytest.raises(LinkDown, match="stopping"):
        link.open(wake[0])
    silent.set()
    link.close(0)


def test_nobody_there(wake: tuple) -> None:
    port = free_port()
    link = Link(BrokerAddress("127.0.0.1", port, False), "console", Topics("jaitf"), V5, lambda: 0)
    with pytest.raises(LinkDown, match=f"mqtt://127.0.0.1:{port}: .*refused"):
        link.open(wake[0])
    assert not link.speaks_older
    link.close(0)


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("mqtt://127.0.0.1:1884", "127.0.0.1", 1884, False),
        ("mqtts://broker.example", "broker.example", 8883, True),
        ("mqtt://[::1]/", "::1", 1883, False),
    ],
)
def test_addresses(url: str, host: str, port: int, tls: bool) -> None:
    address = BrokerAddress.parse(url)
    assert (address.host, address.port, address.tls) == (host, port, tls)
    assert BrokerAddress.parse(str(address)) == address


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("127.0.0.1:1883", "mqtt://HOST:PORT"),
        ("http://h", "mqtt://HOST:PORT"),
        ("mqtt://", "mqtt://HOST:PORT"),
        ("mqtt://h:99999", "(?i)port"),
        ("mqtt://h/path", "mqtt://HOST:PORT"),
        ("mqtt://user:secret@h", "--password-file"),
    ],
)
def test_no_addresses(url: str, why: str) -> None:
    with pytest.raises(BrokerUrlError, match=why) as raised:
        BrokerAddress.parse(url)
    assert "secret" not in str(raised.value)
