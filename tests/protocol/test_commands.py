"""Commands over a real mosquitto: done once, in time, answered where it is allowed; everything else is refused."""

import asyncio
import hashlib
import json
import time

import pytest

from drivers.clock import SystemClock, rfc3339
from edge.commands.authority import ConsoleKeys
from edge.commands.desk import REFUSALS_MAX, REFUSALS_PER_S, Answer, Desk
from edge.commands.fetch import Fetch
from tests.consoleside import ConsoleKey, Sender, command, reply
from tests.core import IDENTITY, record, scan_hit, until
from tests.mqtt import ROOT, Listener
from tests.post import Post

pytestmark = pytest.mark.protocol
CLOCK = SystemClock()


class Appliance:
    """A ledger and a courier with a desk that knows `ping`, `device.disable` and `selftest`; counts what is done."""

    def __init__(self, folder, broker, keys=None, bytes_per_s=10**9):
        self.post = Post(folder, broker.url)
        self.done = []
        self.gate = asyncio.Event()
        handlers = {"ping": self._ping, "device.disable": self._disable, "selftest": self._slow}
        fetch = Fetch(folder, self.post.ledger, CLOCK, bytes_per_s)
        handlers |= fetch.handlers()
        self.desk = Desk(IDENTITY, self.post.ledger, CLOCK, keys, handlers, self.post.courier.send)
        self.post.courier.on_down = lambda rest, message: self.desk.take(message)

    async def _ping(self, call):
        self.done.append(call)
        return Answer("done", "pong")

    async def _disable(self, call):
        self.done.append(call)
        return Answer("done", "disabled", call.args.device)

    async def _slow(self, call):
        async def rest():
            await self.gate.wait()
            self.done.append(call)
            return Answer("done", "passed")

        return Answer("accepted", "testing", rest=rest)

    async def __aenter__(self):
        await self.post.__aenter__()
        self.task = asyncio.create_task(self.desk.run())
        await self.post.online()
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.post.__aexit__()


@pytest.fixture
def appliance(tmp_path, broker):
    return lambda **given: Appliance(tmp_path / "data", broker, **given)


@pytest.mark.parametrize("version", [5, 4], ids=["mqtt 5", "mqtt 3.1.1"])
async def test_a_command_is_done_answered_and_audited(appliance, broker, version):
    async with Listener(broker.port) as listener, appliance() as me:
        with Sender(broker.port, version) as console:
            asked = command()
            console.send("cmd/ping", asked)
            answer = await reply(listener, asked["transaction"])
            assert (answer["status"], answer["code"]) == ("done", "pong")
            audit = await listener.wait(lambda: [m.json for m in listener.of("audit") if m.json["what"] == "ping"])
            assert (audit[0]["by"], audit[0]["outcome"]) == ("officer-7", "done")
            assert len(me.done) == 1


async def test_the_answer_also_goes_where_the_asker_wants_it_with_his_correlation(appliance, broker):
    heard = []
    async with Listener(broker.port) as listener, appliance():
        listener._client.on_message = lambda _c, _u, m: (
            heard.append((m.topic, getattr(m.properties, "CorrelationData", None))),
            listener._loop.call_soon_threadsafe(listener._take, m),
        )
        with Sender(broker.port) as console:
            asked = command()
            console.send(
                "cmd/ping", asked, response_topic=f"{ROOT}/up/reply/console-3/a", correlation=b"\x00\xff no text"
            )
            await listener.first("reply/console-3/a")
            await reply(listener, asked["transaction"])
    answers = {topic: data for topic, data in heard if "/up/reply" in topic}
    assert answers == {f"{ROOT}/up/reply": b"\x00\xff no text", f"{ROOT}/up/reply/console-3/a": b"\x00\xff no text"}


