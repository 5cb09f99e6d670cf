"""The courier against a real mosquitto: what it says on connecting, how hits get there, whatever the broker does."""

import asyncio
import os
import signal
import socket
import time
from unittest.mock import AsyncMock

import pytest

from edge.courier import courier as courier_module
from edge.courier import link as link_module
from edge.courier import pump as pump_module
from edge.courier.courier import Retained
from edge.courier.link import Dropped
from edge.ledger import Note
from edge.messages import Audit
from tests.core import reading_hit, record, until
from tests.mqtt import Listener
from tests.post import CLOCK, Post

pytestmark = pytest.mark.protocol
DELAY_S, TRIES = 3, 5


@pytest.fixture
def post(tmp_path, broker):
    """`post(...)` is a courier to the test's broker, with settings of the console's."""
    return lambda url=None, **console: Post(tmp_path / "data", url or broker.url, **console)


async def test_on_connecting_it_says_state_and_birth_retained_with_one_session(post, broker):
    async with Listener(broker.port) as listener, post() as me:
        state, birth = await listener.first("state"), await listener.first("birth")
        assert (state.retained, state.qos, state.json["state"]) == (True, 1, "online")
        assert state.json["session"] == birth.json["by"] == me.courier.session
    async with Listener(broker.port) as late:
        await late.wait(lambda: [m for m in late.of("state") if m.json["state"] == "stopped"])
        assert late.of("state")[-1].json["session"] == me.courier.session


async def test_the_will_says_offline_with_the_births_session_once_its_delay_is_over(post, broker, monkeypatch):
    monkeypatch.setattr(link_module, "WILL_DELAY_S", 1)
    async with Listener(broker.port) as listener, post() as me:
        session = (await listener.first("birth")).json["by"]
        me.task.cancel()  # ended like a process that is killed: without leave
        monkeypatch.setattr(me.courier, "_leave", AsyncMock(side_effect=me.courier._link.abandon))
        offline = (await listener.wait(lambda: [m for m in listener.of("state") if m.json["state"] == "offline"]))[0]
        assert (offline.retained, offline.json["session"]) == (True, session)


async def test_who_is_back_before_the_delay_is_over_was_never_offline(post, broker, monkeypatch):
    monkeypatch.setattr(link_module, "WILL_DELAY_S", DELAY_S)
    async with Listener(broker.port) as listener, post() as me:
        await listener.first("state")
        for _ in range(TRIES):  # it is asked again where this machine was too slow for it to be back in time
            seen, cut_s = len(listener.of("state")), time.monotonic()
            me.courier._link.abandon()
            me.courier._drop(Dropped(0, "a cable"))
            await listener.wait(lambda seen=seen: [m for m in listener.of("state")[seen:] if me._is_online(m.json)])
            back_s = time.monotonic()
            await asyncio.sleep(DELAY_S + 0.5)  # by then its will would have been said
            if back_s - cut_s < DELAY_S - 1:  # mosquitto counts in whole seconds
                break
        assert [m.json["state"] for m in listener.of("state")[seen:]] == ["online"]


async def test_a_hit_is_there_at_once_and_received_with_its_receipt(post, broker):
    async with Listener(broker.port, receipts=True) as listener, post() as me:
        await until(lambda: me.courier.connected)
        made = await me.hit()
        [data] = await listener.wait(listener.hits)
        assert (data["hit_id"], data["seq"]) == (made.hit_id, 1)
        assert listener.of("hit/")[0].qos == 1
        await me.all_received()


async def test_without_a_receipt_it_comes_again_byte_for_byte(post, broker, monkeypatch):
    monkeypatch.setattr(pump_module, "RESEND_FIRST_S", 0.05)
    async with Listener(broker.port) as listener, post() as me:
        made = await me.hit()
        same = await listener.wait(lambda: len(listener.of("hit/")) >= 3 and listener.of("hit/"))
        assert len({m.payload for m in same}) == 1
        await until(lambda: me.states() == [(1, "sent")])
        listener.receipt(made.hit_id)
        await me.all_received()


