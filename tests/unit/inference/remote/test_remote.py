"""A server judges while it is believed; whatever it does, no verdict is another than the local graph's."""

import random
import re
import threading

import pytest

from drivers.clock import SystemClock
from inference.remote import remote as module
from inference.remote.address import Server
from inference.remote.remote import Standing
from tests.core import until
from tests.unit.inference.conftest import blob_picture

pytestmark = pytest.mark.slow

DARK = [blob_picture(60, 50)]


@pytest.fixture
async def served(darkness):
    """`await served(url)` has a server judge for the package, and waits until it is believed or not."""
    used = []

    async def begin(url, *, until_checked=True, **changes):
        darkness.served_by(Server(url, **{"timeout_s": 30.0, **changes}), SystemClock(), random.Random(1))
        used.append(darkness.remote)
        if until_checked:
            await until(lambda: darkness.remote.told().standing is not Standing.CHECKING)
        return darkness

    yield begin
    for each in used:
        each.stop()
        each.join(60)


async def trusted(model):
    await until(lambda: model.remote.told().standing is Standing.TRUSTED)


async def test_without_a_server_nothing_is_said_of_one(darkness):
    judged = darkness.judge(DARK)
    assert (judged.at, judged.fallback) == (None, None)


async def test_a_server_that_proves_itself_judges(serve, served, darkness):
    alone = darkness.judge(DARK)
    fake = serve()
    model = await served(fake.url)
    before = fake.asked("/infer")
    judged = model.judge(DARK)
    assert (judged.at, judged.fallback, fake.asked("/infer")) == ("server", None, before + 1)
    assert judged.score == pytest.approx(alone.score, abs=1e-4)
    assert judged.findings == alone.findings
    told = model.remote.told()
    assert (told.standing, told.served, told.fell_back, told.p50_ms is None) == (Standing.TRUSTED, 1, 0, False)
    assert fake.asked("/versions/1.0.0/infer") == fake.asked("/infer")


@pytest.mark.parametrize(
    ("fault", "standing"),
    [
        ("half", Standing.AWAY),
        ("hang up", Standing.AWAY),
        ("shape", Standing.REFUSED),
        ("nan", Standing.REFUSED),
        ("500", Standing.REFUSED),
        ("redirect", Standing.REFUSED),
        ("garbage", Standing.REFUSED),
        ("another output", Standing.REFUSED),
        ("fewer bytes than said", Standing.REFUSED),
    ],
)
async def test_a_fault_costs_nothing_and_the_server_is_tried_again(serve, served, darkness, soon, fault, standing):
    alone = darkness.judge(DARK)
    fake = serve()
    model = await served(fake.url)
    fake.fault = fault
    judged = model.judge(DARK)
    assert (judged.at, judged.score, judged.findings) == ("local", alone.score, alone.findings)
    assert judged.fallback
    assert model.judge(DARK).at == "local"
    assert (model.remote.told().standing, model.remote.told().fell_back) == (standing, 2)
    fake.fault = ""
    await trusted(model)
    assert model.judge(DARK).at == "server"


@pytest.mark.parametrize("fault", ["silence", "drip"])
async def test_a_slow_server_holds_one_scan_and_no_other(serve, served, darkness, monkeypatch, fault):
    monkeypatch.setattr(module, "_PAUSES_S", dict.fromkeys(module._PAUSES_S, (60.0, 60.0)))
    fake = serve()
    model = await served(fake.url, timeout_s=0.5)
    await trusted(model)
    fake.fault = fault
    judged = [model.judge(DARK) for _ in range(3)]
    assert [each.at for each in judged] == ["local"] * 3
    assert "no answer in" in judged[0].fallback
    assert model.remote.told().standing is Standing.AWAY
    assert fake.asked("/infer") == 3  # a golden picture twice, and the first scan


async def test_one_that_is_too_slow_for_scans_is_not_taken(serve, served, darkness, monkeypatch):
    monkeypatch.setattr("inference.remote.belief.PROOF_TIMEOUT_S", 0.5)
    fake = serve()
    fake.fault = "silence"
    model = await served(fake.url, timeout_s=0.1)
    assert model.remote.told().standing is Standing.AWAY
    assert model.judge(DARK).at == "local"


async def test_it_goes_and_comes_back(serve, served, soon):
    fake = serve()
    model = await served(fake.url)
    fake.stop()
    gone = model.judge(DARK)
    assert gone.at == "local" and "127.0.0.1" in gone.fallback
    fake.start()
    await trusted(model)
    assert model.judge(DARK).at == "server"


