"""A new model: proven, beside the present one, in its place, and out of it again where it does not do."""

import asyncio
import contextlib
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from drivers.errors import ModelError
from edge.commands import activate as module
from edge.commands.activate import FILE, Activation
from edge.commands.args import ActivateArgs
from edge.commands.desk import Call
from edge.config.model import Inference
from edge.judge import Judge
from edge.nouns import Decision
from inference.package import built_in, find
from tests.consoleside import ConsoleKey
from tests.core import FakeClock, until
from tests.unit.edge.test_judge import GUN, FakeModel, judgement, scan

pytestmark = pytest.mark.slow


class Named(FakeModel):
    def __init__(self, name, score):
        super().__init__()
        self.name, self.sha256 = name, name[:2].encode().hex() * 16
        self.answer = judgement(score)


@pytest.fixture
async def lane(tmp_path, monkeypatch):
    """A judge with an old model on two devices, an activation, and a new model that can be opened by its name."""
    old, new = Named("old", 0.2), Named("new", 0.4)
    judge = Judge({"old": old}, 16, FakeClock())
    devices = tuple(SimpleNamespace(name=name, model="old") for name in ("xray-1", "xray-2"))
    audits = []
    made = Activation(devices, tmp_path, Inference(), judge, FakeClock(), lambda *said: audits.append(said))
    monkeypatch.setattr(Activation, "_open", lambda self, name: {"new": new, "old": old}[name])
    made.restore()
    task = asyncio.create_task(judge.run())

    async def ask(**args):
        args = ActivateArgs(**{"model": "new", **args})
        return await made.handlers()["model.activate"](Call("model.activate", "officer-7", "t", args))

    async def scores(count, device="xray-1"):
        return [(await judge.judge_scan(scan(n), "old", device)).score for n in range(count)]

    yield SimpleNamespace(old=old, new=new, judge=judge, made=made, audits=audits, ask=ask, scores=scores, dir=tmp_path)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_at_once_and_for_one_device(lane):
    assert (await lane.ask(device="xray-1")).code == "activated"
    assert await lane.scores(1) == [0.4]
    assert await lane.scores(1, "xray-2") == [0.2]
    assert {model.name for model in lane.judge.models} == {"old", "new"}


async def test_beside_the_present_one_only_that_one_counts_and_both_scores_are_kept(lane):
    lane.new.answer = judgement(0.9, GUN)
    answer = await lane.ask(device="xray-1", shadow_scans=5)
    assert answer.status == "accepted"
    ended = asyncio.create_task(answer.rest())
    for number in range(5):
        report = await lane.judge.judge_scan(scan(number), "old", "xray-1")
        assert (report.score, report.decision) == (0.2, Decision.CLEAR)
        await until(lambda wanted=number + 1: len(lane.new.seen) == wanted)
    done = await ended
    assert (done.status, done.code) == ("done", "activated")
    told = done.result["shadow"]
    assert (told["scans"], told["alike"], told["alarms_now"], told["alarms_new"]) == (5, 0, 0, 5)
    [path] = (lane.dir / "shadow").iterdir()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["now"]["score"], line["new"]["score"]) for line in lines] == [(0.2, 0.9)] * 5
    assert await lane.scores(1) == [0.9]


async def test_one_that_breaks_beside_it_never_comes_in_its_place(lane):
    answer = await lane.ask(shadow_scans=5)
    ended = asyncio.create_task(answer.rest())
    await lane.scores(1)
    lane.new.answer = ZeroDivisionError("x")
    await lane.scores(2)
    done = await ended
    assert (done.status, done.code) == ("failed", "shadow-failed")
    assert lane.judge.blind_reason == ""
    assert await lane.scores(1) == [0.2]


async def test_one_that_breaks_in_its_place_is_taken_out_and_the_scan_is_judged_all_the_same(lane):
    await lane.ask()
    assert await lane.scores(1) == [0.4]
    lane.new.answer = ZeroDivisionError("x")
    assert await lane.scores(2) == [0.2, 0.2]
    assert [(what, outcome) for what, outcome, _ in lane.audits] == [("model.activate", "rolled-back")] * 2
    assert json.loads((lane.dir / FILE).read_text()) == []


async def test_one_that_goes_blind_is_taken_out(lane):
    await lane.ask(device="xray-1")
    lane.new.sick = ModelError("scores otherwise")
    await lane.judge.self_test()
    assert lane.judge.blind_reason == ""
    assert await lane.scores(1) == [0.2]


async def test_it_outlives_a_restart_until_the_configuration_moves_on(lane):
    await lane.ask(device="xray-1")
    lane.judge.activate("xray-1", None)
    lane.made.restore()
    assert await lane.scores(1) == [0.4]
    lane.judge.activate("xray-1", None)
    lane.made.devices[0].model = "other"
    lane.made.restore()
    assert await lane.scores(1) == [0.2]
    lane.made.devices[0].model = "old"
    lane.new.sha256 = "ff" * 32
    lane.made.restore()
    assert await lane.scores(1) == [0.2]
    assert "another model" in lane.audits[-1][2]


async def test_what_was_activated_and_cannot_be_read_is_left_out(lane):
    (lane.dir / FILE).write_text("[{")
    lane.made.restore()
    assert await lane.scores(1) == [0.2]


async def test_an_unknown_device_is_refused(lane):
    assert (await lane.ask(device="nobody")).code == "unknown-device"


@pytest.fixture
async def opening(tmp_path):
    (tmp_path / "models").mkdir()
    return Activation((), tmp_path, Inference(), Judge({}, 1, FakeClock()), FakeClock(), print)


async def test_a_package_in_the_data_directory_goes_before_a_built_in_one(opening, tmp_path):
    assert opening._open("baggage").name == "baggage"
    shutil.copytree(find("baggage"), tmp_path / "models" / "other")
    assert opening._open("other").sha256 == opening._open("baggage").sha256


async def test_a_package_that_is_not_intact_is_none(opening, tmp_path):
    shutil.copytree(find("baggage"), tmp_path / "models" / "other")
    model = tmp_path / "models" / "other" / "model.onnx"
    changed = bytearray(model.read_bytes())
    changed[len(changed) // 2] ^= 1
    model.write_bytes(changed)
    for name in ("other", "nothing-of-this-name"):
        with pytest.raises(ModelError):
            opening._open(name)
    assert module.PACKAGES == "models"
    assert Path(find(built_in()[0])).exists()


async def test_where_packages_must_be_signed_an_unsigned_one_is_not_activated(opening, tmp_path):
    shutil.copytree(find("baggage"), tmp_path / "models" / "other")
    (tmp_path / "keys.pem").write_bytes(ConsoleKey().pem)
    opening.given = Inference(model_keys_file=tmp_path / "keys.pem")
    with pytest.raises(ModelError, match="sign"):
        opening._open("other")
    assert opening._open("baggage").name == "baggage"  # it came with the appliance


async def test_a_bag_that_is_asked_for_is_judged_at_the_stricter_point_by_both_models(lane):
    asked = []
    for model in (lane.old, lane.new):
        plain = model.judge
        model.judge = lambda pictures, elevated=False, points=None, name=model.name, plain=plain: (
            asked.append((name, elevated)),
            plain(pictures),
        )[1]
    answer = await lane.ask(device="xray-1", shadow_scans=2)
    ended = asyncio.create_task(answer.rest())
    await lane.judge.judge_scan(scan(1), "old", "xray-1", elevated=True)
    await until(lambda: len(asked) == 2)
    await lane.judge.judge_scan(scan(2), "old", "xray-1")
    await ended
    assert asked == [("old", True), ("new", True), ("old", False), ("new", False)]