@pytest.mark.parametrize(
    "topic",
    [
        "jaitf/v1/lfw/edge-02/up/reply/x",
        f"{ROOT}/up/hit/xray-1",
        f"{ROOT}/up/replying",
        f"{ROOT}/up/reply/",
        f"{ROOT}/up/reply/../hit/x/y/z",
        f"{ROOT}/down/cmd/ping",
        "elsewhere",
    ],
)
async def test_an_answer_goes_nowhere_else(appliance, broker, topic):
    async with Listener(broker.port) as listener, appliance() as me:
        with Sender(broker.port) as console:
            asked = command()
            console.send("cmd/ping", asked, response_topic=topic)
            answer = await reply(listener, asked["transaction"])
            after = command()
            console.send("cmd/ping", after)
            await reply(listener, after["transaction"])
        assert (answer["status"], answer["code"]) == ("rejected", "response-topic")
        assert [call.transaction for call in me.done] == [after["transaction"]]
        assert {m.topic for m in listener.messages if m.topic == topic} <= {f"{ROOT}/down/cmd/ping"}


REFUSED = {
    "expired": ({"issued_at": "2026-01-01T00:00:00.000Z", "expires_at": "2026-01-01T00:01:00.000Z"}, "expired"),
    "good for too long": ({"expires_at": "2099-01-01T00:00:00.000Z"}, "lifetime"),
    "over before it began": ({"expires_at": "2020-01-01T00:00:00.000Z"}, "lifetime"),
    "from the future": ({"issued_at": "2098-12-31T23:59:00.000Z", "expires_at": "2099-01-01T00:00:00.000Z"}, "not-yet"),
    "arguments that it has none of": ({"args": {"force": True}}, "malformed-args"),
    "a time without a zone": ({"expires_at": "2026-11-21T09:30:12"}, "malformed"),
    "nobody's": ({"issued_by": ""}, "malformed"),
    "an object in place of arguments": ({"args": [1]}, "malformed"),
}


@pytest.mark.parametrize("how", REFUSED)
async def test_what_is_not_in_order_is_not_done_and_the_asker_told(appliance, broker, how):
    changes, code = REFUSED[how]
    async with Listener(broker.port) as listener, appliance() as me:
        with Sender(broker.port) as console:
            asked = command(**changes)
            console.send("cmd/ping", asked)
            answer = await reply(listener, asked["transaction"])
        assert (answer["status"] in ("rejected", "expired"), answer["code"], me.done) == (True, code, [])


async def test_an_unknown_command_and_one_that_is_no_json_are_refused(appliance, broker):
    async with Listener(broker.port) as listener, appliance() as me:
        with Sender(broker.port) as console:
            asked = command({"cmd": "rm -rf /"})
            console.send("cmd/shell", asked)
            assert (await reply(listener, asked["transaction"]))["code"] == "unknown-command"
            for payload in (b"\xff\x00", b"[" * 5000, b'{"transaction": "half', b"null"):
                console.send("cmd/ping", payload)
            await listener.wait(lambda: len([m for m in listener.of("reply") if m.json["code"] == "malformed"]) == 4)
            big = command(note="x" * 600_000)
            console.send("cmd/ping", big)
            await listener.wait(lambda: [m for m in listener.of("reply") if m.json["code"] == "too-large"])
        assert me.done == []


async def test_a_retained_command_is_refused_live_and_after_each_connection(appliance, broker):
    async with Listener(broker.port) as listener:
        with Sender(broker.port) as console:
            before = command()
            console.send("cmd/ping", before, retain=True)
            async with appliance() as me:
                assert (await reply(listener, before["transaction"]))["code"] == "retained"
                live = command()
                console.send("cmd/ping", live, retain=True)
                assert (await reply(listener, live["transaction"]))["code"] == "retained"
                console.send("cmd/ping", b"", retain=True)
                good = command()
                console.send("cmd/ping", good)
                assert (await reply(listener, good["transaction"]))["status"] == "done"
                assert [call.transaction for call in me.done] == [good["transaction"]]


