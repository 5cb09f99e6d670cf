"""Commands to `jaitf-edge run` itself, as a process with devices, over a real broker."""

import json
import subprocess
import zipfile

import pytest

from edge.signing import event_holds, fingerprint
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
    born = {"birth", "state", "health", "device/counter-1"}
    await listener.wait(lambda: born <= {m.rest for m in listener.messages})

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
    await listener.wait(lambda: [m for m in listener.of("device/counter-1") if m.json["state"] == "up"])
    before, seen = me.family(), len(listener.messages)
    assert (await ask("device.restart", {"device": "counter-1"}))["status"] == "done"

    def since():
        return [m.json["state"] for m in listener.messages[seen:] if m.rest == "device/counter-1"]

    await listener.wait(lambda: "down" in since() and since()[-1] == "up")
    assert set(me.family()) != set(before)
    await listener.wait(lambda: {"device.enable", "device.restart"} <= {m.json["what"] for m in listener.of("audit")})


async def test_hits_of_a_running_box_are_signed_by_the_key_of_its_birth_and_form_a_chain(lane):
    me, listener, _ = lane
    birth = (await listener.first("birth")).json

    def first_three():
        # One from before the connection may come behind those from after it.
        found = {m.json["data"]["seq"]: m for m in listener.of("hit/") if m.json["data"]["seq"] <= 3}
        return found if len(found) == 3 else None

    messages = await listener.wait(first_three)
    pem = birth["key"]["pem"].encode()
    assert birth["key"]["kid"] == fingerprint(pem)
    before = None
    for seq in sorted(messages):
        assert event_holds(pem, messages[seq].payload)
        assert not event_holds(pem, messages[seq].payload.replace(b'"low"', b'"high"').replace(b'"medium"', b'"low"'))
        chain = messages[seq].json["data"]["chain"]
        assert before is None or chain["prev"] == before
        before = chain["hash"]
    ran = subprocess.run(**me.command("evidence", "verify", "--json"), capture_output=True, text=True, check=False)
    findings = [json.loads(line) for line in ran.stdout.splitlines()]
    assert (ran.returncode, all(finding["ok"] for finding in findings)) == (0, True)
    assert len(findings) >= 5


async def test_an_export_beside_a_running_box_is_written_down_and_told(lane, tmp_path):
    me, listener, _ = lane
    hit_id = listener.hits()[0]["hit_id"]
    out = tmp_path / "hit.zip"
    ran = subprocess.run(
        **me.command("evidence", "export", hit_id, "--out", str(out)), capture_output=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    told = await listener.wait(lambda: [m.json for m in listener.of("audit") if m.json["what"] == "evidence export"])
    assert json.loads(told[0]["detail"])["hit_id"] == hit_id
    again = subprocess.run(
        **me.command("evidence", "export", hit_id, "--out", str(tmp_path / "again.zip")), check=False
    )
    assert again.returncode == 0
    with zipfile.ZipFile(tmp_path / "again.zip") as package:
        custody = [json.loads(line) for line in package.read("custody.jsonl").splitlines()]
    assert [act["kind"] for act in custody] == ["export"]
    assert json.loads(custody[0]["body"])["file"] == "hit.zip"


async def test_a_list_of_console_keys_that_names_nobody_is_a_configuration_error(tmp_path, broker):
    me = Box(tmp_path / "box", broker.url, **{"counter-1": {"count": 1}})
    (tmp_path / "keys.pem").write_text("no key")
    edge = me.config / "edge.toml"
    edge.write_text(edge.read_text() + f'command_keys_file = "{tmp_path / "keys.pem"}"\n')
    ran = subprocess.run(**me.command("run"), capture_output=True, text=True, check=False, timeout=120)
    assert (ran.returncode, "no public key in it" in ran.stderr) == (2, True)
