"""A ledger with its courier, as the appliance puts them together, for tests against a broker."""

from __future__ import annotations

import asyncio
import contextlib
import random
from urllib.parse import urlsplit

from drivers.clock import SystemClock
from edge.config.model import Console
from edge.courier.courier import Courier, Retained
from edge.ledger import Ledger
from edge.ledger.reader import Reader
from edge.messages import Audit
from tests.core import IDENTITY, events, reading_hit, record, until
from tests.mqtt import Listener

CLOCK = SystemClock()


class Eager(random.Random):
    """Draws the shortest wait there is, so that a test need not sit out a back-off."""

    def random(self):
        return 0.001


class Post:
    """A ledger with its courier, as the appliance puts them together."""

    def __init__(self, folder, url, **console):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.port = urlsplit(url).port
        self.ledger = Ledger(
            folder,
            events(),
            CLOCK,
            quota_bytes=10**9,
            keep_days=30,
            on_commit=lambda hits, notes: self.courier.committed(hits, notes),
        )
        self.reader = Reader(folder)
        self.presents = []
        settings = Console(url=url, **console)
        self.courier = Courier(settings, IDENTITY, self.ledger, self.reader, CLOCK, Eager(), self._present)
        self.task = None

    def _present(self, session):
        self.presents.append(session)
        return [Retained("up/birth", Audit(at="now", what="birth", by=session, outcome="", detail=""))]

    async def online(self):
        """Wait until the broker has what is said on connecting: it has taken the subscription before that."""
        async with Listener(self.port) as listener:
            await listener.wait(lambda: any(self._is_online(m.json) for m in listener.of("state")))

    def _is_online(self, said):
        return said["state"] == "online" and said["session"] == self.courier.session

    async def __aenter__(self):
        self.ledger.start()
        self.task = asyncio.create_task(self.courier.run())
        return self

    async def __aexit__(self, *_):
        await self.stop()
        await self.ledger.close()
        self.reader.close()

    async def stop(self):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def hit(self, **changes):
        made = reading_hit(CLOCK.now(), **changes)
        await self.ledger.commit(record(made))
        return made

    def states(self):
        return [(row["seq"], row["state"]) for row in self.reader.hits()]

    async def all_received(self):
        await until(lambda: all(state == "received" for _, state in self.states()))
