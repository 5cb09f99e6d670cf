"""A configuration by command: staged, probed, committed, on trial; one that does not do rolls itself back."""

import contextlib
import json
import os
import signal

import pytest

from drivers import registry
from edge import trial
from edge.config.load import load
from tests.consoleside import ConsoleKey, Sender, command, reply
from tests.core import until
from tests.mqtt import Listener
from tests.protocol.test_core_run import THIRD_PARTY, Box

pytestmark = [pytest.mark.protocol, pytest.mark.timeout(300)]

BROKEN = {"hz": 1, "fault": "lost", "after": 0}
"""A device that comes up for a moment, and is lost again."""


@pytest.fixture
async def lane(tmp_path, broker):
    """A running box with one device; `ask(name, args, *statuses)` returns the answer."""
    me = Box(tmp_path / "box", broker.url, **{"counter-1": {"hz": 1}})
    async with Listener(broker.port, receipts=True) as listener:
        await me.start()
        await listener.first("hit/counter-1")
        with Sender(broker.port) as console:

            async def ask(name, args=None, *statuses):
                asked = command(args)
                console.send(f"cmd/{name}", asked)
                return await reply(listener, asked["transaction"], *statuses)

            ask.console, ask.broker = console, broker
            try:
                yield me, listener, ask
            finally:
                with contextlib.suppress(ProcessLookupError):
                    me.process.kill()
                me.process.wait()


def files(me):
    return trial.toml_files(me.config)


def device(**settings):
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())
    return f'driver = "test"\n[settings]\n{lines}\n'


async def stage(ask, **changes):
    return await ask("config.stage", {"files": changes})


async def test_a_good_one_is_probed_committed_and_stays(lane):
    me, listener, ask = lane
    before, pid = files(me), me.process.pid
    staged = await stage(ask, **{"devices/counter-2.toml": device(hz=2)})
    assert (staged["status"], staged["code"]) == ("done", "staged")
    assert list(staged["result"]["probes"]) == ["counter-2"]
    assert files(me) == before
    asked = command({"sha256": staged["result"]["sha256"], "trial_s": 60})
    ask.console.send("cmd/config.commit", asked)
    accepted = await reply(listener, asked["transaction"], "accepted")
    assert accepted["result"]["back"] == ["counter-1", "counter-2"]
    done = await reply(listener, asked["transaction"], "done")
    assert (done["code"], done["result"]["sha256"]) == ("committed", staged["result"]["sha256"])
    await listener.first("hit/counter-2")
    assert listener.of("birth")[-1].json["config_sha256"] == staged["result"]["sha256"]
    assert (me.process.poll(), me.process.pid) == (None, pid)
    assert "devices/counter-2.toml" in files(me)
    await until(lambda: trial.read(me.config) is None)  # it is forgotten behind its answer
    ask.console.send("cmd/config.commit", asked)  # sent again: its first answer, and no other trial
    await listener.wait(lambda: len([m for m in listener.of("reply") if m.json == done]) == 2)

    back = await ask("config.rollback", {}, "done")
    assert back["code"] == "rolled-back"
    assert files(me) == before
    await listener.wait(lambda: [d["name"] for d in listener.of("birth")[-1].json["devices"]] == ["counter-1"])


async def test_one_whose_device_does_not_come_back_rolls_itself_back(lane):
    me, listener, ask = lane
    before = files(me)
    staged = await stage(ask, **{"devices/counter-1.toml": device(**BROKEN)})
    assert staged["status"] == "done"
    answer = await ask("config.commit", {"trial_s": 10}, "failed")
    assert (answer["code"], "counter-1" in answer["detail"]) == ("rolled-back", True)
    assert files(me) == before
    listener.messages.clear()
    await listener.first("hit/counter-1")  # and it works again
    await until(lambda: trial.read(me.config) is None)


