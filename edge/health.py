"""How the appliance fares, gathered for `up/health`."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drivers.clock import Clock, Stamp, rfc3339
from drivers.errors import StoreError
from edge import modelserver
from edge.clock import ClockState
from edge.courier import Courier
from edge.courier.identity import EXPIRES_SOON_DAYS, ExpiryWatch, moment
from edge.event import clock_body
from edge.judge import Judge
from edge.ledger import Ledger
from edge.ledger.reader import Reader
from edge.messages import AssuranceBody, CertificateBody, DriftBody, Health, PageBody
from edge.supervisor.supervisor import Supervisor
from edge.targets import Targets
from edge.watch import JudgeWatch

log = logging.getLogger("jaitf.core")

S_PER_DAY = 86_400


def rss_bytes() -> int:
    """Return the memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def written_bytes() -> int:
    """Return what this process has had written to disk, 0 where the kernel does not count (proc(5), io)."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("write_bytes:")), 0)


def drift(watch: JudgeWatch) -> dict[str, DriftBody]:
    """Return each device's drift, as health says it."""
    return {
        device: DriftBody(
            state=found.state.value,
            reason=found.reason,
            scans=found.scans,
            psi=found.psi,
            alarm_rate=found.alarm_rate,
            expected_alarm_rate=found.expected,
            alarm_limits=found.limits,
            calibrated_at=line.at if line else None,
        )
        for device, (found, line) in watch.drift().items()
    }


def assurance(watch: JudgeWatch) -> dict[str, AssuranceBody]:
    """Return how each device's detection trials went, as health says it."""
    return {
        device: AssuranceBody(
            trials=found.trials,
            detected=found.detected,
            rate=round(found.detected / found.trials, 4) if found.trials else None,
            interval=(found.low, found.high),
            last_at=found.last_at,
            missed=found.missed,
            problem=found.problem,
        )
        for device, found in watch.assurance().items()
    }


@dataclass(slots=True)
class HealthWatch:
    """Gathers the appliance's health; `started` is when it came up."""

    clock: Clock
    started: Stamp
    ledger: Ledger
    reader: Reader
    judge: Judge
    courier: Courier
    supervisor: Supervisor
    watch: JudgeWatch
    quota_bytes: int
    targets: Targets
    expiry: ExpiryWatch
    page: Callable[[], PageBody | None] = lambda: None

    def gather(self, clock_state: ClockState) -> Health:
        """Return the appliance's health at this moment."""
        now = self.clock.now()
        accounts, oldest = self.ledger.accounts, self._oldest_unsent_ns()
        uptime_s = (now.monotonic_ns - self.started.monotonic_ns) / 1e9
        p50, p99 = self.judge.times_ms()
        written = written_bytes()
        return Health(
            at=now.rfc3339(),
            oldest_unsent_hit_s=max(0.0, round((now.wall_ns - oldest) / 1e9, 3)) if oldest else 0.0,
            queued=accounts.queued(),
            outbox_bytes=accounts.queued_bytes(),
            dropped=dict(accounts.dropped),
            set_aside=accounts.set_aside,
            storage=self.ledger.state.value,
            storage_reason=self.ledger.reason,
            used_bytes=self.ledger.used_bytes,
            quota_bytes=self.quota_bytes,
            disk_free_bytes=self._disk_free_bytes(),
            written_bytes=written,
            written_bytes_per_day=int(written / max(uptime_s, 1.0) * S_PER_DAY),
            devices={name: status.state for name, status in self.supervisor.status.items()},
            judged=self.judge.judged,
            overloaded=self.judge.overloaded,
            model_p50_ms=p50,
            model_p99_ms=p99,
            drift=drift(self.watch),
            assurance=assurance(self.watch),
            calibration_age_h=self._calibration_age_h(),
            model_server=modelserver.bodies(self.judge.servers()),
            blind=bool(self.judge.blind_reason),
            blind_reason=self.judge.blind_reason,
            targets=self.targets.body(),
            certificate=self._certificate(now),
            page=self.page(),
            rss_bytes=rss_bytes(),
            clock=clock_body(now, clock_state),
            client_id_conflicts=self.courier.conflicts,
            uptime_s=round(uptime_s, 1),
        )

    def _oldest_unsent_ns(self) -> int | None:
        try:
            return self.reader.oldest_unsent_ns()
        except StoreError as error:
            # Health is told above all when things fail: what cannot be known is left out, the store's state says why.
            log.debug("the oldest unsent hit: %s", error)
            return None

    def _calibration_age_h(self) -> dict[str, int]:
        """Return how many hours ago each detector that is calibrated on command was."""
        ages = {name: status.facts.get("gain_age_h") for name, status in self.supervisor.status.items()}
        return {name: age for name, age in ages.items() if isinstance(age, int)}

    def _certificate(self, now: Stamp) -> CertificateBody | None:
        found = self.expiry.look(now.monotonic_ns)
        if found is None:
            return None
        left = round(found.days_left(moment(now.wall_ns)), 2)
        return CertificateBody(
            file=found.file,
            subject=found.subject,
            not_after=rfc3339(int(found.not_after.timestamp()) * 1_000_000_000),
            days_left=left,
            state="expired" if left < 0 else "soon" if left < EXPIRES_SOON_DAYS else "ok",
        )

    def _disk_free_bytes(self) -> int:
        try:
            return self.ledger.room.disk_free_bytes()
        except OSError:
            return 0
