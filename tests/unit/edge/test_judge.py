"""The judge: what cannot be judged is unknown with a reason, never clear; a slow or broken model is no disaster."""

import asyncio
import contextlib
import random
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from drivers.contract import Energy, Picture, Scan, Severity
from drivers.errors import ModelError
from edge import judge as module
from edge.config.model import Inference
from edge.judge import MAX_STUCK, NO_ANSWER, Judge, judge_reading
from edge.nouns import Decision
from inference import Found, Judgement
from tests.core import FakeClock, reading, until

PICTURE = Picture(0, Energy.SINGLE, 2, 2, 1, 8, b"\0\0\0\0")


def scan(number=0, **changes):
    return Scan(FakeClock().now(), f"key {number}", b"bits", "image/png", "n", (PICTURE,), **changes)


def judgement(score, *found):
    return Judgement(score >= 0.5, score, 0.5, (1.0, 2.0), 0, found, 12.3)


GUN = Found(label="gun", category="PI", score=0.93, box=(1.0, 2.0, 3.0, 4.0), view=0)


class FakeModel:
    """Answers what a test puts into `answer`: a judgement, an error to raise, or an event to wait for first."""

    name, version, sha256 = "fake", "1", "00" * 32

    def __init__(self):
        self.answer = judgement(0.1)
        self.gate = threading.Event()
        self.gate.set()
        self.seen = []
        self.sick = None
        self.rested = 0

    def judge(self, pictures, elevated=False, points=None):
        self.seen.append(pictures)
        assert self.gate.wait(60)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def self_test(self):
        if self.sick:
            raise self.sick

    def rest(self):
        self.rested += 1


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setattr(module, "thumbnail", lambda *_: b"jpeg")
    fake = FakeModel()
    yield fake
    fake.gate.set()


@pytest.fixture
async def make_judge():
    """`make_judge(models)` runs a judge until the test ends."""
    running = []

    def make(models, max_waiting=16, clock=None):
        judge = Judge(models, max_waiting, clock or FakeClock())
        judge.said = []
        judge.on_blind = judge.said.append
        running.append(asyncio.create_task(judge.run()))
        return judge

    yield make
    for task in running:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def judge(make_judge, model):
    return make_judge({"fake": model})


async def test_clear_below_the_threshold(judge):
    report = await judge.judge_scan(scan(), "fake")
    assert (report.decision, report.score, report.threshold, report.threats) == (Decision.CLEAR, 0.1, 0.5, ())
    assert (report.thumb, report.severity, report.ms) == (None, None, 12.3)
    assert report.model.name == "fake"


async def test_a_hit_says_who_ran_the_graph_where_there_is_a_server(judge, model):
    for at, fallback in (("server", None), ("local", "no answer in 1000 ms")):
        model.answer = replace(judgement(0.93, GUN), at=at, fallback=fallback)
        report = await judge.judge_scan(scan(), "fake")
        assert (report.model.at, report.model.fallback) == (at, fallback)


class ServedModel(FakeModel):
    remote = None

    def served_by(self, server, clock, chance):
        self.remote = server and SimpleNamespace(told=lambda: server.url)


async def test_whoever_judges_is_offered_to_the_server_and_nobody_else(monkeypatch):
    configured, activated = ServedModel(), ServedModel()
    activated.name = "other"
    monkeypatch.setattr(module, "load", lambda *_: configured)
    given = Inference(server="http://127.0.0.1:8080")
    judge = Judge.load({"fake"}, given, FakeClock(), None, random.Random(1))
    assert judge.servers() == {"fake 1": "http://127.0.0.1:8080"}
    judge.activate("xray-1", activated)
    judge.activate("xray-2", activated)
    assert judge.servers().keys() == {"fake 1", "other 1"}
    judge.activate("xray-1", None)
    assert activated.remote is not None
    judge.activate("xray-2", None)
    assert (activated.remote, list(judge.servers())) == (None, ["fake 1"])


async def test_an_alarm_has_its_threats_a_severity_and_a_thumbnail(judge, model):
    model.answer = judgement(0.93, GUN)
    report = await judge.judge_scan(scan(), "fake")
    assert report.decision is Decision.ALARM
    assert [t.label for t in report.threats] == ["gun"]
    assert report.severity is Severity.CRITICAL  # high, and the model is sure
    assert (report.thumb, report.peak) == (b"jpeg", (1.0, 2.0))


