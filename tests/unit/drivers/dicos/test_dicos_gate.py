"""The gate before a connection: whole PDUs within their limits come through, and nothing else does."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from queue import Empty
from struct import pack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dicos import gate as module
from drivers.dicos import woken
from drivers.dicos.gate import Gate, Limits, Room
from drivers.dicos.pdu import ABORT, Tally, TooLarge, TooMuch, dialect
from simulators.dicomwire import associate_rq

COMMAND, DATA, LAST = 1, 0, 2


def pdv(size: int, control: int) -> bytes:
    return pack(">IBB", size + 2, 1, control) + bytes(size)


def p_data(*items: bytes) -> bytes:
    body = b"".join(items)
    return pack(">BxI", 4, len(body)) + body


def test_an_object_is_complete_with_its_last_part_and_the_next_one_counts_from_nothing() -> None:
    tally = Tally(1000)
    assert not tally.data(memoryview(pdv(100, COMMAND | LAST)))
    assert not tally.data(memoryview(pdv(600, DATA)))
    assert tally.object_bytes == 600
    assert tally.data(memoryview(pdv(300, DATA) + pdv(100, DATA | LAST)))
    assert tally.object_bytes == 0
    assert not tally.data(memoryview(pdv(1000, DATA)))
    with pytest.raises(TooLarge, match="1000 bytes"):
        tally.data(memoryview(pdv(1, DATA)))


@pytest.mark.parametrize("head", [b"\4\0\xff\xff\xff\xff", b"\1\0\0\5\0\0", b"\x08\0\0\0\0\1", b"GET / "])
def test_what_is_no_pdu_or_too_long(head: bytes) -> None:
    with pytest.raises(TooMuch):
        Tally(1000).head(head)


def test_a_pdu_may_be_eight_times_as_long_as_was_asked_for() -> None:
    tally = Tally(10_000_000, max_pdu_bytes=20_000)
    assert tally.head(pack(">BxI", 4, 160_000)) == (4, 160_000)
    with pytest.raises(TooMuch, match="160000 are allowed"):
        tally.head(pack(">BxI", 4, 160_001))


@given(st.binary(max_size=200))
def test_no_body_breaks_the_count(body: bytes) -> None:
    tally = Tally(10_000)
    try:
        tally.data(memoryview(body))
    except TooMuch:
        return
    assert 0 <= tally.object_bytes <= len(body)


@given(st.binary(max_size=200))
def test_no_request_breaks_the_search_for_its_dialect(request: bytes) -> None:
    assert isinstance(dialect(memoryview(request)), str)
    assert dialect(memoryview(associate_rq("1.2.3", application="1.2.4") + request)) == "1.2.4"


class Ends:
    """A gate, and the scanner's end of its connection."""

    def __init__(self, **limits: Any) -> None:
        self.scanner, ours = socket.socketpair()
        self.scanner.settimeout(10)
        self.refused: list[tuple[str, str]] = []
        self.closed: list[Gate] = []
        plain: dict[str, Any] = {"max_object_bytes": 10_000, "turn_s": 5.0, "room": Room(1000)}
        self.limits = Limits(**{**plain, **limits}, refused=lambda _, reason, code: self.refused.append((reason, code)))
        self.gate = Gate(ours, "10.0.0.9", self.limits, self.closed.append)

    def read(self, size: int) -> bytes:
        """As pynetdicom does it: until there is enough, or nothing more."""
        got = bytearray()
        while len(got) < size and (part := self.gate.recv(min(4096, size - len(got)))):
            got += part
        return bytes(got)


@pytest.fixture
def connect() -> Iterator[Callable[..., Ends]]:
    made: list[Ends] = []

    def one(**limits: Any) -> Ends:
        made.append(Ends(**limits))
        return made[-1]

    yield one
    for ends in made:
        ends.gate.close()
        ends.scanner.close()


@pytest.fixture
def ends(connect: Callable[..., Ends]) -> Ends:
    return connect()


def test_pdus_come_through_as_they_are(ends: Ends) -> None:
    sent = p_data(pdv(10, COMMAND | LAST)) + p_data(pdv(500, DATA), pdv(20, DATA)) + b"\5\0\0\0\0\4\0\0\0\0"
    for start in range(0, len(sent), 13):
        ends.scanner.sendall(sent[start : start + 13])
    assert ends.read(len(sent)) == sent
    ends.scanner.close()
    assert ends.read(6) == b""


class Noted(socket.socket):
    """A socket that notes what is read of it, and when that is acknowledged."""

    def recv_into(self, *given: Any) -> int:
        count = super().recv_into(*given)
        self.notes = [*getattr(self, "notes", []), "read"]
        return count

    def setsockopt(self, *given: Any) -> None:
        super().setsockopt(*given)
        if given == (socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1):
            self.notes.append("acknowledged")


