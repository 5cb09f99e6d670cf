"""What passes between the core and the page's process: a JSON header and, for a picture, its bytes, a datagram each.

The socket keeps messages apart (AF_UNIX, SOCK_SEQPACKET), so there is no framing to get wrong. It is bounded and never
waited for: what does not fit is not sent, and whoever sends decides whether to try again or to leave it.
"""

from __future__ import annotations

import json
import socket
import struct
from dataclasses import dataclass
from typing import Any

from drivers.errors import ProtocolError

MAX_BYTES = 192 * 1024
"""Of one message: below what the kernel takes from any process without being asked for more (wmem_default)."""
_HEAD = struct.Struct(">I")
_BUFFER_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Message:
    """A message: what kind it is, what it says, and a picture's bytes where it has one."""

    kind: str
    said: dict[str, Any]
    body: bytes = b""


def pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected ends: the core's, which never blocks, and the page's."""
    core, page = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    core.setblocking(False)
    for end in (core, page):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
    return core, page


def encode(message: Message) -> bytes:
    """Return a message's bytes. Raises ProtocolError for one that is larger than MAX_BYTES."""
    header = json.dumps({"kind": message.kind, **message.said}, separators=(",", ":")).encode()
    data = _HEAD.pack(len(header)) + header + message.body
    if len(data) > MAX_BYTES:
        raise ProtocolError(f"a message of {len(data)} bytes; {MAX_BYTES} are the most")
    return data


def decode(data: bytes) -> Message:
    """Return the message in these bytes. Raises ProtocolError."""
    try:
        (size,) = _HEAD.unpack_from(data)
        said = json.loads(data[_HEAD.size : _HEAD.size + size])
        kind = said.pop("kind")
    except (struct.error, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise ProtocolError(f"no message: {error}") from None
    if not isinstance(kind, str) or size > len(data) - _HEAD.size:
        raise ProtocolError("no message")
    return Message(kind, said, data[_HEAD.size + size :])


def send(sock: socket.socket, message: Message) -> bool:
    """Send a message; return False where there is no room for it now. Raises ProtocolError, and OSError at the end."""
    try:
        sock.send(encode(message), socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    return True


def receive(sock: socket.socket) -> Message | None:
    """Return the next message, None where there is none now. Raises ProtocolError, and OSError where the end is."""
    try:
        data = sock.recv(MAX_BYTES + 1, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    if not data:
        raise ConnectionResetError("the other end is gone")
    return decode(data)
