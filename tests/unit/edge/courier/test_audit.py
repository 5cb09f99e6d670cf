"""What the audit is owed is written once there is room: that the disk was full is news that a full disk takes not."""

import asyncio
import json
import random

from drivers.errors import StoreFull, StoreRejected
from edge.config.model import Console
from edge.courier import Courier
from edge.ledger import Written
from tests.core import IDENTITY, FakeClock


class Store:
    """Takes what the courier asks to be written, or fails it as told."""

    def __init__(self):
        self.failure = None
        self.written = []
        self.asked = 0

    def commit(self, note):
        self.asked += 1
        future = asyncio.get_running_loop().create_future()
        if self.failure:
            future.set_exception(self.failure)
        else:
            self.written.append(json.loads(note.payload)["outcome"])
            future.set_result(Written(None))
        return future


async def _courier(store):
    console = Console(url="mqtt://127.0.0.1:1")
    return Courier(console, IDENTITY, store, None, FakeClock(), random.Random(1), lambda session: [])


async def test_a_line_that_found_no_room_is_written_once_something_is():
    store = Store()
    courier = await _courier(store)
    store.failure = StoreFull("no room")
    courier.audit("storage", "full", "no room on the disk")
    await asyncio.sleep(0)
    assert store.written == []
    courier.committed([], [])  # still full: it waits on
    await asyncio.sleep(0)
    store.failure = None
    courier.committed([4711], [])
    assert store.written == ["full"]
    asked = store.asked
    courier.committed([4712], [])
    assert store.asked == asked


async def test_a_line_that_is_no_row_is_not_asked_for_again():
    store = Store()
    courier = await _courier(store)
    store.failure = StoreRejected("no row")
    courier.audit("storage", "full", "x")
    await asyncio.sleep(0)
    store.failure = None
    courier.committed([1], [])
    assert store.written == []