async def test_a_replayed_command_gets_its_first_answer_and_is_not_done_again(appliance, broker, tmp_path):
    async with Listener(broker.port) as listener, appliance() as me:
        with Sender(broker.port) as console:
            asked = command({"device": "xray-1"})
            for _ in range(3):
                console.send("cmd/device.disable", asked)
            answers = await listener.wait(lambda: m if len(m := listener.of("reply")) == 3 else None)
            assert len({m.payload for m in answers}) == 1
            assert len(me.done) == 1
            other = {**asked, "args": {"device": "xray-2"}}
            console.send("cmd/device.disable", other)
            last = await listener.wait(lambda: m[3:] if len(m := listener.of("reply")) == 4 else None)
            assert last[0].json["code"] == "transaction-reused"
            assert len(me.done) == 1
    async with Listener(broker.port) as listener, appliance() as again:  # after a restart too
        with Sender(broker.port) as console:
            console.send("cmd/device.disable", asked)
            assert (await reply(listener, asked["transaction"]))["code"] == "disabled"
            assert again.done == []


async def test_what_takes_time_is_accepted_first_and_a_restart_is_owned_up_to(appliance, broker):
    async with Listener(broker.port) as listener, appliance() as me:
        with Sender(broker.port) as console:
            slow, quick = command(), command()
            console.send("cmd/selftest", slow)
            assert (await reply(listener, slow["transaction"]))["status"] == "accepted"
            console.send("cmd/ping", quick)
            assert (await reply(listener, quick["transaction"]))["status"] == "done"
            me.gate.set()
            assert (await reply(listener, slow["transaction"], "done"))["code"] == "passed"
            me.gate.clear()
            lost = command()
            console.send("cmd/selftest", lost)
            assert (await reply(listener, lost["transaction"]))["status"] == "accepted"
    async with Listener(broker.port) as listener, appliance() as again:
        with Sender(broker.port) as console:
            console.send("cmd/selftest", lost)
            assert (await reply(listener, lost["transaction"]))["code"] == "interrupted"
            assert again.done == []


async def test_with_console_keys_listed_a_forged_command_is_not_done(appliance, broker, tmp_path):
    ours, theirs = ConsoleKey(), ConsoleKey()
    (tmp_path / "keys.pem").write_bytes(ConsoleKey().pem + ours.pem)
    async with Listener(broker.port) as listener, appliance(keys=ConsoleKeys.read(tmp_path / "keys.pem")) as me:
        with Sender(broker.port) as console:
            plain = command({"device": "xray-1"})
            signed = ours.signed("device.disable", plain)
            elsewhere = ours.signed("x", plain, topic="jaitf/v1/lfw/edge-02/down/cmd/device.disable")
            other_command = ours.signed("device.restart", plain)
            forged = [
                plain,
                theirs.signed("device.disable", plain),
                {**signed, "args": {"device": "xray-2"}},
                {**signed, "issued_by": "officer-8"},
                {**signed, "expires_at": rfc3339(CLOCK.now().wall_ns + 120_000_000_000)},
                elsewhere,
                other_command,
                json.dumps(signed)[:-1].encode() + b', "args": {"device": "xray-2"}}',
            ]
            for message in forged:
                console.send("cmd/device.disable", message)
            await listener.wait(lambda: len(listener.of("reply")) == len(forged))
            assert {m.json["code"] for m in listener.of("reply")} == {"forged"}
            assert me.done == []
            # None of these took the transaction away from the one who may use it.
            console.send("cmd/device.disable", signed)
            assert (await reply(listener, plain["transaction"], "done"))["code"] == "disabled"


async def test_a_flood_of_refusals_is_answered_in_part_and_the_good_one_among_them_is_done(appliance, broker):
    async with Listener(broker.port) as listener, appliance() as me:
        taken, take = [], me.post.courier.on_down
        me.post.courier.on_down = lambda rest, message: (taken.append(rest), take(rest, message))
        with Sender(broker.port) as console:
            began_s = time.monotonic()
            for _ in range(200):
                console.send("cmd/ping", b"{}")
            good = command()
            await until(lambda: len(listener.of("reply")) >= 20)
            await until(lambda: len(taken) == 200 and me.desk._waiting.empty())  # else it is told to ask again later
            console.send("cmd/ping", good)
            assert (await reply(listener, good["transaction"]))["status"] == "done"
            refused = [m for m in listener.of("reply") if m.json["code"] == "malformed"]
            assert len(refused) <= min(199, REFUSALS_MAX + REFUSALS_PER_S * (time.monotonic() - began_s))


