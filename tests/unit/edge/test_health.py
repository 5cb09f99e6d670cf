"""What `up/health` says, and that it says it when things fail."""

import json
import random
from types import SimpleNamespace

import pytest

from drivers.contract import DeviceState
from drivers.errors import StoreError
from edge.calibration import Calibration, Calibrations, Measured
from edge.clock import ClockQuality, ClockState
from edge.health import HealthWatch, rss_bytes, written_bytes
from edge.ledger.accounts import Accounts
from edge.ledger.entries import StoreState
from edge.watch import JudgeWatch
from tests.core import FakeClock

CLOCK = ClockState(ClockQuality.SYNCED, 0.1)


@pytest.fixture
def parts():
    accounts = Accounts(hits=3, hit_bytes=3000, set_aside=1, evidence_bytes=7)
    accounts.added("verdict", 100)
    accounts.dropped["thumb"] = 4
    clock = FakeClock()
    started = clock.now()
    clock.advance(100)
    return SimpleNamespace(
        clock=clock,
        started=started,
        ledger=SimpleNamespace(
            accounts=accounts,
            state=StoreState.RESERVE,
            reason="nearly full",
            used_bytes=5,
            room=SimpleNamespace(disk_free_bytes=lambda: 99),
        ),
        reader=SimpleNamespace(oldest_unsent_ns=lambda: started.wall_ns),
        judge=SimpleNamespace(
            times_ms=lambda: (1.0, 2.0), judged=5, overloaded=6, blind_reason="no answer", servers=dict
        ),
        courier=SimpleNamespace(conflicts=2),
        supervisor=SimpleNamespace(status={"x": SimpleNamespace(state=DeviceState.UP, facts={"gain_age_h": 7})}),
        watch=SimpleNamespace(drift=dict, assurance=dict),
        quota_bytes=1000,
        targets=SimpleNamespace(body=lambda: None),
        expiry=SimpleNamespace(look=lambda now_ns: None),
    )


def gather(parts):
    return HealthWatch(**vars(parts)).gather(CLOCK)


def test_it_says_how_the_appliance_fares(parts):
    health = gather(parts)
    assert health.oldest_unsent_hit_s == 100.0
    assert health.calibration_age_h == {"x": 7}
    assert health.queued == {"hit": 3, "verdict": 1}
    assert (health.outbox_bytes, health.set_aside, health.dropped["thumb"]) == (3100, 1, 4)
    assert (health.storage, health.storage_reason, health.disk_free_bytes) == ("reserve", "nearly full", 99)
    assert (health.blind, health.blind_reason, health.uptime_s) == (True, "no answer", 100.0)
    assert health.devices == {"x": "up"}
    assert health.encoded().startswith(b'{"at":"')


def test_nothing_waits(parts):
    parts.reader.oldest_unsent_ns = lambda: None
    assert gather(parts).oldest_unsent_hit_s == 0.0


def test_a_clock_that_was_set_back_makes_no_age_negative(parts):
    parts.clock.wall_ns -= 7200 * 10**9
    assert gather(parts).oldest_unsent_hit_s == 0.0


def test_it_is_said_though_neither_ledger_nor_disk_answer(parts):
    def fail(error):
        raise error

    parts.reader.oldest_unsent_ns = lambda: fail(StoreError("disk I/O error"))
    parts.ledger.room.disk_free_bytes = lambda: fail(OSError(5, "Input/output error"))
    health = gather(parts)
    assert (health.oldest_unsent_hit_s, health.disk_free_bytes) == (0.0, 0)


def test_this_process():
    assert rss_bytes() > 1_000_000
    assert written_bytes() >= 0


def test_drift_and_detection_trials_are_told_by_device(parts, tmp_path):
    calibrated = Calibration(
        at="2026-11-21T09:00:00.000Z",
        by="A. Diallo",
        reason="new tube",
        model="m",
        version="1",
        sha256="ab" * 32,
        normal=0.6,
        elevated=0.4,
        measured=Measured(
            bags=100,
            alarms=10,
            alarms_elevated=30,
            wanted=(0.1, 0.3),
            edges=tuple(n / 10 for n in range(1, 10)),
            files_sha256="cd" * 32,
        ),
    )
    Calibrations(tmp_path).append(calibrated)
    trials = [{"at": "t", "kind": "knife", "model": "ab" * 32, "detected": n < 9} for n in range(10)]
    (tmp_path / "assurance.json").write_text(json.dumps({"xray-1": trials}))
    parts.watch = JudgeWatch(tmp_path, 1.0, parts.clock, random.Random(1))
    for number in range(100):
        parts.watch._drift.saw("xray-1", "ab" * 32, 0.55 + number / 250)
    health = json.loads(gather(parts).encoded())
    drift = health["drift"]["xray-1"]
    assert (drift["state"], drift["scans"], drift["calibrated_at"]) == ("drifted", 100, calibrated.at)
    assert drift["expected_alarm_rate"] == 0.1 < drift["alarm_limits"][1] < drift["alarm_rate"]
    assert "PSI" in drift["reason"] and drift["psi"] > 0.25
    trial = health["assurance"]["xray-1"]
    assert (trial["trials"], trial["detected"], trial["rate"], trial["missed"]) == (10, 9, 0.9, {"knife": 1})
    assert trial["interval"][0] < 0.9 < trial["interval"][1]
