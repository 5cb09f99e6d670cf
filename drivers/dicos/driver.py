"""The `dicos` driver: a storage SCP that answers success once the core has committed what it was sent."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from pynetdicom import AE
from pynetdicom.sop_class import Verification

from drivers.contract import DeviceState, Driver, Outcome, Port, ProbeReport, Scan
from drivers.dicos import codec
from drivers.dicos.pdu import TooLarge
from drivers.dicos.scp import SUCCESS, Scp, Stored, prepare_pynetdicom
from drivers.dicos.settings import DicosSettings
from drivers.errors import LinkLost
from drivers.ports import holder

log = logging.getLogger("jaitf.dicos")

OUT_OF_RESOURCES = 0xA700
SOP_CLASS_NOT_SUPPORTED = 0x0122
CANNOT_UNDERSTAND = 0xC000
WATCH_S = 1.0
SAME_NEWS_NS = 60 * 10**9
MAX_NEWS = 100
NO_ANSWER = "no-answer"
#: What leaves an item without a verdict: the device says so until the next scan is through.
UNJUDGED = (NO_ANSWER, TooLarge.code)


class DicosDriver(Driver):
    """Listens for scanners. Each association has threads of pynetdicom's; verdicts come from the event loop."""

    def __init__(self, settings: DicosSettings) -> None:
        self._settings = settings

    async def run(self, port: Port) -> None:
        """Serve scanners until cancelled. Raises LinkBusy, LinkDenied or LinkLost where it cannot listen."""
        await _Session(self._settings, port, asyncio.get_running_loop()).run()

    async def probe(self, deadline_s: float) -> ProbeReport:
        """Say whether the port is free, or whether what listens there answers a C-ECHO as this appliance."""
        settings = self._settings
        who = holder(settings.host, settings.port)
        if who is None:
            steps = (f"{settings.listen} is free to listen on", "the scanner connects to it by itself")
            return ProbeReport(True, steps)
        listens = f"{who} listens on {settings.listen}"
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
        if not settings.admits(host):
            return ProbeReport(True, (listens, f"no C-ECHO from here: {host} is not in addresses"))
        if await asyncio.to_thread(_echo, host, settings, deadline_s):
            return ProbeReport(True, (listens, "it answers C-ECHO"), {"ae_title": settings.ae_title})
        return ProbeReport(
            False,
            (listens, "it does not answer C-ECHO"),
            mend="stop that program, or give this device another `listen`",
        )


class _Session:
    """One run of the driver: the SCP and the port, and the way from its threads to the event loop."""

    def __init__(self, settings: DicosSettings, port: Port, loop: asyncio.AbstractEventLoop) -> None:
        self._settings = settings
        self._port = port
        self._loop = loop
        self._scp = Scp(settings, self._store, self._refused)
        self._facts = {"ae_title": settings.ae_title}
        self._emitting: set[asyncio.Task[Outcome] | None] = set()
        self._said_ns: dict[tuple[str, str], int] = {}

    async def run(self) -> None:
        """Serve until cancelled. Raises as the driver does."""
        self._facts["listen"] = self._scp.start()
        try:
            self._up()
            while self._scp.alive:
                self._port.progress()
                await asyncio.sleep(WATCH_S)
            raise LinkLost(f"{self._settings.listen}: the server ended by itself")
        except asyncio.CancelledError:
            for task in self._emitting:
                if task:
                    task.cancel()
            raise
        finally:
            await asyncio.to_thread(self._scp.stop)

    def _up(self) -> None:
        self._port.state(DeviceState.UP, **self._facts)

    def _degraded(self, reason: str, code: str) -> None:
        self._port.state(DeviceState.DEGRADED, reason, code, **self._facts)

    def _store(self, stored: Stored) -> int:
        """Take one object, in a thread of the SCP's; return its status once the core has it, or will not have it."""
        try:
            scan = codec.read_stored(
                stored.dataset,
                stored.sop_class,
                stored.instance,
                stored.transfer_syntax,
                self._port.clock.now(),
                stored.calling_ae_title,
            )
        except codec.PersonImage:
            stored.done()
            reason = "it sent a picture of a person; nothing of it was kept"
            self._refused(stored.calling_ae_title, reason, codec.PersonImage.code)
            return SOP_CLASS_NOT_SUPPORTED
        except Exception:
            # A fault of ours. It must not end the association without an answer, nor keep the room of the object.
            stored.done()
            log.exception("an object could not be read")
            return CANNOT_UNDERSTAND
        return self._answered(scan, stored)

    def _answered(self, scan: Scan, stored: Stored) -> int:
        emission = self._emit(scan)
        try:
            # Never cancelled from here: half a message would cut the wire to the core.
            future = asyncio.run_coroutine_threadsafe(emission, self._loop)
        except RuntimeError:  # the loop is closed: this process is ending
            emission.close()
            stored.done()
            return OUT_OF_RESOURCES
        future.add_done_callback(lambda _: stored.done())
        try:
            outcome = future.result(self._settings.answer_s)
        except TimeoutError:
            # The core's answer counts whenever it comes: sent again, the object is known.
            reason = f"no verdict within {self._settings.answer_s:g} s: the scanner was told to send again"
            self._refused(stored.calling_ae_title, reason, NO_ANSWER)
            return OUT_OF_RESOURCES
        except Exception as error:  # noqa: BLE001 - the core or the loop is gone, and the scanner is to try again
            log.info("an object was not taken: %r", error)
            return OUT_OF_RESOURCES
        return SUCCESS if outcome in (Outcome.COMMITTED, Outcome.REPEATED) else OUT_OF_RESOURCES

    async def _emit(self, scan: Scan) -> Outcome:
        task = asyncio.current_task()
        self._emitting.add(task)
        try:
            outcome = await self._port.emit(scan)
        finally:
            self._emitting.discard(task)
        self._up()
        return outcome

    def _refused(self, peer: str, reason: str, code: str) -> None:
        """Say what was refused, the same thing once a minute; in a thread of the SCP's."""
        if code in UNJUDGED:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to hear it
                self._loop.call_soon_threadsafe(self._degraded, reason, code)
        now = self._port.clock.now().monotonic_ns
        if now - self._said_ns.get((peer, code), -SAME_NEWS_NS) < SAME_NEWS_NS:
            return
        if len(self._said_ns) >= MAX_NEWS:
            self._said_ns.clear()
        self._said_ns[peer, code] = now
        log.warning("refused from %s: %s", peer, reason)


def _echo(host: str, settings: DicosSettings, deadline_s: float) -> bool:
    prepare_pynetdicom()
    entity = AE(ae_title=(settings.calling_ae_titles or ("PROBE",))[0])
    entity.add_requested_context(Verification)
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = deadline_s / 3
    association = entity.associate(host, settings.port, ae_title=settings.ae_title)
    if not association.is_established:
        return False
    status = association.send_c_echo()
    association.release()
    return bool(status and status.Status == SUCCESS)
