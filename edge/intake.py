"""The way of an observation through the core: lane, judge, ledger. The driver is answered once it is committed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from drivers.clock import Clock
from drivers.contract import Category, Identity, Observation, Outcome, Reading, Scan, Screened, Verdict
from drivers.errors import StoreError, StoreRejected
from drivers.registry import source_of
from edge.answer import verdict, verdict_again
from edge.clock import uuid7
from edge.collapse import Collapse, Flap
from edge.config import DeviceConfig
from edge.event import EventWriter
from edge.judge import Judge, judge_reading
from edge.lane import Seen
from edge.lane.desk import Covert, Desk, Match, no_lane
from edge.lane.signs import Sign
from edge.ledger import Ledger, Record
from edge.ledger.entries import StoreState
from edge.ledger.reader import Reader
from edge.ledger.revision import Revision
from edge.nouns import Decision, Evidence, Hit, Item, Targeted, ThreatReport
from edge.severity import raised
from edge.targets import names_of

log = logging.getLogger("jaitf.core")

RETRY_S = 1.0
TELL_S = 1.0
OPEN = {Category.EXPLOSIVE, Category.PI}
"""Threats that no target keeps off a display."""


class Intake:
    """Takes observations of every device, in the order of each device; `on_reading` publishes what is no hit."""

    def __init__(
        self,
        judge: Judge,
        ledger: Ledger,
        reader: Reader,
        events: EventWriter,
        clock: Clock,
        on_reading: Callable[[str, Reading], None],
        match: Callable[[Iterable[Identity]], Targeted | None] = lambda names: None,
        laid_out: Callable[[Match, Covert], Desk] = no_lane,
    ) -> None:
        self._judge = judge
        self._ledger = ledger
        self._reader = reader
        self._events = events
        self._clock = clock
        self._on_reading = on_reading
        self._match = match
        self.desk = laid_out(match, _is_covert)
        self.on_notice: Callable[[str, str], None] = lambda outcome, detail: log.warning("lane: %s", detail)
        """Hears what a person must know of the lane: outcome and detail."""
        self._collapse = Collapse()
        self.beat: Callable[[], None] = lambda: None
        #: Called with each hit once it is on the disk, in the event loop.
        self.on_hit: Callable[[Hit], None] = lambda hit: None
        #: Called with each observation as it comes in; and with each scan and its verdict once they are on the disk.
        self.on_taken: Callable[[str], None] = lambda device: None
        self.on_screened: Callable[[str, Scan, ThreatReport, Hit | None], None] = lambda *_: None

    async def take(self, device: DeviceConfig, observation: Observation) -> Outcome:
        """Return what became of an observation: committed, known already, or refused because the store is full."""
        return (await self.screen(device, observation)).outcome

    async def screen(self, device: DeviceConfig, observation: Observation) -> Screened:
        """Return what became of an observation, as `take` does, and of a scan the verdict."""
        self.on_taken(device.name)
        if isinstance(observation, Scan):
            return await self._scan(device, observation)
        return Screened(await self._reading(device, observation))

    async def _scan(self, device: DeviceConfig, scan: Scan) -> Screened:
        if self._ledger.state in (StoreState.FULL, StoreState.FAILING):
            return Screened(Outcome.REFUSED)
        told, sign = None, None
        if self._reader.knows(device.name, scan.key):
            record = Record(device.name, key=scan.key, answer_repeats=scan.answer_repeats)
        else:
            record, told, sign = await self._judged(device, scan)
        try:
            written = await self._ledger.commit(record)
        except StoreError as error:
            log.warning("%s: a scan is refused: %s", device.name, error)
            if sign:
                self.desk.take_back(sign)  # the scanner sends it again
            return Screened(Outcome.REFUSED)
        if not written.repeated:
            self._tell(record)
            if sign:
                self.on_screened(device.name, scan, sign.report, record.hit)
            if record.hit and sign:
                self.desk.opened(record.hit, sign, sign.report.severity)
            return Screened(Outcome.COMMITTED, told)
        return Screened(Outcome.REPEATED, self._verdict_again(device, scan.key))

    def _verdict_again(self, device: DeviceConfig, key: str) -> Verdict | None:
        try:
            return verdict_again(self._events.identity, self._reader, device.name, key)
        except StoreError as error:
            log.warning("%s: the verdict on a repeated scan cannot be read: %s", device.name, error)
            return None

    async def _judged(self, device: DeviceConfig, scan: Scan) -> tuple[Record, Verdict | None, Sign]:
        seen = self.desk.see(device.name, scan)
        target = self._match(self.desk.lane.identities(seen))
        elevated = target is not None or self.desk.is_asked_for(seen)
        judged = await self._judge.judge_scan(scan, device.model, device.name, elevated=elevated)
        item = self.desk.lane.item(seen)  # its tag may have been read meanwhile
        report = _pressed(judged, target)
        sign = self.desk.find(device, seen, scan, report)
        hit = None
        if report.decision is Decision.ALARM:
            hit = Hit(
                hit_id=uuid7(self._clock.now().wall_ns),
                rev=0,
                device=device.name,
                driver=device.driver,
                observed=scan.at,
                item=item,
                report=report,
                evidence=Evidence(scan.original, scan.media_type),
                scan_type=scan.scan_type if scan.scan_type != "OPERATIONAL" else None,
                tip_type=scan.tip_type,
                targeted=target,
                covert=_is_covert(target, report),
            )
            hit = self.desk.dress(hit, sign)
        at = report.ended or self._clock.now()
        kind = (scan.scan_type, scan.tip_type)
        kept, digest = await self._kept(scan)
        message = self._events.verdict(report, item, at, hit, kind, target, source_of(device.driver), digest)
        told = None
        if hit is None or not hit.covert:  # else the scanner would show what only the console may know
            told = verdict(self._events.identity, scan, item, report, hit.hit_id if hit else None, at)
        record = Record(
            device.name,
            verdict=message,
            hit=hit,
            thumb=report.thumb if hit else None,
            key=scan.key,
            answer_repeats=scan.answer_repeats,
            kept=kept,
        )
        return record, told, sign

    async def _kept(self, scan: Scan) -> tuple[Evidence | None, str | None]:
        """Return what is kept of a scan that nothing can judge, with its digest: a CT, a damaged object."""
        if scan.problem is None or not scan.original or self._ledger.state is not StoreState.OK:
            return None, None
        digest = await asyncio.to_thread(lambda: hashlib.sha256(scan.original).hexdigest())
        return Evidence(scan.original, scan.media_type), digest

    async def _reading(self, device: DeviceConfig, reading: Reading) -> Outcome:
        self._on_reading(device.name, reading)
        seen = self.desk.see(device.name, reading)
        if news := self.desk.teams.hear(device.name, reading):
            self._on_reading(device.name, news)
        if self.desk.weights.hear(device, reading, seen):
            await self._weigh()
        report = judge_reading(reading)
        if report is None:
            return Outcome.COMMITTED
        now_ns = self._clock.now().monotonic_ns
        flap = self._collapse.find(device.name, reading, now_ns)
        if flap is None:
            await self._found(device, reading, seen, report)
            return Outcome.COMMITTED
        flap.again(reading, now_ns)
        if flap.is_due(now_ns):
            await self._until_written(self._revision(flap))
        return Outcome.COMMITTED

    async def _found(self, device: DeviceConfig, reading: Reading, seen: Seen, report: ThreatReport) -> None:
        """Commit a reading's hit; what is faint alone waits at the desk for another device's word."""
        item, target = self.desk.lane.item(seen), self._match(self.desk.lane.identities(seen))
        report = _pressed(report, target)
        sign = self.desk.find(device, seen, reading, report)
        if not self.desk.alone(sign):
            return
        hit = self.desk.dress(_hit(device, reading, report, uuid7(self._clock.now().wall_ns), item, target), sign)
        self._collapse.open(device, reading, hit.hit_id, item, self._clock.now().monotonic_ns)
        await self._until_written(Record(device.name, hit=hit))
        self.desk.opened(hit, sign, report.severity)

    async def _weigh(self) -> None:
        """Commit the hits of parcels that weigh something else than their labels say."""
        for weighed in self.desk.weights.found(self._clock.now().monotonic_ns):
            if report := judge_reading(weighed.reading):
                with contextlib.suppress(StoreRejected):
                    await self._found(weighed.device, weighed.reading, weighed.seen, report)

    async def run(self) -> None:
        """Tell what is known better of hits, until cancelled; then what is still untold.

        That is the last count of contacts that went quiet, and what other devices have said since of the same items.
        """
        try:
            while True:
                self.beat()
                await asyncio.sleep(TELL_S)
                now_ns = self._clock.now().monotonic_ns
                for flap in self._collapse.due(now_ns):
                    with contextlib.suppress(StoreRejected):  # the ledger has logged it
                        await self._until_written(self._revision(flap))
                await self._tell_changes(now_ns)
        finally:
            for flap in self._collapse.untold():
                written = self._ledger.commit(self._revision(flap))
                # The ledger writes it before it closes; nobody is left to try again.
                written.add_done_callback(lambda f: f.cancelled() or f.exception())

    async def _tell_changes(self, now_ns: int) -> None:
        for outcome, detail in self.desk.notices():
            self.on_notice(outcome, detail)
        await self._weigh()  # a label may be known to be a parcel's only now
        for change in self.desk.changes(now_ns):
            with contextlib.suppress(StoreRejected):
                await self._until_written(Revision(change.hit_id, change.words, change.thumb))
        for found in self.desk.joins(lambda: uuid7(self._clock.now().wall_ns)):
            with contextlib.suppress(StoreRejected):
                await self._until_written(Record(found.hit.device, hit=found.hit, thumb=found.sign.thumb))
                self.desk.opened(found.hit, found.sign, found.hit.report.severity)

    def _revision(self, flap: Flap) -> Record:
        flap.revise(self._clock.now().monotonic_ns)
        report = judge_reading(flap.last)
        assert report is not None  # only alarms are collapsed
        target = self._match(names_of(flap.item.bag_tag, flap.last.identities))
        hit = _hit(flap.device, flap.last, _pressed(report, target), flap.hit_id, flap.item, target)
        if said := self.desk.told(flap.hit_id):
            report = replace(hit.report, severity=said.report.severity)
            hit = replace(
                hit,
                item=said.item,
                report=report,
                targeted=said.targeted,
                covert=said.covert,
                corroboration=said.corroboration,
                pictures=said.pictures,
                canine=said.canine,
            )
        return Record(flap.device.name, hit=replace(hit, rev=flap.rev, count=flap.count))

    def _tell(self, record: Record | Revision) -> None:
        if isinstance(record, Record) and record.hit is not None:
            if record.hit.rev == 0 and not record.hit.covert:  # a covert one is the console's alone
                _log(record.hit)
            self.on_hit(record.hit)

    async def _until_written(self, record: Record | Revision) -> None:
        """Write a reading's hit however long it takes: the hardware cannot be told to say it again.

        Raises StoreRejected for one that no amount of waiting gets into the ledger.
        """
        while True:
            try:
                await self._ledger.commit(record)
                self._tell(record)
            except StoreRejected:
                raise
            except StoreError as error:
                what = record.device if isinstance(record, Record) else record.what
                log.debug("%s: a hit waits for the store: %s", what, error)
                self.beat()  # a store that refuses is a state, and no hang
                await asyncio.sleep(RETRY_S)
            else:
                return


def _log(hit: Hit) -> None:
    """Write a committed hit into the log, for who looks for it by device or by its id; nothing of whose bag it was."""
    labels = ", ".join(sorted({threat.label for threat in hit.report.threats}))
    facts = {"device": hit.device, "hit_id": hit.hit_id}
    log.info("%s: hit %s, %s: %s", hit.device, hit.hit_id, hit.report.severity, labels, extra=facts)


def _hit(
    device: DeviceConfig, reading: Reading, report: ThreatReport, hit_id: str, item: Item, target: Targeted | None
) -> Hit:
    return Hit(
        hit_id=hit_id,
        rev=0,
        device=device.name,
        driver=device.driver,
        observed=reading.at,
        item=item,
        report=report,
        raw=reading.raw,
        scan_type=reading.scan_type if reading.scan_type != "OPERATIONAL" else None,
        tip_type=reading.tip_type,
        targeted=target,
        covert=_is_covert(target, report),
    )


def _pressed(report: ThreatReport, target: Targeted | None) -> ThreatReport:
    """Return a verdict with its severity one step higher where the item was asked for."""
    if target is None or report.severity is None:
        return report
    return replace(report, severity=raised(report.severity))


def _is_covert(target: Targeted | None, report: ThreatReport) -> bool:
    """Return whether a hit is the console's alone. What endangers people never is: everyone in the lane must see it."""
    return target is not None and target.covert and not any(threat.category in OPEN for threat in report.threats)