async def test_until_it_has_been_checked_the_local_graph_judges(serve, served):
    fake = serve()
    fake.fault = "silence"
    model = await served(fake.url, until_checked=False)
    judged = model.judge(DARK)
    assert (judged.at, judged.fallback) == ("local", "the server has not been checked yet")
    fake.released.set()


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"versions": ["0.9.0"]}, "the server has version 0.9.0, the package is 1.0.0"),
        ({"inputs": [{"name": "other", "datatype": "FP32", "shape": [1]}]}, "inputs of the server and of the package"),
        ({"inputs": [{"name": "image", "datatype": "INT64", "shape": [1, 1, 64, 64]}]}, "is INT64 on the server, FP32"),
        ({"inputs": [{"name": "image", "datatype": "FP32", "shape": [1, 1, 32, 64]}]}, r"is \[1, 1, 32, 64\] on the"),
        ({"outputs": [{"name": "boxes", "datatype": "FP32", "shape": [1]}]}, "the server has no output logits"),
        ({"outputs": [{"name": "logits", "datatype": "FP32", "shape": [1, 1, 16, 17]}]}, "output logits is"),
        ({"name": "other"}, "told of other"),
    ],
)
async def test_another_model_is_refused_with_the_reason(serve, served, described, words):
    fake = serve()
    fake.described |= described
    model = await served(fake.url)
    told = model.remote.told()
    assert told.standing is Standing.REFUSED
    assert re.search(words, told.reason), told.reason
    assert (model.judge(DARK).fallback, fake.asked("/infer")) == (told.reason, 0)


async def test_any_size_on_the_server_takes_ours(serve, served):
    fake = serve()
    fake.described |= {
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 64, 64]}],
        "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, 1, -1, -1]}],
        "versions": ["1"],  # Triton counts
    }
    model = await served(fake.url)
    assert model.remote.told().standing is Standing.TRUSTED
    assert fake.asked("/versions/") == 0


async def test_values_that_differ_in_the_third_place_are_refused(serve, served):
    fake = serve()
    fake.fault = "other values"
    model = await served(fake.url)
    assert "golden picture 0: logits differs from the local graph's by up to 0.01" in model.remote.told().reason


async def test_a_server_that_changes_its_model_is_left(serve, served, soon):
    fake = serve(version=None)
    fake.version = "3"
    model = await served(fake.url)
    assert model.judge(DARK).at == "server"
    fake.version = "4"
    judged = model.judge(DARK)
    assert (judged.at, judged.fallback) == ("local", "the server has changed its model")
    await trusted(model)
    assert model.judge(DARK).at == "server"


async def test_a_spot_check_finds_values_that_went_wrong_later(serve, served, monkeypatch):
    fake = serve()
    model = await served(fake.url)
    assert model.judge(DARK).at == "server"
    fake.fault = "other values"
    monkeypatch.setattr(module, "SPOT_CHECK_EVERY", 1_000_000)
    assert model.judge(DARK).at == "server"  # finite, of the right shape: only looking tells
    monkeypatch.setattr(module, "SPOT_CHECK_EVERY", 1)
    judged = model.judge(DARK)
    assert judged.at == "local" and judged.fallback.startswith("spot check: logits differs")


async def test_who_is_no_longer_asked_hangs_up(serve, served, darkness):
    fake = serve()
    model = await served(fake.url)
    before = model.remote
    model.served_by(None, SystemClock(), random.Random(1))
    before.join(60)
    asked = len(fake.requests)
    assert model.judge(DARK).at is None
    assert before.run({}) == module.STOPPED
    assert len(fake.requests) == asked


async def test_pauses_grow_to_a_limit_and_are_never_in_step(served, darkness):
    made = [module.Remote(Server("http://127.0.0.1:1"), darkness, SystemClock(), random.Random(n)) for n in (1, 2)]
    for each in made:
        each._standing = (Standing.AWAY, "", 0)
    pauses = []
    for failures in (1, 2, 3, 20):
        for each in made:
            each._failures = failures
        one, other = (each._pause_s() for each in made)
        assert one != other
        pauses.append(one)
    assert 0.25 <= pauses[0] <= 0.5 and 15 <= pauses[-1] <= 30


async def test_a_scan_waits_out_the_moment_in_which_connections_change(serve, served, monkeypatch):
    model = await served(serve().url)
    lock = model.remote._lock
    lock.acquire()
    with monkeypatch.context() as patient:
        patient.setattr(module, "LOCK_S", 60.0)
        threading.Timer(0.02, lock.release).start()
        assert model.judge(DARK).at == "server"
    lock.acquire()
    judged = model.judge(DARK)
    lock.release()
    assert (judged.at, judged.fallback) == ("local", module.BUSY)