def test_what_was_read_is_acknowledged_at_once() -> None:
    """Else a scanner's kernel holds back the end of an object for 40 ms, of some scans in a hundred."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as scanner:
        ours = Noted(fileno=server.accept()[0].detach())
        limits = Limits(10_000, 5.0, Room(1000), lambda *_: None)
        gate = Gate(ours, "127.0.0.1", limits, lambda _: None)
        sent = p_data(pdv(500, DATA))
        scanner.sendall(sent)
        got = b""
        while len(got) < len(sent):
            got += gate.recv(4096)
        gate.close()
    assert ours.notes == ["read", "acknowledged"] * (len(ours.notes) // 2)
    assert len(ours.notes) >= 4, "the PDU's head, and what it announces"


def test_a_connection_that_ends_within_a_pdu_just_ends(ends: Ends) -> None:
    ends.scanner.sendall(p_data(pdv(100, DATA))[:50])
    ends.scanner.close()
    assert ends.read(6) == b""


@pytest.mark.parametrize(
    ("sent", "code"),
    [(b"GET / HTTP/1.1\r\n", "protocol"), (p_data(pdv(9000, DATA), pdv(2000, DATA)), "object-too-large")],
)
def test_what_is_too_much_is_aborted_and_said(ends: Ends, sent: bytes, code: str) -> None:
    ends.scanner.sendall(sent)
    assert ends.read(6) == b""
    assert [said for _, said in ends.refused] == [code]
    assert ends.scanner.recv(100) == ABORT
    assert ends.closed == [ends.gate]


def test_a_pdu_that_never_ends_has_a_deadline(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PDU_S", 0.05)
    ends.scanner.sendall(p_data(pdv(100, DATA))[:50])
    with pytest.raises(TimeoutError):
        ends.read(6)


def test_no_further_object_is_read_before_the_one_at_hand_is_answered(ends: Ends) -> None:
    first, second = p_data(pdv(100, DATA | LAST)), p_data(pdv(200, DATA | LAST))
    ends.scanner.sendall(first + second)
    assert ends.read(len(first)) == first
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(ends.read(len(second))))
    reader.start()
    reader.join(0.2)
    assert not read
    ends.gate.next()
    reader.join(60)
    assert read == [second]


def test_an_object_that_nobody_answers_ends_the_connection(connect: Callable[..., Ends]) -> None:
    ends = connect(turn_s=0.05)
    first = p_data(pdv(100, DATA | LAST))
    ends.scanner.sendall(first + first)
    assert ends.read(len(first)) == first
    assert ends.read(6) == b""
    assert "not answered" in ends.refused[0][0]


def test_large_objects_come_in_one_after_the_other(connect: Callable[..., Ends]) -> None:
    room = Room(1000)
    one, other = connect(room=room), connect(room=room)
    large = p_data(pdv(2000, DATA))
    one.scanner.sendall(large)
    other.scanner.sendall(large)
    assert one.read(len(large)) == large
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(other.read(len(large))))
    reader.start()
    reader.join(0.2)
    assert not read
    done = one.gate.take_room()
    one.gate.close()
    reader.join(0.2)
    assert not read, "the connection has ended, but its object is still in memory"
    done()
    reader.join(60)
    assert read == [large]
    other.gate.close()
    assert room.enter(0), "an object that was not handed over gives its room back with its connection"


def test_closing_ends_whatever_waits(ends: Ends) -> None:
    assert ends.limits.room.enter(0)
    ends.scanner.sendall(p_data(pdv(2000, DATA)))

    def read() -> None:
        with contextlib.suppress(OSError):
            ends.read(6)

    reader = threading.Thread(target=read)
    reader.start()
    ends.gate.close()
    ends.gate.close()
    reader.join(60)
    assert not reader.is_alive()


def looking(ends: Ends) -> threading.Thread:
    """Somebody who asks whether bytes are there, with more patience than the test has."""
    ends.gate.patience_s = 600.0
    thread = threading.Thread(target=lambda: ends.gate.fileno(), daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(
    "happens",
    [
        lambda ends: ends.scanner.sendall(b"\4"),
        lambda ends: ends.scanner.close(),
        lambda ends: ends.gate.wake(),
        lambda ends: ends.gate.close(),
    ],
    ids=["bytes", "the end", "something to send", "closed here"],
)
def test_whoever_looks_for_bytes_waits_until_something_happens(ends: Ends, happens: Callable[[Ends], None]) -> None:
    thread = looking(ends)
    happens(ends)
    thread.join(60)
    assert not thread.is_alive()


def test_a_closed_gate_may_be_woken_and_asked(ends: Ends) -> None:
    ends.gate.close()
    ends.gate.wake()
    assert ends.gate.fileno() == -1
    ends.gate.close()


def test_a_body_comes_in_one_piece(ends: Ends) -> None:
    sent = p_data(pdv(9_000, DATA))
    ends.scanner.sendall(sent)
    assert (bytes(ends.gate.recv(6)), bytes(ends.gate.recv(4096))) == (sent[:6], sent[6:])


def test_an_association_is_woken_by_each_of_its_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(woken, "LOOK_S", 600.0)
    news = threading.Event()
    messages, others = woken.Waited(news), woken.Ringing(news.set)
    threading.Timer(0.01, messages.put, ["a message"]).start()
    assert messages.get(block=False) == "a message"
    threading.Timer(0.01, others.put, ["a release"]).start()
    with pytest.raises(Empty):
        messages.get(block=False)
    assert others.get(block=False) == "a release"


def test_one_that_is_gone_before_tls_begins_leaves_no_socket_behind() -> None:
    """A reset in time for the handshake: what ssl had made of the socket by then, nobody would close."""
    limits = Limits(max_object_bytes=10_000, turn_s=5.0, room=Room(1000), refused=lambda *_: None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        scanner = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
        scanner.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
        scanner.close()
        gate = Gate(ours, "127.0.0.1", limits, lambda _: None, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        assert not gate.greeted(5.0)
        assert ours.fileno() >= 0, "it is still the gate's to close"
        gate.close()
    assert ours.fileno() == -1