async def test_what_is_missing_of_a_scan_leaves_an_alarm_and_clears_nothing(judge, model):
    parted = replace(scan(), incomplete="1 of 2 pictures came within 4 s")
    report = await judge.judge_scan(parted, "fake")
    assert (report.decision, report.reason, report.score) == (Decision.UNKNOWN, "1 of 2 pictures came within 4 s", 0.1)
    model.answer = judgement(0.93, GUN)
    assert (await judge.judge_scan(parted, "fake")).decision is Decision.ALARM


async def test_a_test_run_and_a_projected_threat_are_in_no_figure(judge):
    for marks in ({"tip_type": "FTI"}, {"scan_type": "NON_OPERATIONAL"}):
        assert (await judge.judge_scan(scan(**marks), "fake")).decision is Decision.CLEAR
    assert (judge.judged, judge.times_ms()) == (0, (None, None))
    await judge.judge_scan(scan(), "fake")
    assert judge.judged == 1


async def test_an_alarm_without_a_thumbnail_is_an_alarm(judge, model, monkeypatch):
    monkeypatch.setattr(module, "thumbnail", lambda *_: (_ for _ in ()).throw(ModelError("no picture")))
    model.answer = judgement(0.93, GUN)
    report = await judge.judge_scan(scan(), "fake")
    assert (report.decision, report.thumb) == (Decision.ALARM, None)


async def test_an_alarm_is_told_before_it_is_drawn_and_nothing_else_is(judge, model, monkeypatch):
    told = []
    judge.on_alarm = lambda scan: told.append(scan.key)
    monkeypatch.setattr(module, "thumbnail", lambda *_: (told.append("drawn"), b"jpeg")[1])
    for number, answer in enumerate((judgement(0.1), judgement(0.93), judgement(0.93, GUN))):
        model.answer = answer
        await judge.judge_scan(scan(number), "fake")
    assert told == ["drawn", "key 2", "drawn"], "an alarm with nothing to show for it is no hit"


async def test_an_alarm_with_nothing_to_show_for_it_is_never_clear(judge, model):
    model.answer = judgement(0.93)
    report = await judge.judge_scan(scan(), "fake")
    assert report.decision is Decision.UNKNOWN


@pytest.mark.parametrize(
    ("given", "name", "reason"),
    [
        (scan(problem="a person"), "fake", "a person"),
        (scan(), None, "no model"),
        (scan(), "absent", "the model absent is not loaded"),
    ],
)
async def test_what_there_is_no_model_for_is_unknown(judge, given, name, reason):
    report = await judge.judge_scan(given, name)
    assert report.decision is Decision.UNKNOWN
    assert reason in report.reason


@pytest.mark.parametrize("error", [ModelError("too small"), ValueError("x"), MemoryError(), TimeoutError()])
async def test_a_model_that_raises_makes_it_unknown_and_judges_the_next(judge, model, error):
    model.answer = error
    report = await judge.judge_scan(scan(), "fake")
    assert report.decision is Decision.UNKNOWN
    assert report.reason == (
        "too small" if isinstance(error, ModelError) else f"the model failed: {type(error).__name__}"
    )
    assert judge.blind_reason == ""
    model.answer = judgement(0.2)
    assert (await judge.judge_scan(scan(), "fake")).decision is Decision.CLEAR


async def test_a_model_that_hangs_makes_it_unknown_and_the_appliance_blind(judge, model, monkeypatch):
    monkeypatch.setattr(module, "DEADLINE_S", 0.02)
    model.gate.clear()
    report = await judge.judge_scan(scan(), "fake")
    assert (report.decision, report.reason) == (Decision.UNKNOWN, NO_ANSWER)
    assert judge.said == [judge.blind_reason]
    assert "no answer" in judge.blind_reason
    model.gate.set()
    monkeypatch.setattr(module, "DEADLINE_S", 30)
    assert (await judge.judge_scan(scan(), "fake")).decision is Decision.CLEAR
    assert judge.said[-1] == judge.blind_reason == ""


async def test_only_so_many_threads_are_left_hanging(judge, model, monkeypatch):
    monkeypatch.setattr(module, "DEADLINE_S", 0.01)
    model.gate.clear()
    reports = [await judge.judge_scan(scan(n), "fake") for n in range(MAX_STUCK + 3)]
    assert {r.reason for r in reports} == {NO_ANSWER}
    await until(lambda: len(model.seen) == MAX_STUCK)  # a thread may begin after it was given up
    model.gate.set()
    await until(lambda: not any(hand.alive for hand in judge._stuck))
    monkeypatch.setattr(module, "DEADLINE_S", 30)
    assert (await judge.judge_scan(scan(), "fake")).decision is Decision.CLEAR