async def test_without_receipts_the_broker_has_the_last_word(post, broker):
    async with post(receipts=False) as me:
        await me.hit()
        await me.all_received()


async def test_what_was_committed_without_a_broker_comes_when_there_is_one_live_first(post, start_broker):
    broker = start_broker("max_queued_messages 0")
    broker.stop()
    async with post(broker.url) as me:
        for _ in range(200):
            me.ledger.commit(record(reading_hit(CLOCK.now())))
        await me.hit()
        await until(lambda: me.courier.last_error)
        broker.start()
        async with Listener(broker.port, receipts=True) as listener:
            await listener.wait(lambda: len({d["seq"] for d in listener.hits()}) == 201)
            await me.all_received()


async def test_other_messages_end_with_the_puback(post, broker):
    async with Listener(broker.port) as listener, post() as me:
        await me.ledger.commit(Note("verdict", "up/verdict/xray-1", b'{"decision":"clear"}'))
        assert (await listener.first("verdict/xray-1")).json == {"decision": "clear"}
        await until(lambda: me.ledger.accounts.rows["verdict"] == 0)


async def test_a_broker_that_is_killed_and_comes_back_gets_the_rest(post, broker):
    async with post() as me:
        async with Listener(broker.port, receipts=True):
            await me.hit()
            await me.all_received()
        broker.kill()
        for _ in range(5):
            await me.hit()
        broker.start()
        async with Listener(broker.port, receipts=True) as listener:
            await me.all_received()
            assert {d["seq"] for d in listener.hits()} == {2, 3, 4, 5, 6}
        assert len(set(me.presents)) == len(me.presents) == 2


async def test_a_broker_that_freezes_is_given_up_and_taken_again(post, broker, monkeypatch):
    monkeypatch.setattr(courier_module, "PUBACK_DEADLINE_S", 0.3)
    monkeypatch.setattr(link_module, "CONNECT_DEADLINE_S", 0.5)
    async with post() as me:
        await until(lambda: me.courier.connected)
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            await me.hit()
            await until(lambda: "no PUBACK" in me.courier.last_error)
            await until(lambda: "no CONNACK" in me.courier.last_error)
        finally:
            monkeypatch.undo()  # a broker that is well has the time that it has
            os.kill(broker.pid, signal.SIGCONT)
        async with Listener(broker.port, receipts=True):
            await me.all_received()


async def test_no_hit_waits_for_a_delayed_acknowledgement(post, broker):
    async with post() as me:
        await until(lambda: me.courier.connected)
        assert me.courier._link._client.socket().getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_the_brokers_receive_maximum_is_heeded(post, start_broker):
    broker = start_broker("max_inflight_messages 3\nmax_queued_messages 0")
    async with Listener(broker.port, receipts=True), post(broker.url) as me:
        said = Audit(at="", what="", by="", outcome="", detail="")
        me.courier._present = lambda _: [Retained(f"up/device/d{n}", said) for n in range(50)]
        for _ in range(100):
            me.ledger.commit(record(reading_hit(CLOCK.now())))
        await me.hit()
        await me.all_received()
    assert "connection lost" not in me.courier.last_error
    assert "receive maximum" not in broker.log().lower()


async def test_what_the_acl_forbids_is_set_aside_with_its_reason_and_the_rest_goes_on(post, start_broker, tmp_path):
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite #\ntopic deny jaitf/v1/lfw/edge-01/up/hit/forbidden\n")
    broker = start_broker(f"acl_file {acl}\nmax_queued_messages 0")
    async with Listener(broker.port, receipts=True), post(broker.url) as me:
        await until(lambda: me.courier.connected)
        await me.hit(device="forbidden")
        await me.hit()
        await until(lambda: me.states()[1][1] == "received" and me.ledger.accounts.set_aside == 1)
        [row] = [row for row in me.reader.hits() if row["device"] == "forbidden"]
        assert (row["state"], row["set_aside"]) == ("queued", "not authorised")


