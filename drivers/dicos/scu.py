"""The storage client: brings reports to a workstation, in DICOM's dialect or DICOS's, every wait with a deadline."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification
from pynetdicom.transport import AssociationSocket

from drivers.dicos.dialect import Dialect
from drivers.dicos.gate import Gate, Limits, Room
from drivers.dicos.pdu import DICOM_DIALECT, MAX_OFFERED_BYTES
from drivers.dicos.peer import Peer
from drivers.dicos.scp import SUCCESS, prepare_pynetdicom
from drivers.dicos.uids import IMPLEMENTATION, TDR
from drivers.errors import DeviceRefused, LinkLost, LinkTimeout, LinkUntrusted
from drivers.mends import tls_mend

CONNECT_S = 5.0
ANSWER_S = 20.0
MAX_ANSWER_BYTES = 1024 * 1024


def store(peer: Peer, calling: str, files: list[Path], tls: ssl.SSLContext | None = None) -> Iterator[tuple[Path, int]]:
    """Store files over one association; yield each with the status that the peer answered. Blocks.

    Raises LinkLost where the peer is away, takes no reports or breaks the association, LinkTimeout where it does not
    answer.
    """
    association = _associated(peer, calling, tls)
    try:
        for number, file in enumerate(files, 1):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pydicom on DICOS's attributes, which its dictionary has otherwise
                try:
                    answer = association.send_c_store(dcmread(file), msg_id=number % 65_536 or 1)
                except ValueError as error:
                    raise LinkLost(f"{peer} takes no threat detection reports: {error}") from None
                except RuntimeError as error:
                    raise LinkLost(f"{peer} ended the association: {error}") from None
            if "Status" not in answer:
                raise LinkTimeout(f"{peer} gave no answer within {ANSWER_S:g} s, or hung up")
            yield file, int(answer.Status)
    finally:
        if association.is_established:
            association.release()
        elif association.is_alive():
            association.abort()


def echo(peer: Peer, calling: str, tls: ssl.SSLContext | None = None) -> None:
    """Return once the peer answers a C-ECHO. Blocks. Raises LinkLost, LinkTimeout, LinkUntrusted, Rejected."""
    if tls:
        _handshake(peer, tls)
    association = _associated(peer, calling, tls)
    association.dimse_timeout = CONNECT_S
    try:
        answer = association.send_c_echo()
        if "Status" not in answer or answer.Status != SUCCESS:
            raise LinkTimeout(f"{peer} does not answer C-ECHO")
    except (RuntimeError, ValueError) as error:
        raise LinkLost(f"{peer} does not take C-ECHO: {error}") from None
    finally:
        if association.is_established:
            association.release()


def _associated(peer: Peer, calling: str, tls: ssl.SSLContext | None) -> Association:
    prepare_pynetdicom()
    entity = _Entity(ae_title=calling)
    entity.dialect = peer.dialect
    entity.implementation_class_uid, entity.implementation_version_name = IMPLEMENTATION, "JAITF_EDGE"
    entity.add_requested_context(TDR, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    entity.add_requested_context(Verification, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    entity.connection_timeout = entity.acse_timeout = CONNECT_S
    entity.dimse_timeout = entity.network_timeout = ANSWER_S
    secure = (tls, peer.host) if tls else None
    try:
        association = entity.associate(
            peer.host, peer.port, ae_title=peer.ae_title, tls_args=secure, max_pdu=MAX_OFFERED_BYTES
        )
    except OSError as error:  # a name that nobody knows
        raise LinkLost(f"{peer} does not answer: {error.strerror or error}") from None
    if association.is_established:
        return association
    rejected = association.is_rejected
    answer = association.acceptor.primitive
    if association.is_alive():
        association.abort()
    if rejected:
        source, reason = (answer.result_source, answer.diagnostic) if answer else (0, 0)
        raise Rejected(peer, calling, source, reason)
    raise LinkLost(f"{peer} does not answer")


class Rejected(LinkLost):
    """The peer answers, and rejects the association (PS3.8, 9.3.4); `mend` is what to do about its reason."""

    code = DeviceRefused.code

    def __init__(self, peer: Peer, calling: str, source: int, reason: int) -> None:
        said, self.mend = _REJECTIONS.get((source, reason), (f"source {source}, reason {reason}", ""))
        self.mend = self.mend.format(called=peer.ae_title, calling=calling)
        super().__init__(f"{peer} rejects the association: {said}")


#: By source and reason (PS3.8, table 9-21): in words, and what mends it.
_REJECTIONS = {
    (1, 3): ("it does not know our AE title", "enter the AE title {calling!r}, and this machine, at the other side"),
    (1, 7): ("it has another AE title", "{called!r} is not what it is called there: look it up, upper and lower case"),
    (3, 1): ("it is busy", "try again; does another program hold its connections?"),
    (3, 2): ("it has no connection left", "try again; does another program hold its connections?"),
}


def _handshake(peer: Peer, tls: ssl.SSLContext) -> None:
    """Raise LinkUntrusted where TLS does not come up: pynetdicom says only that there is no association."""
    try:
        with socket.create_connection((peer.host, peer.port), CONNECT_S) as raw:
            tls.wrap_socket(raw, server_hostname=peer.host).close()
    except ssl.SSLError as error:
        said = getattr(error, "verify_message", "") or error.reason or str(error)
        raise LinkUntrusted(f"{peer}: no TLS: {said}", tls_mend(error)) from None
    except OSError as error:
        raise LinkLost(f"{peer} does not answer: {error.strerror or error}") from None


class _Entity(AE):  # type: ignore[misc]  # pynetdicom ships no type information
    """pynetdicom's, with the gate of this driver on the connections it makes."""

    dialect = DICOM_DIALECT

    def _create_socket(self, assoc: Association, address: Any, tls_args: Any) -> AssociationSocket:
        made = _Socket(assoc, address=address)
        made.dialect = self.dialect
        made.tls_args = tls_args
        return made


class _Socket(AssociationSocket):  # type: ignore[misc]  # pynetdicom ships no type information
    """A connection whose PDUs go through a gate, in the peer's dialect."""

    dialect = DICOM_DIALECT
    socket: Any

    def connect(self, primitive: Any) -> None:
        """Connect, then put the gate between; what came in between still lies in the socket."""
        made = self.socket
        super().connect(primitive)
        if self.socket is None:
            made.close()  # pynetdicom shuts it down first, which fails for one that was never connected
        else:
            limits = Limits(MAX_ANSWER_BYTES, ANSWER_S, Room(MAX_ANSWER_BYTES), lambda *_: None)
            gate = Gate(self.socket, "", limits, lambda _: None)
            gate.dialect = Dialect(self.dialect)
            self.socket = gate
