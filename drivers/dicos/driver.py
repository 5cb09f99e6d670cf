"""The `dicos` driver: a storage SCP that answers success once the core has committed what it was sent."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import logging
import socket
from typing import Any

from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)
from pynetdicom import AE, evt, register_uid
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import Verification

from drivers.contract import DeviceState, Driver, Outcome, Port, ProbeReport
from drivers.dicos import codec
from drivers.dicos.settings import DicosSettings
from drivers.dicos.uids import IMAGES, KEPT
from drivers.errors import LinkBusy, LinkDenied, LinkLost
from drivers.ports import holder

log = logging.getLogger("jaitf.dicos")

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
SOP_CLASS_NOT_SUPPORTED = 0x0122
SYNTAXES = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    RLELossless,
]
ASSOCIATE_S = 10.0
WATCH_S = 1.0
MAX_PDU_BYTES = 128 * 1024


def _register() -> None:
    """Tell pynetdicom that DICOS's storage classes are storage classes: it knows none of them."""
    for number, uid in enumerate((*IMAGES, *KEPT)):
        if "501." in uid:
            register_uid(uid, f"DicosStorage{number}", StorageServiceClass)


class DicosDriver(Driver):
    """Listens for scanners. Each association has a thread of pynetdicom's; verdicts come from the event loop."""

    def __init__(self, settings: DicosSettings) -> None:
        self._settings = settings

    async def run(self, port: Port) -> None:
        """Serve scanners until cancelled. Raises LinkBusy, LinkDenied or LinkLost where it cannot listen."""
        server = self._listen(port, asyncio.get_running_loop())
        try:
            address = f"{self._settings.host}:{server.server_address[1]}"
            port.state(DeviceState.UP, listen=address, ae_title=self._settings.ae_title)
            while True:
                port.progress()
                await asyncio.sleep(WATCH_S)
        finally:
            await asyncio.to_thread(server.shutdown)

    def _entity(self) -> AE:
        settings = self._settings
        entity = AE(ae_title=settings.ae_title)
        for uid in (*IMAGES, *KEPT):
            entity.add_supported_context(uid, SYNTAXES)
        entity.add_supported_context(Verification)
        entity.require_called_aet = settings.check_called_ae_title
        entity.require_calling_aet = list(settings.calling_ae_titles)
        entity.maximum_associations = settings.max_associations
        entity.maximum_pdu_size = MAX_PDU_BYTES
        entity.acse_timeout = ASSOCIATE_S
        entity.dimse_timeout = settings.idle_s
        entity.network_timeout = settings.idle_s
        return entity

    def _listen(self, port: Port, loop: asyncio.AbstractEventLoop) -> Any:
        _register()
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # what matters of it is said here, once
        settings = self._settings
        handlers: list[Any] = [
            (evt.EVT_CONN_OPEN, self._opened),
            (evt.EVT_DATA_RECV, self._received),
            (evt.EVT_C_ECHO, lambda event: SUCCESS),
            (evt.EVT_C_STORE, self._store, [port, loop]),
        ]
        try:
            return self._entity().start_server((settings.host, settings.port), block=False, evt_handlers=handlers)
        except PermissionError as error:
            raise LinkDenied(
                f"{settings.listen}: {error.strerror}: ports below 1024 need a right of their own"
            ) from None
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise LinkLost(f"{settings.listen}: {error.strerror or error}") from None
            who = holder(settings.host, settings.port)
            raise LinkBusy(
                f"{settings.listen} is taken by {who or 'another program'}: stop it, or listen elsewhere"
            ) from None

    def _opened(self, event: evt.Event) -> None:
        event.assoc.jaitf_bytes = 0
        if self._settings.addresses and event.address[0] not in self._settings.addresses:
            log.warning("a connection from %s is refused: not in `addresses`", event.address[0])
            # Not an abort: at this point the association has no state yet that it could be aborted from.
            event.assoc.dul.socket.socket.shutdown(socket.SHUT_RDWR)

    def _received(self, event: evt.Event) -> None:
        """Cut off an object that is over the limit while it comes in: pynetdicom itself would take any size."""
        assoc = event.assoc
        assoc.jaitf_bytes = getattr(assoc, "jaitf_bytes", 0) + len(event.data)
        if assoc.jaitf_bytes > self._settings.max_object_bytes + MAX_PDU_BYTES:
            assoc.jaitf_bytes = 0
            log.warning("an object over %d bytes is cut off", self._settings.max_object_bytes)
            assoc.abort()

    def _store(self, event: evt.Event, port: Port, loop: asyncio.AbstractEventLoop) -> int:
        """Take one object, in pynetdicom's thread; the answer waits for the core's."""
        event.assoc.jaitf_bytes = 0
        request = event.request
        instance = str(request.AffectedSOPInstanceUID)
        dataset = request.DataSet.getvalue()
        file = codec.part10(dataset, str(request.AffectedSOPClassUID), instance, str(event.context.transfer_syntax))
        try:
            scan = codec.read_stored(file, instance, port.clock.now())
        except codec.PersonImage:
            log.warning("%s: a picture of a person was refused", port.name)
            return SOP_CLASS_NOT_SUPPORTED
        future = asyncio.run_coroutine_threadsafe(port.emit(scan), loop)
        try:
            outcome = future.result(self._settings.answer_s)
        except (TimeoutError, concurrent.futures.CancelledError):
            future.cancel()
            log.warning(
                "%s: no verdict within %.0f s; the scanner is asked to send again", port.name, self._settings.answer_s
            )
            return OUT_OF_RESOURCES
        return SUCCESS if outcome in (Outcome.COMMITTED, Outcome.REPEATED) else OUT_OF_RESOURCES

    async def probe(self, deadline_s: float) -> ProbeReport:
        """Say whether the port is free, or whether what listens there answers a C-ECHO as this appliance."""
        settings = self._settings
        who = holder(settings.host, settings.port)
        if who is None:
            return ProbeReport(
                True, (f"{settings.listen} is free to listen on", "the scanner connects to it by itself")
            )
        host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
        if await asyncio.to_thread(_echo, host, settings.port, settings.ae_title, deadline_s):
            return ProbeReport(
                True, (f"{who} listens on {settings.listen}", "it answers C-ECHO"), {"ae_title": settings.ae_title}
            )
        return ProbeReport(
            False,
            (f"{who} listens on {settings.listen}", "it does not answer C-ECHO"),
            mend="stop that program, or give this device another `listen`",
        )


def _echo(host: str, port: int, ae_title: str, deadline_s: float) -> bool:
    entity = AE(ae_title="PROBE")
    entity.add_requested_context(Verification)
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = deadline_s / 3
    association = entity.associate(host, port, ae_title=ae_title)
    if not association.is_established:
        return False
    status = association.send_c_echo()
    association.release()
    return bool(status and status.Status == SUCCESS)
