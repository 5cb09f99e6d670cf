"""Dispositions over a real mosquitto: applied once, answered, held, chained; and in the evidence package."""

import json
import zipfile

import pytest

from drivers.clock import SystemClock
from edge.dispositions import Dispositions
from edge.evidence import export, verify
from edge.evidence.rows import wrong_acts
from edge.ledger.store import FILE, connect_read_only
from edge.signing import SigningKey
from tests.consoleside import Sender, reply
from tests.core import record, scan_hit
from tests.mqtt import Listener
from tests.post import Post

pytestmark = pytest.mark.protocol
CLOCK = SystemClock()


class Appliance(Post):
    """A ledger and a courier with the room of dispositions, and one hit with a picture."""

    def __init__(self, folder, broker):
        super().__init__(folder, broker.url)
        self.ledger._key = SigningKey.of(folder)
        self.room = Dispositions(self.ledger, CLOCK)
        self.courier.on_down = lambda rest, message: self.room.take(message)

    async def __aenter__(self):
        await super().__aenter__()
        await self.online()
        self.made = scan_hit(CLOCK.now(), b"what the scanner sent")
        await self.ledger.commit(record(self.made))
        return self

    def said(self, number=1, outcome="seizure", **more):
        return {"disposition_id": f"d-{number}", "hit_id": self.made.hit_id, "outcome": outcome, **more}

    def ask(self, sql, *values):
        db = connect_read_only(self.folder / FILE)
        try:
            return db.execute(sql, values).fetchall()
        finally:
            db.close()

    def hold(self):
        return self.ask("SELECT hold FROM evidence")[0][0]


@pytest.fixture
async def lane(tmp_path, broker):
    async with Listener(broker.port, receipts=True) as listener, Appliance(tmp_path / "data", broker) as me:
        with Sender(broker.port) as console:

            async def say(message):
                console.send("disposition", message)
                return await reply(listener, message["disposition_id"])

            yield me, listener, console, say


async def test_a_seizure_is_applied_answered_audited_and_holds_the_evidence(lane):
    me, listener, _, say = lane
    assert me.hold() == 0
    quantity = {"value": 1.241, "unit": "KGM", "gross": True}
    answer = await say(me.said(commodity="cocaine", quantity=quantity, officer="7", witness="9", concealment="food"))
    assert (answer["status"], answer["code"], answer["disposition_id"]) == ("done", "applied", "d-1")
    assert me.hold() == 1
    audit = await listener.wait(lambda: [m.json for m in listener.of("audit") if m.json["what"] == "disposition"])
    assert audit[0]["by"] == "7"
    assert list(wrong_acts(me.folder)) == []


@pytest.mark.parametrize("outcome", ["nothing_found", "not_searched", "cannot_locate", "tip", "training"])
async def test_nothing_found_is_as_quick_to_say_and_holds_nothing(lane, outcome):
    me, _, _, say = lane
    assert (await say(me.said(outcome=outcome)))["status"] == "done"
    assert me.hold() == 0


async def test_sent_again_it_is_answered_again_and_applied_once(lane):
    me, listener, console, say = lane
    first = await say(me.said(note="double bottom"))
    for _ in range(3):
        console.send("disposition", me.said(note="double bottom"))
    answers = await listener.wait(lambda: m if len(m := listener.of("reply")) == 4 else None)
    assert all(m.json == first for m in answers)
    assert me.ask("SELECT count(*) FROM act WHERE kind='disposition'") == [(1,)]
    console.send("disposition", me.said(note="other words"))
    last = await listener.wait(lambda: m[4:] if len(m := listener.of("reply")) == 5 else None)
    assert last[0].json["code"] == "conflict"
    assert me.ask("SELECT count(*) FROM act WHERE kind='disposition'") == [(1,)]


async def test_one_alone_cannot_take_a_find_back_two_can(lane):
    me, _, _, say = lane
    await say(me.said(1))
    assert (await say(me.said(2, "nothing_found", officer="7")))["code"] == "hold-kept"
    assert (await say(me.said(3, "nothing_found", officer="7", witness="7")))["code"] == "hold-kept"
    assert me.hold() == 1
    assert (await say(me.said(4, "nothing_found", officer="7", witness="9")))["code"] == "applied"
    assert me.hold() == 0


