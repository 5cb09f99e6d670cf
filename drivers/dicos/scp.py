"""The storage SCP: pynetdicom's association server behind gates, and who may connect to it."""

from __future__ import annotations

import errno
import logging
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from socketserver import BaseServer
from typing import Any

from pydicom import config
from pynetdicom import AE, _config, evt, register_uid
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import Verification, uid_to_service_class
from pynetdicom.transport import ThreadedAssociationServer

from drivers.dicos import tls
from drivers.dicos.gate import Gate, Limits, Room
from drivers.dicos.pixels import TRANSFER_SYNTAXES
from drivers.dicos.settings import DicosSettings
from drivers.dicos.uids import IMAGES, IMPLEMENTATION, KEPT, is_of_person
from drivers.dicos.woken import Handler
from drivers.errors import LinkBusy, LinkDenied, LinkLost
from drivers.ports import holder

SUCCESS = 0x0000
ASSOCIATE_S = 10.0
NEGOTIATE_S = 10.0
END_S = 2.0
POLL_S = 0.25
SMALL_OBJECT_BYTES = 8 * 1024 * 1024
#: Connections beyond `max_associations`, so that these may be told why they are not taken.
SPARE_CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Stored:
    """One object as C-STORE brought it; `done` is to be called once its bytes are not needed any more."""

    dataset: bytes
    sop_class: str
    instance: str
    transfer_syntax: str
    calling_ae_title: str
    done: Callable[[], None]


class Scp:
    """Listens from `start` to `stop`, answers C-ECHO, and gives each object to `store`, which returns a status.

    `store` and `refused` (an address, what was refused there, a code) are called in threads of pynetdicom's.
    """

    def __init__(
        self, settings: DicosSettings, store: Callable[[Stored], int], refused: Callable[[str, str, str], None]
    ) -> None:
        self._settings = settings
        self._store = store
        self._refused = refused
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> str:
        """Listen, and return the address as HOST:PORT. Raises LinkBusy, LinkDenied or LinkLost."""
        settings = self._settings
        limits = Limits(
            settings.max_object_bytes,
            settings.answer_s + END_S,
            Room(SMALL_OBJECT_BYTES),
            self._refused,
            settings.max_pdu_bytes,
        )
        secure = None
        if settings.tls:
            assert settings.cert_file and settings.key_file and settings.ca_file  # `check` has seen to it
            secure = tls.server(settings.cert_file, settings.key_file, settings.ca_file)
        handlers: list[Any] = [
            (evt.EVT_C_ECHO, _echoed),
            (evt.EVT_C_STORE, self._stored),
            (evt.EVT_ACCEPTED, self._accepted),
            (evt.EVT_REJECTED, self._rejected),
        ]
        prepare_pynetdicom()
        try:
            self._server = _entity(settings).make_server(
                (settings.host, settings.port),
                evt_handlers=handlers,
                server_class=_Server,
                request_handler=Handler,
                guard=(settings, limits, secure),
            )
        except OSError as error:
            raise _link_error(settings, error) from None
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_S,), name="dicos-server", daemon=True
        )
        self._thread.start()
        return f"{settings.listen.rpartition(':')[0]}:{self._server.server_address[1]}"

    @property
    def alive(self) -> bool:
        """Whether it still takes connections."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """Free the port, end every connection, and wait a moment for their threads."""
        if self._server is None:
            return
        self._server.shutdown()
        threads = self._server.active_associations
        for gate in self._server.gates():
            gate.close()
        for thread in threads:
            thread.join(END_S)

    def _stored(self, event: evt.Event) -> int:
        request, requestor = event.request, event.assoc.requestor
        gate = self._server and self._server.gate(requestor.address, requestor.port)
        try:
            stored = Stored(
                dataset=request.DataSet.getvalue(),
                sop_class=str(request.AffectedSOPClassUID or ""),
                instance=str(request.AffectedSOPInstanceUID or ""),
                transfer_syntax=str(event.context.transfer_syntax),
                calling_ae_title=str(requestor.ae_title).strip(),
                done=gate.take_room() if gate else lambda: None,
            )
            return self._store(stored)
        finally:
            if gate:
                gate.next()

    def _accepted(self, event: evt.Event) -> None:
        assoc = event.assoc
        offered = [str(context.abstract_syntax) for context in assoc.requestor.requested_contexts]
        if any(is_of_person(uid) for uid in offered):
            self._refused(assoc.requestor.address, "it offers pictures of people; they are not taken", "person-image")
        elif offered and not assoc.accepted_contexts:
            self._refused(
                assoc.requestor.address, f"it offers nothing that is taken: {', '.join(offered[:3])}", "refused"
            )

    def _rejected(self, event: evt.Event) -> None:
        request = event.assoc.requestor.primitive
        called, calling = str(request.called_ae_title).strip(), str(request.calling_ae_title).strip()
        settings = self._settings
        if settings.check_called_ae_title and called != settings.ae_title.strip():
            reason = f"{calling} calls {called}, and this is {settings.ae_title}"
        elif settings.calling_ae_titles and calling not in settings.calling_ae_titles:
            reason = f"{calling} is not in calling_ae_titles"
        else:
            reason = f"more than {settings.max_associations} associations at once (max_associations)"
        self._refused(event.assoc.requestor.address, reason, "refused")


class _Server(ThreadedAssociationServer):  # type: ignore[misc]  # pynetdicom ships no type information
    """pynetdicom's server, with a gate before each connection."""

    request_queue_size = 64  # pynetdicom's 5 make a crowd wait for TCP's retries

    def __init__(self, *args: Any, guard: tuple[DicosSettings, Limits, ssl.SSLContext | None], **kwargs: Any) -> None:
        self._settings, self._limits, self._tls = guard
        self._gates: dict[tuple[str, int], Gate] = {}
        self._lock = threading.Lock()
        super().__init__(*args, **kwargs)

    def get_request(self) -> tuple[Gate, Any]:
        """Return a new connection behind its gate."""
        sock, address = super().get_request()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a scanner that is switched off says no goodbye

        def closed(gate: Gate) -> None:
            with self._lock:
                if self._gates.get(address[:2]) is gate:
                    del self._gates[address[:2]]

        gate = Gate(sock, address[0], self._limits, closed, self._tls)
        with self._lock:
            self._gates[address[:2]] = gate
        return gate, address

    def verify_request(self, request: Gate, client_address: Any) -> bool:
        """Return whether a connection may go on; one that may not is hung up on before it has an association."""
        if not self._settings.admits(client_address[0]):
            self._limits.refused(request.address, "it is not in addresses", "refused")
            return False
        if len(self.gates()) > self._settings.max_associations + SPARE_CONNECTIONS:
            self._limits.refused(request.address, "too many connections at once", "refused")
            return False
        return True

    def finish_request(self, request: Gate, client_address: Any) -> None:
        """Make an association of a connection that asks for one; in a thread of its own.

        pynetdicom counts one that asks for nothing, or has gone already, as an association for ten seconds: a few
        health checks or a port scan would keep the scanner out.
        """
        if request.greeted(ASSOCIATE_S):
            super().finish_request(request, client_address)
        else:
            request.close()

    def gates(self) -> list[Gate]:
        """Return the gates of all connections."""
        with self._lock:
            return list(self._gates.values())

    def gate(self, host: str, port: int) -> Gate | None:
        """Return the gate of one peer."""
        with self._lock:
            return self._gates.get((host, port))

    def shutdown(self) -> None:
        """Take no more connections, and free the port."""
        BaseServer.shutdown(self)  # pynetdicom's own expects to have been started by its AE
        self.server_close()

    def handle_error(self, request: object, client_address: Any) -> None:
        """Say that a connection failed, in a line."""
        self._limits.refused(client_address[0], f"its connection failed: {sys.exception()!r}", "internal")


