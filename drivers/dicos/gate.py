"""Stands between a scanner's connection and pynetdicom, which takes PDUs of any length and waits for them for ever.

A gate looks to it like a socket. It hands on whole PDUs only, each within its limits and its deadline, and reads no
further object while one is being judged, so that a connection costs one object's memory whatever it sends.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from drivers.dicos.dialect import DIALECTS, Dialect
from drivers.dicos.pdu import (
    ABORT,
    ASSOCIATE_RQ,
    HEAD_BYTES,
    MAX_OFFERED_BYTES,
    P_DATA,
    REJECT_DIALECT,
    Tally,
    TooMuch,
    dialect,
)

PDU_S = 30.0
TICK_S = 0.25
PIECE_BYTES = 4096
"""What pynetdicom asks for of a PDU's body at a time."""
READ_BYTES = 256 * 1024
_READABLE = os.eventfd(1)  # never read from: `select` finds it readable, always


class Room:
    """Lets objects that are large come in one after the other, so that several scanners do not add up."""

    def __init__(self, small_bytes: int) -> None:
        self.small_bytes = small_bytes
        self._one = threading.Lock()

    def enter(self, deadline_s: float) -> bool:
        """Return whether the room was had within the deadline."""
        return self._one.acquire(timeout=deadline_s)

    def leave(self) -> None:
        """Let the next one in."""
        self._one.release()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may do, and whom to tell: `turn_s` is how long an object may wait for the one before it.

    `refused` gets an address, what was wrong there, and an error's code; it is called in the connection's thread.
    """

    max_object_bytes: int
    turn_s: float
    room: Room
    refused: Callable[[str, str, str], None]
    max_pdu_bytes: int = MAX_OFFERED_BYTES


class Gate:
    """One connection, as pynetdicom's `AssociationSocket` uses a socket; whoever gives it patience wakes it too."""

    def __init__(
        self,
        sock: socket.socket,
        address: str,
        limits: Limits,
        closed: Callable[[Gate], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.address = address
        self.dialect = Dialect()
        self.patience_s = 0.0
        self._sock = sock
        self._tls = tls
        self._limits = limits
        self._closed = closed
        self._tally = Tally(limits.max_object_bytes, limits.max_pdu_bytes)
        self._ahead = memoryview(b"")
        self._turn = threading.Event()
        self._turn.set()
        self._has_room = False
        self._ended = False
        self._lock = threading.Lock()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """Return a descriptor for `select`: readable where bytes are here already, else the socket's.

        pynetdicom selects without patience, a thousand times a second. So the patience is here, `patience_s` of it:
        until bytes come, or until it is woken because there is something to send.
        """
        if self._ahead or _deciphered(self._sock):
            return _READABLE
        if self.patience_s and not self._ended:
            waiting = select.poll()
            waiting.register(self._sock, select.POLLIN)
            waiting.register(self._bell, select.POLLIN)
            waiting.poll(self.patience_s * 1000)
            with self._lock, contextlib.suppress(BlockingIOError):
                if not self._ended:
                    os.eventfd_read(self._bell)
        return self._sock.fileno()

    def wake(self) -> None:
        """Have `fileno` return: there is something to send."""
        with self._lock:
            if not self._ended:
                os.eventfd_write(self._bell, 1)

    def greeted(self, deadline_s: float) -> bool:
        """Wait for an association request and return whether one came; pynetdicom need not know of anything else.

        One in a dialect that is neither DICOM's nor DICOS's is rejected: pynetdicom would accept it in DICOM's, to be
        hung up on.
        """
        try:
            if self._tls:
                self._secure(self._tls, deadline_s)
            self._ahead = memoryview(self._pdu(deadline_s))
        except ssl.SSLError as error:
            self._limits.refused(self.address, f"no TLS with it: {error.reason or error}", "tls")
            return False
        except OSError:
            return False
        except TooMuch as error:
            self._refuse(error)
            return False
        if bytes(self._ahead[:1]) != ASSOCIATE_RQ:
            return False
        spoken = dialect(self._ahead)
        if spoken not in DIALECTS:
            what = f"it speaks neither DICOM nor DICOS but {spoken[:64] or 'nothing'}"
            self._limits.refused(self.address, what, "dialect")
            with contextlib.suppress(OSError):
                self._sock.sendall(REJECT_DIALECT)
            return False
        self.dialect = Dialect(spoken)
        return True

    def _secure(self, tls: ssl.SSLContext, deadline_s: float) -> None:
        """Shake hands. Raises OSError, SSLError, TimeoutError."""
        self._sock.settimeout(deadline_s)
        self._sock.getpeername()  # of one that is gone already, ssl would leave a socket behind that nobody closes
        secured = tls.wrap_socket(self._sock, server_side=True, do_handshake_on_connect=False)
        self._sock = secured
        if self._ended:  # closed meanwhile, by its old descriptor
            secured.close()
        secured.do_handshake()

    def recv(self, size: int) -> memoryview:
        """Return at most `size` bytes of the PDU at hand, nothing once the connection has ended.

        Of a body that is asked for in pieces of PIECE_BYTES all is returned at once: who asks so joins them. Raises
        OSError, TimeoutError where a PDU that has begun does not end.
        """
        if not self._ahead:
            try:
                self._ahead = memoryview(self._pdu(PDU_S))
            except TooMuch as error:
                self._refuse(error)
        if size >= PIECE_BYTES:
            size = len(self._ahead)
        part, self._ahead = self._ahead[:size], self._ahead[size:]
        return part

    def send(self, data: bytes) -> int:
        """Send a whole PDU in the peer's dialect, and return its length. Raises OSError, TimeoutError."""
        self._sock.settimeout(PDU_S)
        self._sock.sendall(self.dialect.sent(data))
        return len(data)

    def shutdown(self, how: int) -> None:
        """Let the peer know that this is the end. Never raises: pynetdicom would then leave `close` out."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(how)

    def close(self) -> None:
        """End the connection and whatever waits on it; again does nothing."""
        with self._lock:
            ended, self._ended = self._ended, True
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        if not ended:
            os.close(self._bell)
        self._turn.set()
        self.take_room()()
        self._closed(self)

    def take_room(self) -> Callable[[], None]:
        """Return what gives back the room that the object at hand was given, to be called once it is done with."""
        with self._lock:
            had, self._has_room = self._has_room, False
        return self._limits.room.leave if had else lambda: None

    def next(self) -> None:
        """Read on: the object at hand is answered."""
        self._turn.set()

    def _refuse(self, error: TooMuch) -> None:
        self._limits.refused(self.address, str(error), error.code)
        with contextlib.suppress(OSError):
            self._sock.sendall(ABORT)
        self.close()

    def _pdu(self, deadline_s: float) -> bytearray:
        """Return the next PDU whole, nothing where the connection has ended. Raises TooMuch, OSError, TimeoutError."""
        ends = time.monotonic() + deadline_s
        pdu = bytearray(HEAD_BYTES)
        if not self._fill(memoryview(pdu), ends):
            return bytearray()
        kind, length = self._tally.head(pdu)
        if kind == P_DATA and not self._turn.is_set():
            if not self._turn.wait(self._limits.turn_s):
                raise TooMuch("a further object while the one before is not answered")
            ends = time.monotonic() + deadline_s
        pdu = pdu.ljust(HEAD_BYTES + length, b"\0")
        if not self._fill(memoryview(pdu)[HEAD_BYTES:], ends):
            return bytearray()
        pdu = self.dialect.received(pdu)
        if kind == P_DATA:
            if self._tally.data(memoryview(pdu)[HEAD_BYTES:]):
                self._turn.clear()
            if self._tally.object_bytes > self._limits.room.small_bytes:
                self._enter_room()
        return pdu

    def _fill(self, buffer: memoryview, ends: float) -> bool:
        """Fill the buffer and return True; False where the connection ends before."""
        while buffer:
            self._sock.settimeout(max(ends - time.monotonic(), 0.001))
            count = self._sock.recv_into(buffer, min(len(buffer), READ_BYTES))
            if not count:
                return False
            self._acknowledge()
            buffer = buffer[count:]
        return True

    def _acknowledge(self) -> None:
        """Have the kernel acknowledge what was read now, and not up to 40 ms later.

        Where nobody has told it otherwise (TCP_NODELAY), a scanner's kernel holds back the end of what it sends until
        all before that is acknowledged (RFC 896); and ours waits whether there is something to send along (RFC 1122,
        4.2.3.2), which there is not before the object is whole. The kernel forgets the option, so it is set each time.
        """
        with contextlib.suppress(OSError):  # no TCP, or closed meanwhile, which reading on tells
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _enter_room(self) -> None:
        with self._lock:
            if self._has_room:
                return
        ends = time.monotonic() + self._limits.turn_s
        while not self._limits.room.enter(TICK_S):
            if self._ended or time.monotonic() > ends:
                raise TooMuch("a large object while another one is coming in")
        with self._lock:
            self._has_room = True
        if self._ended:
            self.take_room()()


def _deciphered(sock: socket.socket) -> bool:
    """Return whether TLS has bytes ready that `select` cannot see."""
    return isinstance(sock, ssl.SSLSocket) and bool(sock.pending())
