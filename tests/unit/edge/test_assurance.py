"""Detection trials: only counts come of them; real scans go first; whatever goes wrong harms nothing else."""

import asyncio
import contextlib
import json
import random
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from drivers.contract import Energy, Picture, Polarity, Scan
from edge import judge as judging
from edge.assurance import FILE, FIRST_S, KEPT, Assurance, Due, Trial
from edge.judge import NO_ANSWER, Judge
from edge.nouns import Decision
from edge.watch import JudgeWatch
from inference import Found, Judgement
from tests.core import FakeClock, until

pytestmark = pytest.mark.slow

SHA = "ab" * 32


def bag(seed: int = 1) -> Picture:
    """A bag of soft things as 16-bit counts."""
    rng = np.random.default_rng(seed)
    counts = np.full((240, 300), 60_000.0)
    counts[25:215, 30:270] *= 0.8
    for _ in range(6):
        y, x = rng.integers(30, 150), rng.integers(35, 200)
        counts[y : y + 60, x : x + 60] *= 0.85
    counts += rng.normal(0, 60, counts.shape)
    values = np.clip(counts, 0, 65_535).astype(np.uint16)
    return Picture(0, Energy.SINGLE, 240, 300, 1, 16, values.tobytes(), Polarity.AIR_HIGH)


def scan(**changes) -> Scan:
    given = {"at": FakeClock().now(), "key": "k", "original": b"", "media_type": "x", "name": "n", "pictures": (bag(),)}
    return Scan(**{**given, **changes})


class DarknessModel:
    """Alarms where a picture has something dark, and says where."""

    name, version, sha256 = "darkness", "1.0.0", SHA

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.started = threading.Event()
        self.box = None
        self.seen = 0

    def judge(self, pictures, elevated=False, points=None):
        self.started.set()
        assert self.gate.wait(60)
        self.seen += 1
        values = np.frombuffer(pictures[0].data, np.uint16).reshape(pictures[0].rows, pictures[0].columns)
        dark = np.argwhere(values < 12_000)
        if not len(dark):
            return Judgement(False, 0.1, 0.5, (0.0, 0.0), 0, (), 1.0)
        (top, left), (bottom, right) = dark.min(0), dark.max(0) + 1
        box = self.box or (float(left), float(top), float(right - left), float(bottom - top))
        return Judgement(True, 0.9, 0.5, (0.0, 0.0), 0, (Found("dark", "PI", 0.9, box),), 1.0)

    def self_test(self):
        pass


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def assurance(tmp_path, clock):
    made = Assurance(tmp_path, 1.0, clock, random.Random(3))
    clock.advance(FIRST_S + 1)
    return made


def outcome(due: Due) -> Trial:
    return next(step for step in due.steps if step is not None)


def test_a_threat_in_a_clear_scan_is_found_and_counted(assurance):
    assurance.offer("xray-1", scan(), DarknessModel(), None)
    due = assurance.due()
    trial = outcome(due)
    assert trial.detected
    assert trial.model == SHA
    assurance.record(due.device, trial)
    state = assurance.state()["xray-1"]
    assert (state.trials, state.detected, state.missed, state.problem) == (1, 1, {}, "")
    assert state.low < 0.5 < state.high == 1


def test_an_alarm_elsewhere_is_a_miss(assurance):
    model = DarknessModel()
    model.box = (0.0, 0.0, 3.0, 3.0)
    assurance.offer("xray-1", scan(), model, None)
    due = assurance.due()
    trial = outcome(due)
    assert not trial.detected
    assurance.record(due.device, trial)
    assert assurance.state()["xray-1"].missed == {trial.kind: 1}


def test_the_scan_itself_is_left_as_it_was(assurance):
    given = scan()
    before = bytes(given.pictures[0].data)
    assurance.offer("xray-1", given, DarknessModel(), None)
    outcome(assurance.due())
    assert bytes(given.pictures[0].data) == before


def test_trials_come_an_hour_apart_and_each_device_has_its_own(assurance, clock):
    model = DarknessModel()
    for device in ("xray-1", "xray-2"):
        assurance.offer(device, scan(), model, None)
    assert {assurance.due().device, assurance.due().device} == {"xray-1", "xray-2"}
    assurance.offer("xray-1", scan(), model, None)
    assert assurance.due() is None
    clock.advance(3601)
    assurance.offer("xray-1", scan(), model, None)
    assert assurance.due().device == "xray-1"


def test_nothing_is_kept_before_a_trial_is_due(tmp_path, clock):
    made = Assurance(tmp_path, 1.0, clock, random.Random(3))
    made.offer("xray-1", scan(), DarknessModel(), None)
    assert made.due() is None