async def test_the_oldest_scan_that_waits_gives_way_to_the_newest(make_judge, model):
    judge = make_judge({"fake": model}, max_waiting=2)
    model.gate.clear()
    asked = [asyncio.create_task(judge.judge_scan(scan(0), "fake"))]
    await until(lambda: model.seen)
    asked += [asyncio.create_task(judge.judge_scan(scan(n), "fake")) for n in range(1, 6)]
    await asyncio.sleep(0)
    model.gate.set()
    reports = await asyncio.gather(*asked)
    assert [r.reason for r in reports] == [None, "overloaded", "overloaded", "overloaded", None, None]
    assert (judge.overloaded, judge.judged) == (3, 3)


async def test_a_scan_that_nobody_waits_for_any_more_is_in_nobodys_way(make_judge, model):
    """Its device died while it waited: neither is it judged, nor does giving it up fail whoever comes next."""
    judge = make_judge({"fake": model}, max_waiting=1)
    model.gate.clear()
    first = asyncio.create_task(judge.judge_scan(scan(0), "fake"))
    await until(lambda: model.seen)
    gone = asyncio.create_task(judge.judge_scan(scan(1), "fake"))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    last = asyncio.create_task(judge.judge_scan(scan(2), "fake"))
    await asyncio.sleep(0)
    model.gate.set()
    assert [(await first).decision, (await last).decision] == [Decision.CLEAR] * 2
    assert (len(model.seen), judge.overloaded) == (2, 0)


async def test_one_sick_model_among_two_makes_the_appliance_blind_until_it_passes(make_judge, model):
    other = FakeModel()
    other.name = "other"
    judge = make_judge({"fake": model, "other": other})
    model.sick = ModelError("scores 0.2, not 0.9")
    await judge.self_test()
    assert judge.blind_reason == "fake: scores 0.2, not 0.9"
    await judge.judge_scan(scan(), "other")
    assert judge.blind_reason  # one good judgement proves nothing about the golden picture
    model.sick = None
    await judge.self_test()
    assert judge.said == ["fake: scores 0.2, not 0.9", ""]


async def test_the_models_are_proven_now_and_then(make_judge, model, monkeypatch):
    clock = FakeClock()
    judge = make_judge({"fake": model}, clock=clock)
    model.sick = ModelError("bad")
    await judge.judge_scan(scan(), "fake")
    assert judge.blind_reason == ""
    clock.advance(module.SELF_TEST_S + 1)
    await judge.judge_scan(scan(), "fake")
    await until(lambda: judge.blind_reason == "fake: bad")


async def test_a_model_rests_once_the_lane_is_quiet_and_again_after_the_next_scan(make_judge, model, monkeypatch):
    monkeypatch.setattr(module, "PAUSE_S", 0.001)
    given_back = []
    monkeypatch.setattr(module.heap, "give_back", lambda: given_back.append(model.rested))
    clock = FakeClock()
    judge = make_judge({"fake": model}, clock=clock)
    for times in (1, 2):
        await judge.judge_scan(scan(times), "fake")
        await until(lambda: len(given_back) == times)  # noqa: B023 - waited for within the turn
        assert model.rested == times - 1, "a pause between two bags is no rest"
        clock.advance(module.QUIET_S)
        await until(lambda: model.rested == times)  # noqa: B023 - as above
    pauses = []
    monkeypatch.setattr(judge, "beat", lambda: pauses.append(1))
    clock.advance(module.QUIET_S)
    await until(lambda: len(pauses) > 5)
    assert (model.rested, given_back) == (2, [0, 1]), "who rests is left alone"


async def test_how_long_it_takes(judge):
    assert judge.times_ms() == (None, None)
    await judge.judge_scan(scan(), "fake")
    assert judge.times_ms() == (12.3, 12.3)


def test_a_readings_findings_are_its_alarm():
    report = judge_reading(reading(FakeClock().now(), 7))
    assert report.decision is Decision.ALARM
    assert report.threats[0].measurement.value == 7
    assert report.severity is Severity.MEDIUM
    assert judge_reading(reading(FakeClock().now(), findings=())) is None