def _echoed(event: evt.Event) -> int:
    return SUCCESS


def _entity(settings: DicosSettings) -> AE:
    entity = AE(ae_title=settings.ae_title)
    entity.implementation_class_uid = IMPLEMENTATION
    entity.implementation_version_name = "JAITF_EDGE"
    for uid in (*IMAGES, *KEPT):
        entity.add_supported_context(uid, list(TRANSFER_SYNTAXES))
    entity.add_supported_context(Verification)
    entity.require_called_aet = settings.check_called_ae_title
    entity.require_calling_aet = list(settings.calling_ae_titles)
    entity.maximum_associations = settings.max_associations
    entity.maximum_pdu_size = settings.max_pdu_bytes
    entity.acse_timeout = NEGOTIATE_S  # the request is here already when this begins to count
    entity.dimse_timeout = entity.network_timeout = settings.idle_s
    return entity


def prepare_pynetdicom() -> None:
    """Have it know DICOS's storage classes, and leave the talking to this driver.

    Identifiers of a scanner's go back to it in answers as they came, odd ones too: the reference toolkit's have leading
    zeros.
    """
    config.settings.reading_validation_mode = config.IGNORE
    for number, uid in enumerate((*IMAGES, *KEPT)):
        if uid_to_service_class(uid) is not StorageServiceClass:
            register_uid(uid, f"JaitfStorage{number}", StorageServiceClass)
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    _config.LOG_HANDLER_LEVEL = "none"


def _link_error(settings: DicosSettings, error: OSError) -> LinkBusy | LinkDenied | LinkLost:
    why = error.strerror or str(error)
    if isinstance(error, PermissionError):
        return LinkDenied(f"{settings.listen}: {why}: ports below 1024 need a right of their own")
    if error.errno == errno.EADDRINUSE:
        who = holder(settings.host, settings.port)
        return LinkBusy(f"{settings.listen} is taken by {who or 'another program'}: stop it, or listen elsewhere")
    return LinkLost(f"{settings.listen}: {why}")
