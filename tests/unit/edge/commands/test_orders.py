"""Orders of the page at the desk of the console's commands."""

import asyncio
import json
from types import SimpleNamespace

import pytest

from edge.calibration import Calibrations
from edge.commands.desk import Answer, Desk
from edge.commands.orders import ORDERS, Orders
from edge.commands.thresholds import Thresholds
from edge.ledger import Ledger
from edge.ledger.store import FILE, connect_read_only
from tests.core import IDENTITY, FakeClock, events

SHA = "ab" * 32


class Room:
    """A desk over a ledger, and who does what."""

    def __init__(self, folder):
        self.folder, self.clock, self.done = folder, FakeClock(), []
        self.ledger = Ledger(
            folder, events(), self.clock, quota_bytes=10**9, keep_days=30, on_commit=lambda hits, notes: None
        )
        self.ledger.start()
        self.desk = Desk(IDENTITY, self.ledger, self.clock, None, {}, lambda note: None)
        self.calibrations = Calibrations(folder)
        models = {"xray-1": SimpleNamespace(name="baggage", version="1.0.0", sha256=SHA)}
        thresholds = Thresholds(
            (SimpleNamespace(name="xray-1", model="baggage"), SimpleNamespace(name="k9-1", model=None)),
            SimpleNamespace(active=lambda device, configured: models.get(device)),
            SimpleNamespace(set=self.calibrations.append),
            self.clock,
        )
        handlers = {"selftest": self.selftest, "device.restart": self.broken, **thresholds.handlers()}
        self.order = Orders(lambda: self.desk, handlers).order

    async def selftest(self, call):
        self.done.append((call.name, call.by))
        await asyncio.sleep(0)
        return Answer("done", "passed", "as they should")

    async def broken(self, call):
        raise ZeroDivisionError

    def acts(self):
        db = connect_read_only(self.folder / FILE)
        try:
            bodies = [json.loads(body) for (body,) in db.execute("SELECT body FROM act ORDER BY number")]
            notes = [
                (topic, json.loads(body)) for topic, body in db.execute("SELECT topic, payload FROM outbox ORDER BY id")
            ]
            return bodies, notes
        finally:
            db.close()


@pytest.fixture
async def room(tmp_path):
    made = Room(tmp_path)
    yield made
    await made.ledger.close()


async def test_an_order_is_done_kept_and_audited_and_only_the_audit_leaves(room):
    reply = await room.order("selftest", "web:ama", {})
    assert (reply.status, reply.code) == ("done", "passed") and room.done == [("selftest", "web:ama")]
    acts, notes = room.acts()
    assert [(act["name"], act["by"], act["status"]) for act in acts] == [("selftest", "web:ama", "done")]
    assert [(topic, note["by"], note["outcome"]) for topic, note in notes] == [("up/audit", "web:ama", "done")]


@pytest.mark.parametrize(
    ("name", "args", "code"),
    [
        ("shell", {}, "unknown-order"),
        ("evidence.fetch", {"hit_id": "x"}, "unknown-order"),
        ("model.activate", {"model": "x"}, "unknown-order"),
        ("selftest", {"now": True}, "malformed-args"),
        ("device.restart", {"device": "../x"}, "malformed-args"),
        ("device.restart", {"device": "xray-1"}, "internal"),
        ("config.rollback", {}, "unknown-order"),  # nobody here does it
        ("threshold.set", {"device": "xray-1", "normal": 0.5, "elevated": None, "reason": "why"}, "one-threshold"),
        ("threshold.set", {"device": "xray-1", "normal": 0.5, "elevated": 0.6, "reason": "why"}, "elevated-above"),
        ("threshold.set", {"device": "k9-1", "normal": 0.5, "elevated": 0.4, "reason": "why"}, "no-model"),
        ("threshold.set", {"device": "xray-1", "normal": 0.5, "elevated": 0.4, "reason": ""}, "malformed-args"),
        ("threshold.set", {"device": "xray-1", "normal": 0, "elevated": 0, "reason": "why"}, "malformed-args"),
    ],
)
async def test_what_is_no_order_is_refused_and_audited(room, name, args, code):
    reply = await room.order(name, "web:ama", args)
    assert reply.code == code and reply.status in ("rejected", "failed")
    assert [note["outcome"] for _, note in room.acts()[1]] == [reply.status]
    assert room.done == [] and not room.calibrations.path.exists()


async def test_a_threshold_is_written_down_with_who_and_why(room):
    args = {"device": "xray-1", "normal": 0.55, "elevated": 0.4, "reason": "thin suitcases"}
    assert (await room.order("threshold.set", "web:ama", args)).status == "done"
    assert (await room.order("threshold.set", "web:ama", {**args, "normal": None, "elevated": None})).status == "done"
    room.calibrations.refresh()
    first, second = room.calibrations.history
    assert (first.by, first.reason, first.normal, first.device) == ("web:ama", "thin suitcases", 0.55, "xray-1")
    assert second.points is None and room.calibrations.in_force(SHA, "xray-1") is None


async def test_orders_are_done_one_after_the_other(room):
    under_way, most = 0, 0

    async def slow(call):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        return Answer("done", "passed")

    order = Orders(lambda: room.desk, {"selftest": slow}).order
    replies = await asyncio.gather(*(order("selftest", f"web:{n}", {}) for n in range(5)))
    assert most == 1 and len({reply.transaction for reply in replies}) == 5


def test_no_order_reaches_what_the_page_has_no_business_with():
    assert not {"model.activate", "evidence.fetch", "rebirth"} & set(ORDERS)
