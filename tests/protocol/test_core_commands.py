"""Commands to `jaitf-edge run` itself, as a process with devices, over a real broker."""

import json

import pytest

from tests.consoleside import Sender, command, reply
from tests.mqtt import Listener
from tests.protocol.test_core_run import Box

pytestmark = pytest.mark.protocol


@pytest.fixture
async def lane(tmp_path, broker):
    """A running box with one device, a listener, and a console that asks: `ask(name, args)` returns the answer."""
    me = Box(tmp_path / "box", broker.url, **{"counter-1": {"hz": 1}})
    edge = me.config / "edge.toml"
    (tmp_path / "password").write_text("hunter2")
    edge.write_text(edge.read_text() + f'username = "edge-01"\npassword_file = "{tmp_path / "password"}"\n')
    async with Listener(broker.port, receipts=True) as listener:
        await me.start()
        try:
            await listener.first("hit/counter-1")
            with Sender(broker.port) as console:

                async def ask(name, args=None, *statuses):
                    asked = command(args)
                    console.send(f"cmd/{name}", asked)
                    return await reply(listener, asked["transaction"], *statuses)

                yield me, listener, ask
        finally:
            me.process.kill()
            me.process.wait()


async def test_what_a_console_asks_of_a_running_box(lane):
    me, listener, ask = lane
    assert (await ask("ping"))["code"] == "pong"

    listener.messages.clear()
    assert (await ask("rebirth"))["status"] == "done"
    assert {"birth", "state", "health", "device/counter-1"} <= {m.rest for m in listener.messages}

    found = (await ask("config.get"))["result"]
    assert found["files"]["edge.toml"]["appliance"]["lane"] == "t1-l3"
    assert found["files"]["devices/counter-1.toml"]["settings"] == {"hz": 1}
    birth = listener.of("birth")[-1].json
    assert found["sha256"] == birth["config_sha256"]

    tested = await ask("selftest")
    assert (tested["status"], tested["result"]["blind"]) == ("done", "")

    told = (await ask("diagnostics"))["result"]
    assert told["devices"]["counter-1"]["state"] == "up"
    assert any("ready" in line for line in told["log"])
    assert "hunter2" not in json.dumps([found, told]) + me.said()

    assert (await ask("device.disable", {"device": "counter-1"}))["result"]["state"] == "disabled"
    await listener.wait(lambda: [m for m in listener.of("device/counter-1") if m.json["state"] == "disabled"])
    assert (await ask("device.restart", {"device": "no-such"}))["code"] == "unknown-device"
    listener.messages.clear()
    assert (await ask("device.enable", {"device": "counter-1"}))["status"] == "done"
    await listener.wait(lambda: [m for m in listener.of("device/counter-1") if m.json["state"] == "up"], 30)
    before = me.family()
    assert (await ask("device.restart", {"device": "counter-1"}))["status"] == "done"
    await listener.wait(lambda: [m for m in listener.of("device/counter-1") if m.json["state"] == "down"], 30)
    await listener.wait(lambda: listener.of("device/counter-1")[-1].json["state"] == "up", 30)
    assert set(me.family()) != set(before)
    audited = [m.json["what"] for m in listener.of("audit")]
    assert {"device.enable", "device.restart"} <= set(audited)
