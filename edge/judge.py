"""The judge: pictures by a model, readings by the rules that came with them. What cannot be judged is unknown."""

from __future__ import annotations

import asyncio
import logging
import random
import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from drivers import heap
from drivers.clock import Clock, Stamp
from drivers.contract import Finding, Reading, Scan, Severity
from drivers.errors import ModelError
from edge.assurance import Due, Trial
from edge.config.model import Inference
from edge.hand import Hand
from edge.modelserver import server_of
from edge.nouns import Decision, ModelName, Threat, ThreatReport
from edge.severity import ORDER, severity_table
from edge.shadow import Shadow
from edge.watch import JudgeWatch
from inference import Judgement, load, thumbnail
from inference.manifest import OperatingPoints

if TYPE_CHECKING:
    from inference import Model
    from inference.remote.remote import Told

T = TypeVar("T")

log = logging.getLogger("jaitf.judge")

DEADLINE_S = 30.0
SELF_TEST_S = 600.0
PAUSE_S = 5.0
QUIET_S = 30.0
"""Without work for so long a lane is not between two bags: what its models work in goes back."""

TIMES_KEPT = 500
MAX_STUCK = 4
"""So many threads may hang at once, each with its picture; beyond it no more pictures are risked."""

MAX_SHADOWED = 4
"""Scans that wait for a new model's judgement, each with its pictures; of more, the oldest are not compared."""

MODEL_FAILED = "the model failed"
NO_ANSWER = "the model gave no answer in time"


@dataclass(slots=True)
class _Waiting:
    scan: Scan
    model: Model
    fallback: Model | None
    device: str
    elevated: bool
    done: asyncio.Future[ThreatReport]


def unknown(reason: str) -> ThreatReport:
    """Return the verdict on an item that could not be judged."""
    return ThreatReport(decision=Decision.UNKNOWN, reason=reason)


def judge_reading(reading: Reading) -> ThreatReport | None:
    """Return the alarm that a reading's findings raise, None where it has none."""
    if not reading.findings:
        return None
    return ThreatReport(
        decision=Decision.ALARM,
        threats=tuple(_threat(finding) for finding in reading.findings),
        severity=max((f.severity for f in reading.findings), key=ORDER.index),
    )


def _threat(finding: Finding) -> Threat:
    return Threat(finding.label, finding.category, zone=finding.zone, measurement=finding.measurement)


