"""An appliance that is told to stop at the very moment at which the broker answers stops all the same."""

import asyncio

import pytest

from edge.config.model import Console
from edge.courier.link import Limits, Link, Will


async def test_a_stop_that_comes_together_with_the_connack_is_not_swallowed(monkeypatch):
    link = Link(Console(url="mqtt://127.0.0.1:1"), "x", on_message=print, on_puback=print, on_drop=print)
    begun = asyncio.Event()
    monkeypatch.setattr(link._client, "connect", lambda *_, **__: None)
    monkeypatch.setattr(link, "_attach", begun.set)
    opening = asyncio.create_task(link.open(Will("t", b"{}")))
    await begun.wait()
    await asyncio.sleep(0)
    link._connected.set_result(Limits(64, None, 5))
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
