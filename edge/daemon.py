"""The appliance: puts the parts together, keeps them running, and takes them down in order."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import random
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

from drivers.clock import Clock, SystemClock
from drivers.contract import DeviceState
from drivers.errors import LinkBusy, StoreError
from edge import CONTRACT_VERSION, __version__, modelserver
from edge.calibration import Calibration
from edge.clock import ClockWatch
from edge.commands.activate import Activation
from edge.commands.basics import Basics
from edge.commands.configuration import Configuration
from edge.commands.desk import Handler
from edge.commands.fetch import Fetch
from edge.commands.orders import Orders
from edge.commands.thresholds import Thresholds
from edge.config import Config
from edge.console import ConsoleSide
from edge.courier import Courier
from edge.courier.courier import Retained
from edge.courier.identity import ExpiryWatch
from edge.event import EventWriter, Identity, clock_body, model_body
from edge.health import HealthWatch
from edge.heartbeat import Heartbeats, feed
from edge.intake import Intake
from edge.judge import Judge
from edge.lane.desk import desk
from edge.lastresort import LastResort
from edge.ledger import Ledger
from edge.ledger.entries import StoreState
from edge.ledger.reader import Reader
from edge.logs import Recent
from edge.messages import Birth, DeviceBirth, DeviceMessage, Health, KeyBody, ModelBody
from edge.notify import ServiceManager
from edge.page import PageSide, Sources
from edge.readings import Readings
from edge.running import LOCK
from edge.showing import Showing
from edge.signals import Signals
from edge.signing import SigningKey
from edge.standing import StandingFile
from edge.status import status_line
from edge.supervisor.device import Status
from edge.supervisor.supervisor import Supervisor
from edge.targets import Targets
from edge.watch import JudgeWatch

log = logging.getLogger("jaitf.core")

HEALTH_S = 10.0
STANDING_TICKS = 6
STORE_WATCH_S = 0.5
READING_S = 1.0
RESTART_S = 300.0
"""How long the appliance may take to start again from within: models are loaded and proven before it is ready."""

BUDGETS_S = {"judge": 75.0, "intake": 75.0, "courier": 150.0, "ledger": 150.0, "health": 75.0, "store": 75.0}
"""How long each part may go without getting on; its longest wait, and then as much again as a bad day takes."""


class Lock:
    """The data directory's lock: one appliance at a time. Held until this process ends, whatever ends it."""

    def __init__(self, data_dir: Path) -> None:
        try:
            data_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._file = os.open(data_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise StoreError(f"data_dir {data_dir} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 32).decode(errors="replace").strip() or "another process"
            os.close(self._file)
            raise LinkBusy(
                f"{data_dir} is in use by process {holder}: an appliance runs there already; stop it, or give this one"
                " a data_dir of its own"
            ) from None
        # Written over and not made anew: on a full disk there would be no room for it.
        with contextlib.suppress(OSError):
            os.pwrite(self._file, f"{os.getpid():<20}\n".encode(), 0)


def _signing_key(data_dir: Path) -> tuple[SigningKey | None, str]:
    """Return the appliance's key, or why its hits go unsigned until it starts again: the disk took no key.

    Raises StoreError for a key that is there and cannot be trusted.
    """
    try:
        return SigningKey.of(data_dir), ""
    except OSError as error:
        reason = f"hits are not signed: the key cannot be made or read: {error.strerror}"
        log.error("%s", reason)
        return None, reason


class _StartAgain(Exception):
    """Ends everything in order."""


class Appliance:
    """Everything of one lane. `ready` is called once devices, judge, ledger and courier are under way."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        chance: random.Random,
        ready: Callable[[], None],
        recent: Recent | None = None,
        manager: ServiceManager | None = None,
    ) -> None:
        who = config.appliance
        self.config = config
        self._clock = clock
        self._ready = ready
        self._manager = manager or ServiceManager({})
        self._clock_watch = ClockWatch()
        self._identity = Identity(config.console.root, who.site, who.lane, who.id, who.stream)
        events = EventWriter(self._identity, self._clock_watch.state)
        self._key, self._keyless = _signing_key(who.data_dir)
        self._ledger = Ledger(
            who.data_dir,
            events,
            clock,
            quota_bytes=config.storage.quota_bytes,
            keep_days=config.storage.keep_days,
            on_commit=self._committed,
            key=self._key,
        )
        self._reader = Reader(who.data_dir)
        models = {device.model for device in config.devices if device.model}  # the disabled may be enabled by command
        inference = config.inference
        # Trials draw in the judge's thread: from a chance of their own.
        watch = JudgeWatch(who.data_dir, inference.assurance_per_hour, clock, random.Random(chance.random()))
        watch.on_changed = self._thresholds_changed
        self._judge = Judge.load(models, inference, clock, watch, chance)
        self._readings = Readings()
        self._targets = Targets(who.data_dir, clock, self._audit_targets)
        rooms = (self._judge, self._ledger, self._reader, events, clock)
        self._intake = Intake(*rooms, self._readings.add, self._targets.match, partial(desk, config))
        self._intake.on_notice = lambda outcome, detail: self._courier.audit("lane", outcome, detail)
        self._judge.pictures_of_clear = self._intake.desk.wants_pictures
        self._supervisor = Supervisor(
            config.devices, who.data_dir, clock, chance, self._intake.screen, self._device_changed
        )
        self._last_resort = LastResort(
            config.devices,
            self._supervisor.status,
            clock,
            lambda name, why: self._courier.audit("rebind", "asked", f"{name}: {why}"),
        )
        self._signals = Signals(config.signals, clock, self._supervisor.order)
        self._intake.on_hit = self._signals.committed
        self._courier = Courier(
            config.console, self._identity, self._ledger, self._reader, clock, chance, self._present
        )
        self._watch = watch
        self._health = HealthWatch(
            clock,
            clock.now(),
            self._ledger,
            self._reader,
            self._judge,
            self._courier,
            self._supervisor,
            watch,
            config.storage.quota_bytes,
            self._targets,
            ExpiryWatch(config.console),
        )
        self._standing = StandingFile(who.data_dir)
        self._judge.on_blind = self._blind
        self._judge.on_alarm = lambda scan: self._ledger.foresee(scan.original)
        self.restarting = asyncio.Event()
        self._configuration = Configuration(config, self._supervisor, self._courier, clock, self.restarting.set)
        self._activation = Activation(
            config.devices, who.data_dir, config.inference, self._judge, clock, self._courier.audit
        )
        recent = recent or Recent()
        handlers = self._handlers(recent)
        self._console = ConsoleSide(
            config, self._identity, self._ledger, self._courier, clock, handlers, self._targets, self._configuration
        )
        self._page = self._page_side(recent, handlers)

    def _page_side(self, recent: Recent, handlers: dict[str, Handler]) -> PageSide:
        """Return what serves the technician's page, and have it told of what comes in."""
        own = Thresholds(self.config.devices, self._judge, self._watch, self._clock).handlers()
        showing = Showing(
            self.config, self._supervisor, self._judge, self._watch, self._courier, self._clock, self._gather
        )
        orders = Orders(lambda: self._console.desk, handlers | own)
        sources = Sources(showing.state, showing.scores, recent, orders.order, self._courier.audit)
        page = PageSide(self.config, self._clock, sources)
        showing.watched, showing.show = lambda: page.watched, page.show
        self._intake.on_taken, self._intake.on_screened = showing.taken, showing.screened
        self._health.page = lambda: page.body
        return page

    def _handlers(self, recent: Recent) -> dict[str, Handler]:
        """Return who does what the console may ask for."""
        where, basics = self.config.appliance.data_dir, (self.config, self._supervisor, self._judge, recent)
        fetch = Fetch(where, self._ledger, self._clock, self.config.console.evidence_bytes_per_s)
        told = Basics(*basics, self._gather, self._courier.tell_all).handlers()
        rest = (fetch.handlers(), self._configuration.handlers(), self._activation.handlers())
        return told | {name: handler for handlers in rest for name, handler in handlers.items()}

    def _audit_targets(self, outcome: str, detail: str) -> None:
        self._courier.audit("targets", outcome, detail, "console")

    def _gather(self) -> Health:
        return self._health.gather(self._clock_watch.state())

    def _beats(self) -> Heartbeats:
        """Return the heartbeats, with each part told to beat."""
        heartbeats = Heartbeats(self._clock)
        self._beat = {name: heartbeats.part(name, budget_s) for name, budget_s in BUDGETS_S.items()}
        for name in ("judge", "intake", "courier", "ledger"):
            getattr(self, f"_{name}").beat = self._beat[name]
        return heartbeats

    def _status(self) -> str:
        return status_line(self._supervisor.status, self._ledger, self._judge.blind_reason, self._courier.connected)

    async def run(self) -> None:
        """Run until cancelled, or until it is to start again; what was asked of the ledger by then is written."""
        heartbeats = self._beats()
        self._ledger.start()
        self._activation.restore()
        if self._ledger.new and self._ledger.notice:
            self._courier.audit("ledger replaced", "done", self._ledger.notice)
        try:
            async with asyncio.TaskGroup() as group:
                for work in (
                    self._judge.run(),
                    self._intake.run(),
                    self._courier.run(),
                    self._supervisor.run(),
                    self._signals.run(),
                    self._last_resort.run(),
                    self._tell_health(),
                    self._tell_readings(),
                    self._watch_store(),
                    modelserver.watch(self._judge, self._courier.audit, self._tell_now),
                    self._console.run(),
                    self._page.run(),
                    self._until_restart(),
                    feed(heartbeats, self._manager, self._status),
                ):
                    group.create_task(work)
                self._manager.ready()
                self._ready()
        except* _StartAgain:
            log.info("starting again with another configuration")
        finally:
            self._watch.close()
            await self._ledger.close()
            self._reader.close()

    async def _until_restart(self) -> None:
        await self.restarting.wait()
        self._manager.again(RESTART_S)
        raise _StartAgain

    def _committed(self, hits: list[int], notes: list[tuple[int, str]]) -> None:
        self._courier.committed(hits, notes)

    def _present(self, session: str) -> list[Retained]:
        said = [Retained("up/birth", self._birth(session))]
        for name, status in self._supervisor.status.items():
            said.append(Retained(f"up/device/{name}", self._device_message(name, status)))
        said.append(Retained("up/health", self._gather(), qos=0))
        return said

    def _birth(self, session: str) -> Birth:
        who, now = self.config.appliance, self._clock.now()
        models = [body for model in self._judge.models if (body := model_body(model))]
        return Birth(
            software=__version__,
            contract=CONTRACT_VERSION,
            session=session,
            ledger_id=self._ledger.ledger_id,
            seq_start=self._ledger.seq_start,
            config_sha256=self.config.digest,
            site=who.site,
            lane=who.lane,
            edge=who.id,
            stream=who.stream,
            devices=tuple(DeviceBirth(name=d.name, driver=d.driver, model=d.model) for d in self.config.devices),
            models=tuple[ModelBody, ...](models),
            key=KeyBody(kid=self._key.fingerprint, pem=self._key.public_pem.decode()) if self._key else None,
            clock=clock_body(now, self._clock_watch.state()),
            notices=tuple(filter(None, (self._ledger.notice, self._keyless))),
            at=now.rfc3339(),
        )

    def _device_message(self, name: str, status: Status) -> DeviceMessage:
        last = status.last_observation
        driver = next(device.driver for device in self.config.devices if device.name == name)
        return DeviceMessage(
            state=status.state,
            reason=status.reason,
            code=status.code,
            since=status.since.rfc3339(),
            last_observation_at=last.rfc3339() if last else None,
            restarts=status.restarts,
            driver=driver,
            facts=status.facts,
        )

    def _device_changed(self, name: str, status: Status) -> None:
        if status.state is not DeviceState.UP and status.state is not DeviceState.DEGRADED:
            self._intake.desk.lane.lost(name, self._clock.now().monotonic_ns)
        self._courier.tell(f"up/device/{name}", self._device_message(name, status))

    def _blind(self, reason: str) -> None:
        self._courier.audit("model self-test", "failed" if reason else "passed", reason or "the models see again")
        self._courier.tell("up/health", self._gather(), qos=0)

    def _thresholds_changed(self, line: Calibration) -> None:
        points = f"normal {line.normal:g}, elevated {line.elevated:g}" if line.points else "the package's own"
        where = f" at {line.device}" if line.device else ""
        self._courier.audit("thresholds", "done", f"{line.model}{where}: {points}; {line.reason}", line.by)

    async def _tell_readings(self) -> None:
        """Publish each device's news, coalesced: once a second at most."""
        while True:
            await asyncio.sleep(READING_S)
            for device, news in self._readings.take():
                self._courier.tell_reading(f"up/reading/{device}", news)

    def _tell_now(self) -> None:
        self._courier.tell("up/health", self._gather(), qos=0)

    async def _tell_health(self) -> None:
        ticks, kept = 0, None
        while True:
            self._beat["health"]()
            await asyncio.sleep(HEALTH_S)
            health = self._gather()
            self._courier.tell("up/health", health, qos=0)
            devices = self._supervisor.status
            states = {name: (each.state, each.code) for name, each in devices.items()}
            if ticks % STANDING_TICKS == 0 or states != kept:
                said = {name: self._device_message(name, each) for name, each in devices.items()}
                kept = states if self._standing.keep(health, said) else None
            ticks += 1

    async def _watch_store(self) -> None:
        """Say at once when the store enters or leaves a bad state, to the console and on the devices that it stops."""
        seen = StoreState.OK
        while True:
            self._beat["store"]()
            await asyncio.sleep(STORE_WATCH_S)
            state = self._ledger.state
            if state is seen:
                continue
            seen = state
            self._courier.audit("storage", state.value, self._ledger.reason or "room again")
            self._supervisor.store_changed(
                None if state in (StoreState.OK, StoreState.RESERVE) else self._ledger.reason
            )
            self._courier.tell("up/health", self._gather(), qos=0)


async def serve(config: Config, ready: Callable[[], None]) -> bool:
    """Run the appliance until SIGTERM or SIGINT; return whether it is to start again, with another configuration.

    Raises LinkBusy where one runs on the same data directory.
    """
    lock = Lock(config.appliance.data_dir)
    loop = asyncio.get_running_loop()
    recent, manager = Recent(), ServiceManager()
    logging.getLogger().addHandler(recent)
    manager.status("loading and proving the models")
    appliance = Appliance(config, SystemClock(), random.Random(), ready, recent, manager)
    task = asyncio.create_task(appliance.run())

    def stop() -> None:
        manager.stopping()
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        log.info("stopped")
    finally:
        logging.getLogger().removeHandler(recent)
    del lock
    return appliance.restarting.is_set() and not task.cancelled()