class Judge:
    """Judges scans one after the other in a thread of its own, with the models that the devices name.

    At most `max_waiting` scans wait; one more, and the oldest of them is `unknown: overloaded`. `blind_reason` is set
    while a model fails its self-test or does not come back from a picture.
    """

    def __init__(
        self, models: dict[str, Model], max_waiting: int, clock: Clock, watch: JudgeWatch | None = None
    ) -> None:
        self.overloaded = 0
        self.judged = 0
        self.blind_reason = ""
        self._models = models
        self._max_waiting = max_waiting
        self._clock = clock
        self._watch = watch
        self._queue: deque[_Waiting] = deque()
        self._worked_ns, self._trimmed, self._rested = clock.now().monotonic_ns, False, True
        self._wake = asyncio.Event()
        self._hand = Hand("judge")
        self._stuck: list[Hand] = []
        self._times_ms: deque[float] = deque(maxlen=TIMES_KEPT)
        self._active: dict[str, Model] = {}
        self._shadows: dict[str, Shadow] = {}
        self._serve: Callable[[Model, bool], None] = lambda model, wanted: None
        self._shadowed: deque[tuple[_Waiting, Judgement, Shadow]] = deque(maxlen=MAX_SHADOWED)
        self.on_fallback: Callable[[str, str], None] = lambda device, reason: None
        self.on_alarm: Callable[[Scan], None] = lambda scan: None
        """Called in the judge's thread with a scan that raises an alarm, before its thumbnail is drawn."""
        self.on_blind: Callable[[str], None] = lambda reason: None
        self.beat: Callable[[], None] = lambda: None
        self.pictures_of_clear = False
        """Whether clear scans get a thumbnail too, for a hit that another device may yet have on the same item."""

    @classmethod
    def load(
        cls, names: set[str], given: Inference, clock: Clock, watch: JudgeWatch | None, chance: random.Random
    ) -> Judge:
        """Return a judge with these model packages loaded and proven, and offered to the server. Raises ModelError."""
        models = {name: load(name, given.threads, given.model_keys_file) for name in sorted(names)}
        judge = cls(models, given.max_waiting, clock, watch)
        if server := server_of(given):
            judge._serve = lambda model, wanted: model.served_by(
                server if wanted else None, clock, random.Random(chance.random())
            )
            for model in models.values():
                judge._serve(model, True)
        return judge

    @property
    def models(self) -> list[ModelName]:
        """Which models judge."""
        return [_name(model) for model in self._all()]

    def _all(self) -> list[Model]:
        return list({id(model): model for model in (*self._models.values(), *self._active.values())}.values())

    def active(self, device: str, configured: str | None) -> Model | None:
        """Return which model judges a device's scans: the one that was activated, else the configured one."""
        return self._active.get(device) or (self._models.get(configured) if configured else None)

    def activate(self, device: str, model: Model | None) -> None:
        """Have a model judge a device's scans from the next one on; None: the configured one again."""
        before = self._active.pop(device, None)
        if model is not None:
            if model is not before and model not in self._all():
                self._serve(model, True)
            self._active[device] = model
        self._retire(before)

    def _retire(self, model: Model | None) -> None:
        """Take a model from the server that no device's scans are judged by any more."""
        if model is not None and model not in self._all():
            self._serve(model, False)

    def servers(self) -> dict[str, Told]:
        """Return how the server fares with each model that it is asked for."""
        return {f"{m.name} {m.version}": m.remote.told() for m in self._all() if m.remote is not None}

    def shadow(self, device: str, shadow: Shadow | None) -> None:
        """Have another model judge a device's scans too, behind the one that counts, where there is time."""
        if shadow is None:
            self._shadows.pop(device, None)
        else:
            self._shadows[device] = shadow

    def times_ms(self) -> tuple[float | None, float | None]:
        """Return the median and the 99th percentile of the last judgements, in milliseconds."""
        times = sorted(self._times_ms)
        if not times:
            return None, None
        return round(statistics.median(times), 1), round(times[min(len(times) - 1, int(len(times) * 0.99))], 1)

    async def judge_scan(
        self, scan: Scan, model: str | None, device: str = "", *, elevated: bool = False
    ) -> ThreatReport:
        """Return the verdict on a scan, at the stricter operating point with `elevated`.

        Never raises for one that cannot be judged: that is unknown, with a reason.
        """
        if scan.problem is not None:
            return unknown(scan.problem)
        if model is None:
            return unknown("no model is configured for this device")
        chosen = self.active(device, model)
        if chosen is None:
            return unknown(f"the model {model} is not loaded")
        if len(self._queue) >= self._max_waiting:
            self._give_up(self._queue.popleft())
        fallback = self._models.get(model)
        done: asyncio.Future[ThreatReport] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(scan, chosen, fallback if chosen is not fallback else None, device, elevated, done)
        self._queue.append(waiting)
        self._wake.set()
        return await waiting.done

    def _give_up(self, oldest: _Waiting) -> None:
        if not oldest.done.done():
            self.overloaded += not oldest.scan.is_test
            oldest.done.set_result(unknown("overloaded"))

    async def run(self) -> None:
        """Judge what waits until cancelled, and prove the models on their golden pictures now and then."""
        next_test_ns = self._clock.now().monotonic_ns + int(SELF_TEST_S * 1e9)
        while True:
            self.beat()
            self._wake.clear()
            if self._watch is not None:
                self._watch.refresh()
            while self._queue:
                await self._judge(self._queue.popleft())
            if self._clock.now().monotonic_ns >= next_test_ns:
                await self.self_test()
                next_test_ns = self._clock.now().monotonic_ns + int(SELF_TEST_S * 1e9)
            if self._shadowed:
                await self._judge_shadowed(*self._shadowed.popleft())
                continue
            if self._watch is not None and (due := self._watch.due()):
                self._watch.tried(due, await self._try(due))
                continue
            try:
                async with asyncio.timeout(PAUSE_S):
                    await self._wake.wait()
            except TimeoutError:
                await self._pause()

    async def _pause(self) -> None:
        """Give back memory while nothing is asked for: what is free at once, what the models work in after QUIET_S."""
        if self._clock.now().monotonic_ns - self._worked_ns < QUIET_S * 1e9:
            if not self._trimmed:
                self._trimmed = True
                await asyncio.to_thread(heap.give_back)
        elif not self._rested:
            for model in self._all():
                await self._in_thread(model.rest, blinds=False)
            self._trimmed = self._rested = not self._queue

    async def self_test(self) -> None:
        """Prove every model on its golden pictures; a model that fails makes the appliance blind until it passes."""
        failures = []
        for model in self._all():
            failure = await self._in_thread(model.self_test)
            if isinstance(failure, str) and not self._fall_back_from(model, failure):
                failures.append(f"{model.name}: {failure}")
        self._see("; ".join(failures))

    async def _judge(self, waiting: _Waiting) -> None:
        if waiting.done.done():
            return  # nobody waits for it any more
        started = self._clock.now()
        points = self._watch.points(waiting.device, waiting.model) if self._watch is not None else None
        always = self.pictures_of_clear
        result = await self._in_thread(lambda: _look(waiting, points, always, self.on_alarm))
        ended = self._clock.now()
        if isinstance(result, str) and waiting.fallback and (result == NO_ANSWER or result.startswith(MODEL_FAILED)):
            self._fall_back_from(waiting.model, result)
            waiting.model, waiting.fallback = waiting.fallback, None
            await self._judge(waiting)
            return
        if isinstance(result, str):
            report = unknown(result)
        else:
            judgement, thumb = result
            report = _report(judgement, thumb, waiting.model, started, ended)
            if waiting.scan.incomplete and report.decision is Decision.CLEAR:
                report = replace(report, decision=Decision.UNKNOWN, reason=waiting.scan.incomplete)
            if not waiting.scan.is_test:
                self.judged += 1
                self._times_ms.append(judgement.ms)
            if self._watch is not None:
                self._watch.saw(waiting.device, waiting.scan, waiting.model, judgement)
            if (shadow := self._shadows.get(waiting.device)) and not shadow.over:
                self._shadowed.append((waiting, judgement, shadow))
        if not waiting.done.done():
            waiting.done.set_result(report)

    def _fall_back_from(self, model: Model, reason: str) -> bool:
        """Give every device that a model was activated for its configured one again; return whether there was one."""
        devices = [device for device, active in self._active.items() if active is model]
        for device in devices:
            log.error("%s: the model %s does not do, the configured one judges again: %s", device, model.name, reason)
            del self._active[device]
            self._retire(model)
            self.on_fallback(device, reason)
        return bool(devices)

    async def _judge_shadowed(self, waiting: _Waiting, now: Judgement, shadow: Shadow) -> None:
        if shadow.over:
            return
        points = self._watch.points(waiting.device, shadow.model) if self._watch is not None else None
        scan, elevated = waiting.scan, waiting.elevated
        result = await self._in_thread(
            lambda: shadow.model.judge(scan.pictures, elevated=elevated, points=points), blinds=False
        )
        if isinstance(result, str):
            shadow.fail(result)
        else:
            shadow.record(waiting.device, now, result)

    async def _try(self, due: Due) -> Trial | str:
        """Make a detection trial step by step; whatever scans come in between go first."""
        outcome: Trial | str | None = None
        while outcome is None:
            while self._queue:
                await self._judge(self._queue.popleft())
            outcome = await self._in_thread(lambda: next(due.steps, "the trial came to nothing"), blinds=False)
        return outcome

    async def _in_thread(self, work: Callable[[], T], blinds: bool = True) -> T | str:
        """Return what work in the judge's thread returns, or why it failed; it has a deadline.

        Without `blinds` a deadline that is missed says nothing about the model's sight.
        """
        self.beat()  # a model that does not come back is given up in time, which is getting on
        self._worked_ns, self._trimmed, self._rested = self._clock.now().monotonic_ns, False, False
        self._stuck = [hand for hand in self._stuck if hand.alive]
        if len(self._stuck) >= MAX_STUCK:
            return NO_ANSWER
        future = self._hand.do(work)
        await asyncio.wait({future}, timeout=DEADLINE_S)
        if not future.done():
            if blinds:
                self._see(f"no answer from the model for {DEADLINE_S:.0f} s")
            # The thread cannot be ended; what comes next gets another, and the stuck one is left behind.
            self._hand.dismiss()
            self._stuck.append(self._hand)
            self._hand = Hand("judge")
            return NO_ANSWER
        try:
            result = future.result()
        except ModelError as error:
            return str(error)
        except Exception as error:
            # The boundary to ONNX Runtime and OpenCV, which raise what they please; the verdict tells the console.
            log.exception("a picture could not be judged")
            return f"{MODEL_FAILED}: {type(error).__name__}"
        if self.blind_reason.startswith("no answer"):
            self._see("")
        return result

    def _see(self, blind_reason: str) -> None:
        if blind_reason != self.blind_reason:
            self.blind_reason = blind_reason
            if blind_reason:
                log.error("blind: %s", blind_reason)
            else:
                log.info("seeing again")
            self.on_blind(blind_reason)


