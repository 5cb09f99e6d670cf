"""Brokers that speak MQTT 3.1.1 only, or no MQTT at all."""

import pytest

from edge.courier import link as link_module
from tests.core import until
from tests.fakebroker import FakeBroker
from tests.post import Post

pytestmark = pytest.mark.protocol


@pytest.fixture
def post(tmp_path):
    return lambda broker: Post(tmp_path / "data", broker.url, receipts=False)


async def delivered(me):
    await me.hit()
    await me.all_received()


async def test_a_broker_that_refuses_version_5_is_spoken_to_in_3_1_1(post):
    async with FakeBroker(versions=(4,)) as broker, post(broker) as me:
        await delivered(me)
        assert broker.connects == [5, 4]
        hits = [topic for topic, _ in broker.published if "/up/hit/" in topic]
        assert hits == ["jaitf/v1/lfw/edge-01/up/hit/portal-1"]


async def test_a_broker_that_hangs_up_on_version_5_is_spoken_to_in_3_1_1(post):
    async with FakeBroker(versions=(4,), silent=True) as broker, post(broker) as me:
        await delivered(me)
        assert broker.connects == [5, 5, 5, 4]


async def test_that_a_broker_knows_no_5_was_a_guess_and_is_tried_again(post):
    async with FakeBroker(versions=(4,), silent=True, after_publishes=(3, b"")) as broker, post(broker) as me:
        await until(lambda: len(broker.connects) >= 4)
        broker.versions = (4, 5)
        await me.hit()
        await until(lambda: broker.connects[-1] == 5)
        broker.after_publishes = None
        await me.all_received()
        assert broker.connects[:4] == [5, 5, 5, 4]


async def test_a_session_taken_over_is_a_fight_and_says_so(post, monkeypatch, caplog):
    monkeypatch.setattr("edge.courier.backoff.FIGHT_S", 0.05)
    taken_over = bytes((0xE0, 2, 0x8E, 0))
    async with FakeBroker(after_publishes=(2, taken_over)) as broker, post(broker) as me:
        await until(lambda: me.courier.conflicts)
        assert "two boxes have the same site and id" in caplog.text
        broker.after_publishes = None
        await delivered(me)
        await until(
            lambda: any(
                topic.endswith("up/audit") and b"client id conflict" in body for topic, body in broker.published
            )
        )


@pytest.mark.parametrize(
    "nonsense",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x40\x00",  # a PUBACK without a packet id
        b"\x40\x02\x00\x07",  # for a packet that was never sent
        b"\x30\x05\x00\x03\xff\xff\xff",  # a PUBLISH on a topic that is no text
        b"\x30\x02\x00\x30",  # ... whose topic is longer than itself
        b"\xff\xff\xff\xff\xff\xff",
        b"\x20\x02\x00\x00",  # CONNACK again
        b"\xe0\x00",
    ],
)
async def test_nonsense_from_a_broker_ends_the_connection_and_nothing_else(post, nonsense):
    async with FakeBroker(after_publishes=(2, nonsense)) as broker, post(broker) as me:
        await until(lambda: len(broker.connects) >= 2)
        broker.after_publishes = None
        await delivered(me)
        assert not me.task.done()


async def test_nonsense_that_leaves_the_connection_open_is_found_out(post, monkeypatch):
    """paho stumbles over it, and does not close what it reads from."""
    async with FakeBroker() as broker, post(broker) as me:
        await until(lambda: me.courier.connected)
        malformed = ValueError("malformed")
        monkeypatch.setattr(me.courier._link._client, "_packet_read", lambda: (_ for _ in ()).throw(malformed))
        await until(lambda: len(broker.connects) >= 2)
        await delivered(me)


async def test_a_broker_that_never_answers_connect_is_left(post, monkeypatch):
    monkeypatch.setattr(link_module, "CONNECT_DEADLINE_S", 0.1)
    async with FakeBroker(deaf=True) as broker, post(broker) as me:
        await until(lambda: len(broker.connects) >= 3)
        assert "no CONNACK" in me.courier.last_error
        broker.deaf = False
        monkeypatch.undo()
        await delivered(me)