async def test_one_that_cuts_the_console_off_rolls_itself_back(lane):
    me, _, ask = lane
    before = files(me)
    edge = before["edge.toml"].decode().replace(ask.broker.url, "mqtt://127.0.0.1:9")
    assert (await stage(ask, **{"edge.toml": edge}))["status"] == "done"
    answer = await ask("config.commit", {"trial_s": 10}, "failed")
    assert "the console" in answer["detail"]
    assert files(me) == before


async def test_a_power_cut_in_the_middle_of_a_trial_is_gone_on_with_and_a_crash_loop_is_ended(lane):
    me, listener, ask = lane
    before = files(me)
    await stage(ask, **{"devices/counter-1.toml": device(**BROKEN)})
    asked = command({"trial_s": 600})
    ask.console.send("cmd/config.commit", asked)
    await reply(listener, asked["transaction"], "accepted")
    await until(lambda: (state := trial.read(me.config)) and state.starts == 1)
    for _ in range(2):
        os.kill(me.process.pid, signal.SIGKILL)
        me.process.wait()
        me.log.unlink()
        await me.start()
    assert trial.read(me.config).starts == 3
    os.kill(me.process.pid, signal.SIGKILL)
    me.process.wait()
    me.log.unlink()
    await me.start()
    answer = await reply(listener, asked["transaction"], "failed")
    assert (answer["code"], "did not stay up" in answer["detail"]) == ("rolled-back", True)
    assert files(me) == before


async def test_what_will_not_do_is_not_even_staged(lane, tmp_path):
    me, _, ask = lane
    before = files(me)
    edge = before["edge.toml"].decode()
    (tmp_path / "secret").write_text("hunter2")
    wrong = {
        "a mistake": {"devices/counter-2.toml": 'driver = "tset"\n'},
        "no toml": {"edge.toml": "= = ="},
        "another appliance": {"edge.toml": edge.replace('"edge-01"', '"edge-02"')},
        "other data": {"edge.toml": edge.replace("/data", "/elsewhere")},
        "somebody's file": {"edge.toml": edge + f'username = "x"\npassword_file = "{tmp_path / "secret"}"\n'},
        "in clear text": {"edge.toml": edge.replace("[console]", "[console]\ninsecure = true")},
    }
    for how, changes in wrong.items():
        answer = await stage(ask, **changes)
        assert (answer["status"], bool(answer["result"]["problems"])) == ("failed", True), how
        assert (await ask("config.commit"))["code"] == "nothing-staged", how
    for name in ("../edge.toml", "devices/../../x.toml", "edge.key", "devices/.hidden.toml", ".trial/trial.json"):
        assert (await stage(ask, **{name: ""}))["code"] == "malformed-args", name
    assert (await ask("config.rollback"))["status"] == "failed"
    assert files(me) == before
    assert me.process.poll() is None


async def test_who_must_sign_is_not_taken_back_by_command(tmp_path):
    me = Box(tmp_path / "box", "mqtt://127.0.0.1:9", **{"counter-1": {"hz": 1}})
    (me.config / "keys.pem").write_bytes(ConsoleKey().pem)
    edge = me.config / "edge.toml"
    plain = edge.read_text()
    edge.write_text(f'{plain}command_keys_file = "keys.pem"\n[inference]\nmodel_keys_file = "keys.pem"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(THIRD_PARTY))
        registry.available.cache_clear()
        config = load(me.config)
        same = trial.stage(config, {"devices/counter-1.toml": device(hz=2)})
        assert same.config is not None, same.problems
        teams = trial.stage(config, {"teams.toml": "[x"})
        assert [problem for problem in teams.problems if problem.startswith("teams.toml:1")]
        good = trial.stage(config, {"teams.toml": ""})
        assert (me.config / "teams.toml").exists() is False
        assert "teams.toml" in trial.toml_files(good.config.folder)
        taken_back = trial.stage(config, {"edge.toml": plain})
    registry.available.cache_clear()
    assert taken_back.config is None
    assert sum("cannot be changed by command" in problem for problem in taken_back.problems) == 2