async def test_evidence_comes_in_parts_and_goes_on_where_it_was_cut_off(appliance, broker):
    async with Listener(broker.port, receipts=True) as listener, appliance() as me:
        original = bytes(range(256)) * 100 + hashlib.sha256(b"x").digest() * 1
        noise = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(30_000))  # does not compress
        made = scan_hit(CLOCK.now(), original + noise)
        await me.post.ledger.commit(record(made))
        with Sender(broker.port) as console:
            asked = command({"hit_id": made.hit_id})
            console.send("cmd/evidence.fetch", asked)
            about = (await reply(listener, asked["transaction"], "accepted"))["result"]
            assert (await reply(listener, asked["transaction"], "done"))["code"] == "sent"
            parts = await listener.wait(
                lambda: p if len(p := listener.of(f"evidence/{made.hit_id}/")) == about["parts"] else None
            )
            assert about["parts"] == 4
            assert [part.rest.rpartition("/")[2] for part in parts] == ["0", "1", "2", "3"]
            whole = b"".join(part.payload for part in parts)
            assert max(len(part.payload) for part in parts) <= 256 * 1024
            assert (len(whole), hashlib.sha256(whole).hexdigest()) == (about["bytes"], about["sha256"])
            listener.messages.clear()
            resumed = command({"hit_id": made.hit_id, "from_part": 2})
            console.send("cmd/evidence.fetch", resumed)
            again = (await reply(listener, resumed["transaction"], "accepted"))["result"]
            assert again["sha256"] == about["sha256"]
            rest = await listener.wait(lambda: p if len(p := listener.of(f"evidence/{made.hit_id}/")) == 2 else None)
            assert b"".join(part.payload for part in rest) == whole[2 * 256 * 1024 :]
            unknown = command({"hit_id": "019d3c6e-0000-7000-8000-000000000000"})
            console.send("cmd/evidence.fetch", unknown)
            assert (await reply(listener, unknown["transaction"]))["status"] == "failed"


async def test_hits_go_before_the_parts_of_evidence(appliance, broker):
    async with Listener(broker.port, receipts=True) as listener, appliance(bytes_per_s=40_000) as me:
        noise = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(40_000))
        made = scan_hit(CLOCK.now(), noise)
        await me.post.ledger.commit(record(made))
        with Sender(broker.port) as console:
            asked = command({"hit_id": made.hit_id})
            console.send("cmd/evidence.fetch", asked)
            await listener.first(f"evidence/{made.hit_id}/0")
            live = await me.post.hit()
            await listener.wait(lambda: [hit for hit in listener.hits() if hit["hit_id"] == live.hit_id])
            parts = (await reply(listener, asked["transaction"], "accepted"))["result"]["parts"]
            order = [m.rest for m in listener.messages if m.rest.startswith(("hit/portal", "evidence/"))]
            assert order.index("hit/portal-1") < parts, "before the last part, which is due in half a minute"


async def test_an_appliance_on_mqtt_3_1_1_refuses_what_waits_retained_and_does_a_live_one_once(appliance, broker):
    async with Listener(broker.port) as listener:
        before, live = command(), command()
        with Sender(broker.port, 4) as console:
            console.send("cmd/ping", before, retain=True)
            me = appliance()
            me.post.courier._version = 4
            async with me:
                assert (await reply(listener, before["transaction"]))["code"] == "retained"
                # Live, 3.1.1 does not say that it is retained: its transaction is what keeps it from being done again.
                console.send("cmd/ping", live, retain=True)
                assert (await reply(listener, live["transaction"]))["status"] == "done"
                console.send("cmd/ping", live)
                await listener.wait(lambda: len([m for m in listener.of("reply") if m.json["code"] == "pong"]) == 2)
                assert [call.transaction for call in me.done] == [live["transaction"]]
        listener.messages.clear()
        again = appliance()
        again.post.courier._version = 4
        async with again:  # it waits at the broker, retained, and is refused as such
            await reply(listener, live["transaction"], "rejected")
            assert again.done == []