async def test_a_picture_that_two_hits_share_stays_held_for_the_other(lane):
    me, _, _, say = lane
    other = scan_hit(CLOCK.now(), b"what the scanner sent")
    await me.ledger.commit(record(other))
    await say(me.said(1))
    await say({**me.said(2, "nothing_found"), "hit_id": other.hit_id})
    assert me.hold() == 1


REFUSED = {
    "of a hit that nobody knows": ({"hit_id": "019d3c6e-0000-7000-8000-000000000000"}, "unknown-hit"),
    "an outcome of no list": ({"outcome": "confiscated"}, "malformed"),
    "a commodity of no list": ({"commodity": "sugar"}, "malformed"),
    "a negative weight": ({"quantity": {"value": -1, "unit": "KGM"}}, "malformed"),
    "no hit at all": ({"hit_id": None}, "malformed"),
    "a note like a book": ({"note": "x" * 3000}, "malformed"),
    "far too large": ({"note": "x" * 20_000}, "too-large"),
}


@pytest.mark.parametrize("how", REFUSED)
async def test_what_is_not_in_order_is_refused_with_a_reason(lane, how):
    me, listener, console, _ = lane
    changes, code = REFUSED[how]
    console.send("disposition", {**me.said(), **changes})
    answer = (await listener.first("reply")).json
    assert (answer["status"], answer["code"]) == ("rejected", code)
    assert me.ask("SELECT count(*) FROM act WHERE kind='disposition'") == [(0,)]


async def test_garbage_and_a_retained_one_are_refused(lane):
    me, listener, console, _ = lane
    for payload in (b"\xff", b"[]", b"{", b'{"disposition_id": 7}'):
        console.send("disposition", payload)
    console.send("disposition", me.said(), retain=True)
    answers = await listener.wait(lambda: m if len(m := listener.of("reply")) == 5 else None)
    assert [m.json["code"] for m in answers] == ["malformed"] * 4 + ["retained"]


async def test_a_covert_one_makes_the_hit_covert(lane):
    me, listener, _, say = lane
    await listener.wait(listener.hits)
    await say(me.said(outcome="controlled_delivery", covert=True))
    revised = (await listener.wait(lambda: [hit for hit in listener.hits() if hit["rev"] == 1]))[0]
    first = listener.hits()[0]
    assert (revised["covert"], revised["seq"], revised["chain"]["prev"]) == (True, 2, first["chain"]["hash"])
    for name in ("threats", "item", "observed_at", "evidence", "score"):
        assert revised[name] == first[name]


async def test_dispositions_are_in_the_evidence_package_and_a_changed_one_is_found(lane, tmp_path):
    me, _, _, say = lane
    await say(me.said(1, note="double bottom"))
    await say(me.said(2, "handed_over"))
    export(me.folder, me.made.hit_id, tmp_path / "hit.zip", CLOCK)
    assert all(finding.ok for finding in verify(tmp_path / "hit.zip"))
    with zipfile.ZipFile(tmp_path / "hit.zip") as package:
        files = {name: package.read(name) for name in package.namelist()}
    said = [json.loads(line) for line in files["dispositions.jsonl"].splitlines()]
    assert [(each["outcome"], each["hold"]) for each in said] == [("seizure", True), ("handed_over", True)]
    assert [json.loads(line)["kind"] for line in files["custody.jsonl"].splitlines()] == ["disposition", "disposition"]
    for name, old, new in (("dispositions.jsonl", b"double", b"single"), ("custody.jsonl", b"double", b"single")):
        with zipfile.ZipFile(tmp_path / "forged.zip", "w") as package:
            for other, content in files.items():
                package.writestr(other, content.replace(old, new) if other == name else content)
        assert not all(finding.ok for finding in verify(tmp_path / "forged.zip"))


async def test_covert_stays_though_who_revises_the_hit_does_not_know_of_it(lane):
    me, listener, _, say = lane
    await say(me.said(outcome="controlled_delivery", covert=True))
    again = scan_hit(CLOCK.now(), b"what the scanner sent", hit_id=me.made.hit_id, rev=1, count=2)
    await me.ledger.commit(record(again))
    last = (await listener.wait(lambda: [hit for hit in listener.hits() if hit["rev"] == 2]))[0]
    assert (last["covert"], last["count"]) == (True, 2)
