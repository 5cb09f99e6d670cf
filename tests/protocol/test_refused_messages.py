"""A real broker refuses one message, and the connection goes on with the others."""

import asyncio

import pytest

from edge.config.model import Console
from edge.courier.link import TOO_LARGE, Link, Will

pytestmark = pytest.mark.protocol
LIMIT_BYTES = 500


class Heard:
    """What a link hears of its messages."""

    def __init__(self):
        self.answers = asyncio.Queue()
        self.dropped = []

    async def link(self, broker):
        link = Link(
            Console(url=broker.url),
            "lfw-edge-01",
            on_message=lambda *_: None,
            on_puback=lambda mid, code: self.answers.put_nowait((mid, code)),
            on_drop=self.dropped.append,
        )
        await link.open(Will("jaitf/will", b"{}"))
        return link


async def test_a_message_over_the_brokers_own_limit_is_named_and_the_rest_goes_on(start_broker):
    heard = Heard()
    link = await heard.link(start_broker(config=f"message_size_limit {LIMIT_BYTES}"))
    published = [
        (link.publish("jaitf/a", b"x" * size), size) for size in (100, LIMIT_BYTES + 1, 200, LIMIT_BYTES * 4, 300)
    ]
    for mid, size in published:
        async with asyncio.timeout(60):
            answered, code = await heard.answers.get()
        assert answered == mid
        assert (code == TOO_LARGE) is (size > LIMIT_BYTES)
    assert heard.dropped == []
    await link.close()
