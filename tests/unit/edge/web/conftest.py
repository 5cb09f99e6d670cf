"""A ledger with hits of every kind, and the page over it as its guard lets visitors in."""

import json
from dataclasses import replace

import httpx
import numpy as np
import pytest
from starlette.types import ASGIApp

from drivers.clock import SystemClock
from edge.dispositions import Apply
from edge.down import Disposition
from edge.ledger import Ledger
from edge.nouns import Evidence, Item
from edge.web.app import application
from edge.web.feed import Feed
from edge.web.guard import Role, Visitor
from edge.web.shelf import Shelf
from tests.core import events, reading_hit, record, report, scan_hit, threat
from tests.pictures import coded

CLOCK = SystemClock()
EDGE = '[appliance]\nsite = "lfw"\nlane = "t1-l3"\nid = "edge-01"\ndata_dir = "data"\n'
EDGE += '[console]\nurl = "mqtts://broker.example:8883"\n'


def bag(number):
    """A picture of a bag with one thing in it, unlike any other's."""
    values = np.full((160, 200), 60_000, np.uint16)
    values[10:150, 10:190] = 45_000
    values[50:74, 60:84] = 5_000 + number
    return coded(".png", values)


class FakeCore:
    """Takes orders, and says what a test wants."""

    def __init__(self):
        self.ordered, self.gone = [], []
        self.reply = {"status": "done", "code": "passed", "detail": "", "result": {"a": 1}}

    async def order(self, name, by, args):
        self.ordered.append((name, by, args))
        return self.reply

    def taken(self, what, name):
        self.gone.append((what, name))


class As:
    """What stands before the page, reduced to who asks."""

    def __init__(self, app: ASGIApp, role: Role) -> None:
        self.app, self.visitor = app, Visitor("ama", role)

    async def __call__(self, scope, receive, send):
        await self.app({**scope, "visitor": self.visitor}, receive, send)


@pytest.fixture
async def hits(tmp_path):
    """The hits of a ledger, by name; `covert` and `made-covert` are the console's alone."""
    ledger = Ledger(
        tmp_path / "data", events(), CLOCK, quota_bytes=10**9, keep_days=30, on_commit=lambda hits, notes: None
    )
    ledger.start()
    made = {}

    async def hit(name, of=scan_hit, said=None, **changes):
        made[name] = of(CLOCK.now(), **changes)
        if made[name].evidence:
            made[name] = replace(made[name], evidence=Evidence(bag(len(made)), "image/png"))
        await ledger.commit(record(made[name]))
        if said:
            words = {"disposition_id": f"d-{name}", "hit_id": made[name].hit_id, "outcome": said}
            await ledger.commit(Apply(Disposition.model_validate_json(json.dumps(words)), CLOCK))

    await hit("found", said="seizure", report=report(score=0.7))
    await hit("empty", said="nothing_found", report=report(score=0.62))
    await hit("counter", of=reading_hit)
    await hit("covert", covert=True, said="seizure")
    await hit("made-covert")
    await ledger.commit(record(replace(made["made-covert"], rev=1, covert=True, evidence=None)))
    person = report(threat(label="object", zone="left ankle"), score=None, threshold=None, model=None)
    await hit("person", of=reading_hit, item=Item("p-1", None, "PERSON"), report=person)
    await hit("formula", report=report(threat(label="=HYPERLINK(1)", box=(1.0, 2.0, 3.0, 4.0))))
    yield made
    await ledger.close()


@pytest.fixture
def folder(tmp_path):
    config = tmp_path / "config"
    (config / "devices").mkdir(parents=True)
    (config / "edge.toml").write_text(EDGE)
    (config / "teams.toml").write_text('[[teams]]\nname = "rex"\nhandler = "0815"\n')
    return config


@pytest.fixture
def core():
    return FakeCore()


@pytest.fixture
async def browse(tmp_path, hits, folder, core):
    """`browse(role)` is a client whose requests come from somebody of that role."""
    page = application(Feed(), core, Shelf(tmp_path / "data", folder))
    clients = []

    def make(role=Role.TECHNICIAN):
        transport = httpx.ASGITransport(app=As(page, role))
        clients.append(httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1"))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()