def _name(model: Model) -> ModelName:
    return ModelName(model.name, model.version, model.sha256)


def _look(
    asked: _Waiting, points: OperatingPoints | None, always: bool, on_alarm: Callable[[Scan], None]
) -> tuple[Judgement, bytes | None]:
    scan = asked.scan
    judgement = asked.model.judge(scan.pictures, elevated=asked.elevated, points=points)
    if judgement.alarm and judgement.findings:
        on_alarm(scan)
    thumb = None
    if judgement.alarm or always:
        try:
            thumb = thumbnail(scan.pictures, judgement)
        except ModelError as error:
            log.warning("no thumbnail: %s", error)
    return replace(judgement, look=None), thumb  # nobody looks again, and it is large


def _report(judgement: Judgement, thumb: bytes | None, model: Model, started: Stamp, ended: Stamp) -> ThreatReport:
    threats = tuple(
        Threat(found.label, found.category, score=round(found.score, 4), box=found.box, view=found.view)
        for found in judgement.findings
    )
    score, threshold = round(judgement.score, 4), round(judgement.threshold, 4)
    if judgement.alarm and not threats:
        return unknown("the model raises an alarm, and finds nothing to show for it")
    alarm = judgement.alarm
    severity: Severity | None = severity_table().of(threats, score, threshold) if alarm else None
    return ThreatReport(
        decision=Decision.ALARM if alarm else Decision.CLEAR,
        score=score,
        threshold=threshold,
        peak=judgement.peak,
        threats=threats if alarm else (),
        severity=severity,
        model=replace(_name(model), at=judgement.at, fallback=judgement.fallback),
        thumb=thumb,
        ms=round(judgement.ms, 1),
        started=started,
        ended=ended,
    )