async def test_what_is_over_the_brokers_packet_limit_is_set_aside(post, start_broker):
    broker = start_broker("max_packet_size 3000\nmax_queued_messages 0")
    async with Listener(broker.port, receipts=True), post(broker.url) as me:
        await until(lambda: me.courier.connected)
        await me.ledger.commit(Note("thumb", "up/thumb/x", b"t" * 5000))
        await me.hit()
        await me.all_received()
        await until(lambda: me.ledger.accounts.set_aside == 1)


async def test_a_message_that_makes_a_broker_hang_up_holds_up_the_others_only_for_a_while(post, start_broker):
    """mosquitto ends the connection over a topic of more than 200 levels, in both versions of MQTT."""
    broker = start_broker("max_queued_messages 0")
    async with Listener(broker.port, receipts=True), post(broker.url) as me:
        await until(lambda: me.courier.connected)
        me.ledger.commit(Note("audit", "up/" + "a/" * 210, b"poison"))
        for _ in range(5):
            await me.hit()
        await me.all_received()
        await until(lambda: me.ledger.accounts.set_aside == 1)


async def test_two_boxes_with_one_client_id_are_suspected(post, broker, tmp_path, caplog):
    """This mosquitto ends the loser's connection without a word."""
    async with Listener(broker.port) as listener, post() as me:
        await until(lambda: me.courier.connected)
        async with Post(tmp_path / "other", broker.url) as other:
            await until(lambda: me.courier.conflicts and other.courier.conflicts)
        said = (await listener.first("audit")).json
        assert (said["what"], said["outcome"]) == ("client id conflict", "suspected")
        assert "another appliance" in said["detail"]


async def test_a_cable_that_is_pulled_now_and_then_is_no_fight(post, broker):
    async with post() as me:
        for _ in range(10):
            await until(lambda: me.courier.connected)
            broker.kill()
            await until(lambda: not me.courier.connected)
            await until(lambda: "refused" in me.courier.last_error)
            broker.start()
        assert me.courier.conflicts == 0


async def test_a_receipt_that_is_no_receipt_hurts_nobody(post, broker):
    async with Listener(broker.port) as listener, post() as me:
        made = await me.hit()
        await listener.wait(listener.hits)
        for bad in (
            b"",
            b"\xff\xfe",
            b"[1]",
            b"{" * 100_000,
            b'{"hit_id": 7, "rev": 0}',
            {"hit_id": "x" * 36, "rev": 0},
            {"hit_id": made.hit_id, "rev": -1},
            {"hit_id": made.hit_id, "rev": 10**30},
            {"hit_id": made.hit_id, "rev": 5},
            {"hit_id": made.hit_id, "rev": 0, "sha256": "00" * 32},
            b"\0" * 300_000,
        ):
            listener.publish("receipt", bad)
        listener.publish("nobody/listens/here", b"x")
        await asyncio.sleep(0)
        await me.hit()
        await listener.wait(lambda: len(listener.hits()) >= 2)
        assert me.states()[0][1] != "received"
        listener.receipt(made.hit_id)
        await until(lambda: me.states()[0][1] == "received")
        assert me.courier.connected


async def test_readings_and_health_are_news_not_letters(post, broker):
    async with Listener(broker.port) as listener, post() as me:
        me.courier.tell_reading("up/reading/x", b"{}")  # not connected yet: nobody keeps it
        await until(lambda: me.courier.connected)
        me.courier.tell_reading("up/reading/x", b'{"n":1}')
        first = await listener.first("reading/x")
        assert (first.json, first.qos, first.retained) == ({"n": 1}, 0, False)


async def test_stopping_does_not_wait_for_a_frozen_broker(post, broker, monkeypatch):
    monkeypatch.setattr(courier_module, "GOODBYE_S", 0.1)
    monkeypatch.setattr(link_module, "LEAVE_DEADLINE_S", 0.1)
    async with post() as me:
        await until(lambda: me.courier.connected)
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            await me.hit()
            async with asyncio.timeout(20):
                await me.stop()
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        assert me.states() == [(1, "queued")]
