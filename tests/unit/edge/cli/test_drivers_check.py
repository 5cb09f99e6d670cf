"""`drivers check`: a driver's trials and its grade, with the real tag reader's driver and its simulated reader."""

import json
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest

from drivers import registry
from drivers.conformance import grading
from drivers.conformance.case import Wire
from drivers.conformance.trials import TRIALS, Grade
from simulators.conformance.llrp import CASES

LLRP = registry.available()["llrp"]
SHORT = {name: TRIALS[name] for name in ("exchange", "garbage", "probe")}
NONE = ()
DOUBTED = (replace(CASES[0], good=lambda _: False, possible=lambda _: True),)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(grading, "TRIALS", SHORT)


@pytest.fixture
def point(monkeypatch):
    """Let an installed package bring the cases of `llrp`."""

    def bring(what: str) -> None:
        brought = EntryPoint("llrp", f"{__name__}:{what}", grading.GROUP)
        monkeypatch.setattr(EntryPoint, "load", lambda self: globals()[what])
        monkeypatch.setattr(grading, "entry_points", lambda group, name: [brought] if name == "llrp" else [])

    return bring


def result(trial: str, reason: str = "") -> grading.Result:
    return grading.Result(CASES[0], Wire.TCP, trial, reason, 0.1)


def test_a_driver_that_stands(cli, short):
    ran = cli("drivers", "check", "llrp")
    rows = [line.split()[:4] + line.split()[-1:] for line in ran.out.splitlines()[1:-1]]
    assert rows == [["llrp", "tcp", name, grade, "stands"] for name, (grade, _) in SHORT.items()]
    assert (ran.status, ran.out.splitlines()[-1]) == (0, "llrp: gold, 3 of 3 trials stood")
    assert [line.split(" ", 1)[0] for line in ran.err.splitlines()] == ["1/3", "2/3", "3/3"]


def test_a_driver_that_does_not(cli, short, point, monkeypatch):
    monkeypatch.setattr("drivers.conformance.trials.AGAIN_S", 0.2)
    point("DOUBTED")
    ran = cli("drivers", "check", "llrp", "--json")
    *trials, last = map(json.loads, ran.out.splitlines())
    assert [(each["trial"], each["ok"]) for each in trials] == [
        ("exchange", False),
        ("garbage", False),
        ("probe", True),
    ]
    assert trials[0]["reason"].startswith("no good observation within 0.2 s")
    assert (ran.status, last) == (1, {"driver": "llrp", "grade": None, "trials": 3, "faults": 2})


def test_what_a_driver_raises_of_its_own_is_told_as_its_fault(cli, short, monkeypatch):
    def broken(_info, _settings):
        raise ZeroDivisionError("of its own")

    monkeypatch.setattr(registry, "make", broken)
    ran = cli("drivers", "check", "llrp")
    assert ran.status == 1 and ran.out.count("fault: raised ZeroDivisionError: of its own") == 3
    assert ran.out.endswith("llrp: no grade, 0 of 3 trials stood\n")


def test_a_driver_that_is_not_written_yet_is_not_waited_for_in_every_trial(cli, short, monkeypatch):
    async def unwritten(*_):
        raise NotImplementedError("Step 5: write simulator.said")

    monkeypatch.setattr(grading, "hold", unwritten)
    ran = cli("drivers", "check", "llrp")
    assert ran.status == 1
    assert ran.out.count("Step 5: write simulator.said") == 1
    assert "is not wholly written" in ran.err


def test_no_case_is_no_grade(cli, point):
    point("NONE")
    ran = cli("drivers", "check", "llrp")
    assert ran.status == 1 and ran.out.startswith("llrp: no grade: nobody has written a case")


def test_an_entry_point_that_leads_elsewhere(cli, point):
    point("SHORT")
    ran = cli("drivers", "check", "llrp")
    assert (ran.status, "no tuple of its cases" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [(["check"], "which driver"), (["check", "llpr"], "did you mean llrp?"), (["llrp", "dicos"], "one NAME")],
)
def test_wrong_use(cli, words, said):
    ran = cli("drivers", *words)
    assert (ran.status, said in ran.err) == (2, True)


def test_a_driver_may_be_named_check(cli, short, monkeypatch):
    named_so = replace(LLRP, name="check", summary="a driver named so")
    monkeypatch.setattr(registry, "available", lambda: {"check": named_so, "llrp": LLRP})
    assert cli("drivers", "check").out.startswith("check: a driver named so")
    assert cli("drivers", "check", "llrp").status == 0


@pytest.mark.parametrize(
    ("faults", "grade"),
    [
        ((), Grade.GOLD),
        (("probe",), Grade.SILVER),
        (("garbage",), Grade.BRONZE),
        (("garbage", "probe"), Grade.BRONZE),
        (("exchange",), None),
    ],
)
def test_each_grade_stands_on_the_ones_before(faults, grade):
    assert grading.grade(result(name, "so" if name in faults else "") for name in TRIALS) is grade


def test_what_was_not_held_gives_no_grade():
    assert grading.grade([]) is None
    assert grading.grade([result("exchange"), result("probe")]) is Grade.BRONZE
