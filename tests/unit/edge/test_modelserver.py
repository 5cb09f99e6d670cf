"""What is told of the inference server: to the console at once, to health always."""

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from edge import modelserver, trial
from edge.config.load import load
from edge.config.model import Inference
from inference.remote.remote import Standing, Told
from tests.core import until

pytestmark = pytest.mark.slow

AWAY = Told(Standing.AWAY, "no answer in 1000 ms", 1_795_000_000_000_000_000, 40, 2, 12.5, 30.0)


def test_without_a_server_there_is_none():
    assert modelserver.server_of(Inference()) is None
    assert modelserver.bodies({}) == {}


def test_what_is_configured():
    given = Inference(server="grpcs://a:1", server_timeout_ms=250, server_token_file=Path("/t"))
    found = modelserver.server_of(given)
    assert (found.url, found.timeout_s, found.token_file, found.model) == ("grpcs://a:1", 0.25, Path("/t"), None)


def test_health_says_how_it_fares():
    body = modelserver.bodies({"baggage 1.0.0": AWAY})["baggage 1.0.0"]
    assert (body.state, body.reason, body.served, body.fell_back) == ("away", "no answer in 1000 ms", 40, 2)
    assert body.since == "2026-11-18T11:06:40.000Z"


async def test_the_console_hears_of_each_change_once(monkeypatch):
    monkeypatch.setattr(modelserver, "WATCH_S", 0.001)
    told, audited, healths = {"a 1": AWAY}, [], []

    class Judge:
        looks = 0

        def servers(self):
            self.looks += 1
            return dict(told)

    judge = Judge()
    task = asyncio.create_task(modelserver.watch(judge, lambda *line: audited.append(line), lambda: healths.append(1)))
    await until(lambda: judge.looks > 3)
    told["a 1"] = replace(AWAY, standing=Standing.TRUSTED, reason="")
    await until(lambda: len(audited) > 1)
    before = judge.looks
    await until(lambda: judge.looks > before + 3)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert audited == [
        ("model server", "away", "a 1: no answer in 1000 ms"),
        ("model server", "trusted", "a 1: judges on the server"),
    ]
    assert len(healths) == 2


def test_nothing_of_it_is_loaded_where_none_is_configured():
    import subprocess
    import sys

    code = (
        "import sys, edge.daemon, inference; inference.load('baggage', 1);"
        "print([m for m in sys.modules if m == 'grpc' or m.startswith('inference.remote.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['inference.remote.address']"


@pytest.mark.parametrize("url", ["", "localhost:8001", "tcp://a:1"])
def test_what_is_no_server(url):
    with pytest.raises(ValueError, match="server"):
        Inference(server=url)


HEAD = """\
[appliance]
site = "lfw"
lane = "t1-l3"
id = "edge-01"
data_dir = "data"
[console]
url = "mqtt://127.0.0.1:9"
"""
SERVER = '[inference]\nserver = "grpcs://pool:8001"\nserver_ca_file = "ca.pem"\n'


@pytest.mark.parametrize(
    ("now", "then", "allowed"),
    [
        (SERVER, SERVER, True),
        (SERVER, f"{SERVER}server_timeout_ms = 200\n", True),
        (SERVER, "", True),
        ("", SERVER, False),
        (SERVER, SERVER.replace("pool", "elsewhere"), False),
        (SERVER, SERVER.replace('server_ca_file = "ca.pem"\n', ""), False),
        ("", '[inference]\nserver = "grpc://pool:8001"\nserver_insecure = true\n', False),
    ],
)
def test_who_judges_is_never_set_by_command(tmp_path, now, then, allowed):
    (tmp_path / "devices").mkdir()
    (tmp_path / "ca.pem").write_text("none")
    (tmp_path / "devices" / "portal.toml").write_text('driver = "rpm-ascii"\n[settings]\nurl = "tcp://10.0.0.5:1"\n')
    (tmp_path / "edge.toml").write_text(HEAD + now)
    found = trial.stage(load(tmp_path), {"edge.toml": HEAD + then})
    assert (found.config is not None) == allowed, found.problems
    assert allowed or any("inference.server: cannot be changed by command" in each for each in found.problems)
