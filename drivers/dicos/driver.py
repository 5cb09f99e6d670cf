"""The `dicos` driver: a storage SCP that answers success once the core has committed what it was sent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace

from pynetdicom import AE
from pynetdicom.sop_class import Verification

from drivers.contract import DeviceState, Driver, Port, ProbeReport
from drivers.dicos import scu, tls
from drivers.dicos.counter import NO_ANSWER, WORKSTATION, Counter, Refused
from drivers.dicos.pdu import TooLarge
from drivers.dicos.scp import SUCCESS, Scp, Stored, prepare_pynetdicom
from drivers.dicos.settings import DicosSettings
from drivers.errors import LinkBusy, LinkError, LinkLost
from drivers.ports import holder

log = logging.getLogger("jaitf.dicos")

WATCH_S = 0.25
SAME_NEWS_NS = 60 * 10**9
MAX_NEWS = 100
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
        """Say whether the port is free, or whether what listens there answers a C-ECHO as this appliance.

        The workstation that reports go to must answer one too.
        """
        report = await self._probe_port(deadline_s / 2)
        peer = self._settings.workstation
        if peer is None or not report.ok:
            return report
        try:
            secure = tls.towards(peer, self._settings)
            await asyncio.to_thread(scu.echo, peer, self._settings.ae_title, secure)
        except LinkError as error:
            mend = getattr(error, "mend", "") or "start the workstation that reports go to, or correct `tdr_to`"
            return ProbeReport.failed((*report.steps, "no reports can be sent"), error, mend=mend)
        return replace(report, steps=(*report.steps, f"{peer} answers C-ECHO"))

    async def _probe_port(self, deadline_s: float) -> ProbeReport:
        settings = self._settings
        who = holder(settings.host, settings.port)
        if who is None:
            steps = (f"{settings.listen} is free to listen on", "the scanner connects to it by itself")
            return ProbeReport(True, steps, answered=False)
        listens = f"{who} listens on {settings.listen}"
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
        if not settings.admits(host):
            return ProbeReport(True, (listens, f"no C-ECHO from here: {host} is not in addresses"), answered=False)
        if await asyncio.to_thread(_echo, host, settings, deadline_s):
            return ProbeReport(True, (listens, "it answers C-ECHO"), {"ae_title": settings.ae_title})
        return ProbeReport.failed((listens,), LinkBusy("it does not answer C-ECHO as this appliance does"))


class _Session:
    """One run of the driver: the SCP and the port, and the way from its threads to the event loop."""

    def __init__(self, settings: DicosSettings, port: Port, loop: asyncio.AbstractEventLoop) -> None:
        self._settings = settings
        self._port = port
        self._scp = Scp(settings, self._store, self._refused)
        self._facts: dict[str, str | int | float | bool] = {"ae_title": settings.ae_title}
        self._said_ns: dict[tuple[str, str], int] = {}
        self._loop = loop
        self._counter = Counter(settings, port, loop, self._up)

    async def run(self) -> None:
        """Serve until cancelled. Raises as the driver does."""
        await asyncio.to_thread(self._counter.open)
        self._counter.start()
        self._facts["listen"] = self._scp.start()
        try:
            self._up()
            while self._scp.alive:
                self._port.progress()
                self._counter.look_around()
                await asyncio.sleep(WATCH_S)
            raise LinkLost(f"{self._settings.listen}: the server ended by itself")
        finally:
            self._counter.close()
            await asyncio.to_thread(self._scp.stop)

    def _up(self) -> None:
        facts = self._facts | self._counter.facts()
        problem = self._counter.problem
        state, code = (DeviceState.DEGRADED, WORKSTATION) if problem else (DeviceState.UP, "")
        self._port.state(state, problem, code, **facts)

    def _degraded(self, reason: str, code: str) -> None:
        self._port.state(DeviceState.DEGRADED, reason, code, **self._facts)

    def _store(self, stored: Stored) -> int:
        """Take one object, in a thread of the SCP's; return its status."""
        try:
            return self._counter.take(stored)
        except Refused as refused:
            self._refused(stored.calling_ae_title, str(refused), refused.code)
            return refused.status

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
    secure = None
    if settings.tls:
        assert settings.cert_file and settings.key_file and settings.ca_file  # `check` has seen to it
        context = tls.client(settings.cert_file, settings.key_file, settings.ca_file)
        context.check_hostname = False  # it is this very box, by whatever name
        secure = (context, host)
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = deadline_s / 3
    association = entity.associate(host, settings.port, ae_title=settings.ae_title, tls_args=secure)
    if not association.is_established:
        return False
    status = association.send_c_echo()
    association.release()
    return bool(status and status.Status == SUCCESS)
