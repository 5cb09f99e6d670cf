"""The Open Inference Protocol over HTTP/1.1: h11 for the grammar, one kept connection, a deadline for each whole call.

Neither the standard library's client nor those built on sockets' own timeouts bound a call: a server that sends a byte
now and then holds them for as long as it likes. Proxies of the environment are not used, and redirects not followed.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote

import h11
from numpy.typing import NDArray

from drivers.errors import ConfigError, DeviceRefused, LinkLost, LinkTimeout, ProtocolError
from inference.remote import codec
from inference.remote.address import Place, Server
from inference.remote.codec import Answer, Body, ModelSaid, ServerSaid
from inference.remote.wire import Deadline

CHUNK_BYTES = 256 * 1024
_JSON_BYTES = b"inference-header-content-length"


@dataclass(slots=True)
class _Got:
    """An answer as it came."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)


class HttpWire:
    """A server over HTTP. The connection is kept between calls, and made anew where the server has closed it."""

    def __init__(self, server: Server) -> None:
        """Look the server's name up. Raises LinkLost or ConfigError."""
        self._place = place = server.place
        self._context = _context(server) if place.tls else None
        self._token = server.token()
        self._binary: bool | None = None
        self._stream: _Stream | None = None
        try:
            # Here and not at a scan: looking up a name has no deadline of its own.
            self._addresses = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise LinkLost(f"{place.host}: {error.strerror}") from None

    def server(self, timeout_s: float) -> ServerSaid:
        """Return the server's metadata."""
        said = codec.server_said(self._call("GET", "/v2", None, Deadline(timeout_s)).body)
        # A server may know the extension and not say so (KServe 0.21): then the first tensors find it out.
        self._binary = True if codec.BINARY in said.extensions else None
        return said

    def model(self, name: str, version: str, timeout_s: float) -> ModelSaid:
        """Return a model's metadata."""
        return codec.model_said(self._call("GET", _target(name, version), None, Deadline(timeout_s)).body)

    def infer(
        self, name: str, version: str, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str], timeout_s: float
    ) -> Answer:
        """Return what the model makes of `feeds`; tensors go as they are where the server takes them so."""
        target, deadline = _target(name, version) + "/infer", Deadline(timeout_s)
        try:
            answer = self._infer(target, codec.request(feeds, outputs, self._binary is not False), deadline)
        except DeviceRefused:
            if self._binary is not None:
                raise
            answer = self._infer(target, codec.request(feeds, outputs, False), deadline)
            self._binary = False
        self._binary = self._binary is not False
        return answer

    def _infer(self, target: str, body: Body, deadline: Deadline) -> Answer:
        got = self._call("POST", target, body, deadline)
        said = got.headers.get(_JSON_BYTES)
        if said is not None and not said.isdigit():
            raise ProtocolError("the answer's JSON has no length")
        return codec.answer(got.body, None if said is None else int(said))

    def close(self) -> None:
        """Hang up."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _call(self, method: str, target: str, body: Body | None, deadline: Deadline) -> _Got:
        got = self._exchange(method, target, body, deadline)
        if 300 <= got.status < 400:
            raise DeviceRefused(f"HTTP {got.status}: redirects are not followed")
        if got.status != 200:
            raise DeviceRefused(f"HTTP {got.status}: {codec.complaint(got.body) or 'no reason given'}")
        if got.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise ProtocolError("the answer is packed, which was not asked for")
        return got

    def _exchange(self, method: str, target: str, body: Body | None, deadline: Deadline) -> _Got:
        """Return the answer; a kept connection that turns out to be closed is made anew once."""
        request = h11.Request(method=method, target=self._place.path + target, headers=self._headers(body))
        kept = self._stream is not None
        while True:
            stream = self._stream or _Stream(self._place, self._addresses, self._context, deadline)
            self._stream = None
            try:
                got = stream.exchange(request, body, deadline)
            except BaseException as error:
                stream.close()
                if kept and isinstance(error, LinkLost) and not stream.heard:
                    kept = False
                    continue
                raise
            if stream.reusable():
                self._stream = stream
            else:
                stream.close()
            return got

    def _headers(self, body: Body | None) -> list[tuple[str, str]]:
        headers = [("Host", self._place.authority), ("Accept-Encoding", "identity"), ("User-Agent", "jaitf-edge")]
        if self._token is not None:
            headers.append(("Authorization", f"Bearer {self._token}"))
        if body is not None:
            kind = "application/json" if body.json_bytes is None else "application/octet-stream"
            headers += [("Content-Type", kind), ("Content-Length", str(body.size))]
            if body.json_bytes is not None:
                headers.append((_JSON_BYTES.decode(), str(body.json_bytes)))
        return headers


class _Stream:
    """One connection."""

    def __init__(
        self, place: Place, addresses: Sequence[Any], context: ssl.SSLContext | None, deadline: Deadline
    ) -> None:
        """Connect. Raises LinkLost or LinkTimeout."""
        self.heard = self._ended = False
        self._h11 = h11.Connection(h11.CLIENT)
        self._socket = _dial(place, addresses, deadline)
        if context is not None:
            try:
                self._socket.settimeout(deadline.left_s())
                self._socket = context.wrap_socket(self._socket, server_hostname=place.host)
            except (OSError, LinkTimeout) as error:
                self._socket.close()
                raise _said(place, error) from None
        self._place = place

    def exchange(self, request: h11.Request, body: Body | None, deadline: Deadline) -> _Got:
        """Send a request and return its answer."""
        self.heard = False
        try:
            self._send(self._h11.send(request), deadline)
            for part in body.parts if body is not None else ():
                # Counted, not copied: h11 asks for anything with a length, its types for bytes.
                self._h11.send_with_data_passthrough(h11.Data(data=cast(bytes, part)))
                self._send(part, deadline)
            self._send(self._h11.send(h11.EndOfMessage()), deadline)
            return self._hear(deadline)
        except h11.RemoteProtocolError as error:
            if self._ended:
                when = "in mid-answer" if self.heard else "without an answer"
                raise LinkLost(f"{self._place.authority}: hung up {when}") from None
            raise ProtocolError(f"not HTTP: {codec.one_line(str(error))}") from None
        except OSError as error:
            raise _said(self._place, error) from None

    def reusable(self) -> bool:
        """Return whether another request may follow, and make ready for it."""
        if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            return False
        self._h11.start_next_cycle()
        return True

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _send(self, data: bytes | memoryview | None, deadline: Deadline) -> None:
        rest = memoryview(data or b"")
        while len(rest):
            self._socket.settimeout(deadline.left_s())
            rest = rest[self._socket.send(rest[:CHUNK_BYTES]) :]

    def _hear(self, deadline: Deadline) -> _Got:
        got = _Got()
        while True:
            event = self._h11.next_event()
            if event is h11.NEED_DATA:
                self._socket.settimeout(deadline.left_s())
                data = self._socket.recv(CHUNK_BYTES)
                self.heard, self._ended = self.heard or bool(data), not data
                self._h11.receive_data(data)
            elif isinstance(event, h11.Response):
                got.status, got.headers = event.status_code, dict(event.headers)
            elif isinstance(event, h11.Data):
                got.size += len(event.data)
                if got.size > codec.MAX_ANSWER_BYTES:
                    raise ProtocolError(f"an answer of more than {codec.MAX_ANSWER_BYTES} bytes")
                got.parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                return got


def _dial(place: Place, addresses: Sequence[Any], deadline: Deadline) -> socket.socket:
    """Return a connection to the first address that takes one."""
    last: OSError = OSError("has no address")
    for family, kind, protocol, _, address in addresses:
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(deadline.left_s())
            made.connect(address)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (OSError, LinkTimeout) as error:
            made.close()
            if not isinstance(error, OSError):
                raise
            last = error
        else:
            return made
    raise _said(place, last)


def _said(place: Place, error: Exception) -> Exception:
    """Return a socket's failure as one of ours."""
    if isinstance(error, LinkTimeout):
        return error
    if isinstance(error, TimeoutError):
        return LinkTimeout(f"{place.authority}: no answer in time")
    if isinstance(error, ssl.SSLCertVerificationError):
        return LinkLost(f"{place.authority}: TLS: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return LinkLost(f"{place.authority}: TLS: {error.reason or error}")
    return LinkLost(f"{place.authority}: {getattr(error, 'strerror', None) or error}")


def _context(server: Server) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{server.ca_file}: no certificates (PEM): {error.strerror or error}") from None


def _target(name: str, version: str) -> str:
    target = f"/v2/models/{quote(name, safe='')}"
    return f"{target}/versions/{quote(version, safe='')}" if version else target
