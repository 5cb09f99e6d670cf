"""The officer's signals: a lamp, a buzzer or a contact at the lane that a committed hit switches on for a while.

Only decides; the device's own process does the switching. It hangs on nothing but the ledger: a lamp is lit though the
console is away, and nothing that only the console may know ever lights one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from drivers import wire
from drivers.clock import Clock
from edge.config.model import FailSafe, SignalToml
from edge.nouns import Hit

log = logging.getLogger("jaitf.core")

#: A hit that was observed longer ago than this is history (contract, section 4): nobody stands there any more.
HISTORY_NS = 60 * 10**9
OPERATIONAL = "OPERATIONAL"
_REST = {FailSafe.OFF: False, FailSafe.ON: True, FailSafe.KEEP: None}


class Signals:
    """Every signal of one lane; `order` hands a device's outputs on, whole, whenever one of them changes."""

    def __init__(self, signals: Sequence[SignalToml], clock: Clock, order: Callable[[str, wire.Order], None]) -> None:
        self._signals = signals
        self._clock = clock
        self._order = order
        self._until_ns = dict.fromkeys((signal.name for signal in signals), 0)
        self._told: dict[str, wire.Order] = {}
        self._news = asyncio.Event()

    def committed(self, hit: Hit) -> None:
        """Switch on what a hit that is on the disk switches on; at once, and for as long as each signal says."""
        now_ns = self._clock.now().monotonic_ns
        if not tells_the_officer(hit, now_ns):
            return
        for signal in self._signals:
            if switched_on(signal, hit):
                self._until_ns[signal.name] = now_ns + int(signal.seconds * 1e9)
                facts = {"device": hit.device, "hit_id": hit.hit_id}
                log.info("signal %s: %s at %s", signal.name, hit.hit_id, hit.device, extra=facts)
        self._tell(now_ns)
        self._news.set()

    async def run(self) -> None:
        """Show what there is to show, and switch off in time, until cancelled."""
        while True:
            self._news.clear()
            now_ns = self._clock.now().monotonic_ns
            self._tell(now_ns)
            ends = [until_ns for until_ns in self._until_ns.values() if until_ns > now_ns]
            try:
                async with asyncio.timeout((min(ends) - now_ns) / 1e9 if ends else None):
                    await self._news.wait()
            except TimeoutError:
                continue

    def _tell(self, now_ns: int) -> None:
        for device in dict.fromkeys(signal.device for signal in self._signals):
            outputs: dict[str, wire.OutputOrder] = {}
            for signal in self._signals:
                if signal.device == device:
                    before = outputs.get(signal.output)
                    on = self._until_ns[signal.name] > now_ns or (before is not None and before.on)
                    outputs[signal.output] = wire.OutputOrder(on=on, rest=_REST[signal.fail_safe])
            order = wire.Order(outputs=outputs)
            if self._told.get(device) != order:
                self._told[device] = order
                self._order(device, order)


def tells_the_officer(hit: Hit, now_ns: int) -> bool:
    """Say whether a hit may show at the lane: not one for the console alone, not a training's, not an old one."""
    training = hit.tip_type is not None or hit.scan_type not in (None, OPERATIONAL)
    return not hit.covert and not training and now_ns - hit.observed.monotonic_ns <= HISTORY_NS


def switched_on(signal: SignalToml, hit: Hit) -> bool:
    """Say whether a hit switches a signal on; what the signal leaves open does not matter."""
    labels = {threat.label for threat in hit.report.threats}
    return (
        (not signal.severities or hit.report.severity in signal.severities)
        and (not signal.devices or hit.device in signal.devices)
        and (not signal.labels or bool(labels & set(signal.labels)))
    )