def test_the_last_trials_outlive_a_restart_and_another_model_begins_anew(assurance, tmp_path, clock):
    assurance.offer("xray-1", scan(), DarknessModel(), None)
    for number in range(KEPT + 20):
        assurance.record("xray-1", Trial("2026-11-21T09:00:00.000Z", "knife", SHA, number % 2 == 0))
    again = Assurance(tmp_path, 1.0, clock, random.Random(4))
    assert (again.state()["xray-1"].trials, again.state()["xray-1"].detected) == (KEPT, KEPT // 2)
    other = DarknessModel()
    other.sha256 = "cd" * 32
    again.offer("xray-1", scan(), other, None)
    assert again.state()["xray-1"].trials == 0


@pytest.mark.parametrize("text", ["", "[]", "{", '{"xray-1": [{"at": 1}]}', '{"xray-1": 3}', "\xff" * 20])
def test_a_file_that_cannot_be_read_is_no_reason_not_to_start(tmp_path, clock, text):
    (tmp_path / FILE).write_bytes(text.encode("latin-1"))
    assert Assurance(tmp_path, 1.0, clock, random.Random(1)).state() == {}


def test_a_disk_that_does_not_take_them_loses_counts_and_nothing_else(assurance, tmp_path):
    assurance.offer("xray-1", scan(), DarknessModel(), None)
    (tmp_path / "assurance.part").mkdir()
    assurance.record("xray-1", Trial("t", "knife", SHA, True))
    assert assurance.state()["xray-1"].trials == 1


class TestInTheJudge:
    @pytest.fixture
    async def running(self, tmp_path, clock):
        tasks = []

        def start(model, per_hour=60.0):
            watch = JudgeWatch(tmp_path, per_hour, clock, random.Random(5))
            clock.advance(FIRST_S + 1)
            judge = Judge({"m": model}, 16, clock, watch)
            tasks.append(asyncio.create_task(judge.run()))
            return judge, watch

        yield start
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def test_a_trial_is_no_verdict(self, running):
        judge, watch = running(DarknessModel())
        report = await judge.judge_scan(scan(), "m", "xray-1")
        assert report.decision is Decision.CLEAR
        await until(lambda: watch.assurance()["xray-1"].trials == 1)
        assert (judge.judged, watch.assurance()["xray-1"].detected) == (1, 1)
        assert watch.drift()["xray-1"][0].scans == 1

    async def test_without_assurance_there_is_none(self, running):
        judge, watch = running(DarknessModel(), 0.0)
        await judge.judge_scan(scan(), "m", "xray-1")
        await judge.judge_scan(scan(), "m", "xray-1")
        assert watch.assurance() == {}

    @pytest.mark.parametrize("changes", [{"scan_type": "TEST"}, {"tip_type": "IMAGE"}])
    async def test_test_objects_count_for_nothing(self, running, changes):
        judge, watch = running(DarknessModel())
        await judge.judge_scan(scan(**changes), "m", "xray-1")
        assert (watch.drift(), watch.assurance()) == ({}, {})

    async def test_real_scans_go_first(self, running, monkeypatch):
        model = DarknessModel()
        judge, watch = running(model)
        order = []
        steps = iter(["one", "two", Trial("t", "knife", SHA, True)])

        def step():
            order.append("step")
            found = next(steps)
            if found == "one":  # a scan comes while a step is at work
                loop.call_soon_threadsafe(lambda: waiting.append(asyncio.ensure_future(later())))
                arrived.wait(60)
            return found if isinstance(found, Trial) else None

        async def later():
            asked = asyncio.ensure_future(judge.judge_scan(scan(key="late"), "m", "xray-1"))
            await asyncio.sleep(0)
            arrived.set()
            await asked
            order.append("scan")

        loop, waiting, arrived = asyncio.get_running_loop(), [], threading.Event()
        monkeypatch.setattr(Assurance, "_steps", lambda *_: _endless(step))
        await judge.judge_scan(scan(), "m", "xray-1")
        await until(lambda: watch.assurance()["xray-1"].trials == 1)
        await asyncio.gather(*waiting)
        assert order.index("scan") < len(order) - 1 - order[::-1].index("step")

    async def test_a_trial_that_fails_or_hangs_is_not_blindness(self, running, monkeypatch):
        model = DarknessModel()
        judge, watch = running(model)
        gate = threading.Event()

        def hang(*_):
            monkeypatch.setattr(judging, "DEADLINE_S", 0.05)  # the trial's; a scan before it has all the time it takes
            return _endless(lambda: gate.wait(60))

        monkeypatch.setattr(Assurance, "_steps", hang)
        assert (await judge.judge_scan(scan(), "m", "xray-1")).decision is Decision.CLEAR
        await until(lambda: watch.assurance()["xray-1"].problem == NO_ANSWER)
        assert judge.blind_reason == ""
        monkeypatch.setattr(judging, "DEADLINE_S", 30.0)
        assert (await judge.judge_scan(scan(), "m", "xray-1")).decision is Decision.CLEAR
        assert watch.assurance()["xray-1"].trials == 0
        gate.set()

    async def test_an_error_in_a_trial_is_said_and_that_is_all(self, running, monkeypatch):
        judge, watch = running(DarknessModel())

        def broken(*_):
            raise ValueError("no such thing")
            yield

        monkeypatch.setattr(Assurance, "_steps", broken)
        await judge.judge_scan(scan(), "m", "xray-1")
        await until(lambda: "ValueError" in watch.assurance()["xray-1"].problem)
        assert (await judge.judge_scan(scan(), "m", "xray-1")).decision is Decision.CLEAR


def _endless(step):
    while True:
        yield step()


def test_an_appliance_without_assurance_loads_no_simulator():
    code = "import edge.daemon, edge.judge, sys; sys.exit(any(name.startswith('simulators') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_view_of_a_scan_of_several_is_enough(assurance):
    other = replace(bag(2), view=1)
    assurance.offer("xray-1", scan(pictures=(bag(), other)), DarknessModel(), None)
    assert outcome(assurance.due()).detected


def test_what_is_kept_is_small(assurance, tmp_path):
    assurance.offer("xray-1", scan(), DarknessModel(), None)
    for _ in range(3 * KEPT):
        assurance.record("xray-1", Trial("2026-11-21T09:00:00.000Z", "folding-knife", SHA, True))
    assert (tmp_path / FILE).stat().st_size < 40_000
    assert len(json.loads((tmp_path / FILE).read_text())["xray-1"]) == KEPT
