"""What officers do: kept, logged, sent until it is answered; and nothing of it from another site's page."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from simulators.console import ask
from simulators.console.messages import Reply
from simulators.console.store import desk as desk_module
from simulators.console.store.reader import Filter
from tests.unit.simulators.console.appliance import hit, uuid7
from tests.unit.simulators.console.test_web import NOW_MS, Shop, shop  # noqa: F401 - a fixture

SCHEMAS = Path("docs/contract/schemas")
SEIZURE = {
    "outcome": "seizure",
    "commodity": "cocaine",
    "quantity": "1,241",
    "unit": "KGM",
    "gross": "gross",
    "concealment": "bag_false_bottom_wall",
    "officer": "officer-7",
    "witness": "officer-9",
    "note": "two plates",
    "covert": "yes",
}


def valid(name: str, body: dict[str, Any]) -> dict[str, Any]:
    jsonschema.validate(body, json.loads((SCHEMAS / f"{name}.json").read_text()))
    return body


def test_a_disposition_is_the_contracts() -> None:
    asked = ask.disposition(SEIZURE, "lfw", "edge-01", uuid7(1), NOW_MS)
    body = valid("disposition", asked.body)
    assert body["quantity"] == {"value": 1.241, "unit": "KGM", "gross": True}
    assert (body["covert"], body["officer"], asked.transaction) == (True, "officer-7", body["disposition_id"])
    short = ask.disposition({"outcome": "nothing_found", "officer": "7"}, "lfw", "edge-01", uuid7(1), NOW_MS)
    assert set(valid("disposition", short.body)) == {"disposition_id", "hit_id", "outcome", "officer", "at"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"outcome": ""}, "outcome"),
        ({"outcome": "found"}, "outcome"),
        ({"officer": " "}, "officer"),
        ({"officer": "<b>"}, "officer"),
        ({"quantity": "about two"}, "quantity"),
        ({"quantity": "1e9"}, "quantity"),
        ({"unit": "stone"}, "unit"),
        ({"note": "x" * 2001}, "note"),
        ({"commodity": "unobtainium"}, "commodity"),
    ],
)
def test_a_disposition_that_is_none(change: dict[str, str], field: str) -> None:
    with pytest.raises(ask.Refused) as refused:
        ask.disposition(SEIZURE | change, "lfw", "edge-01", uuid7(1), NOW_MS)
    assert refused.value.field == field


@pytest.mark.parametrize("name", [*ask.PLAIN_COMMANDS, *ask.DEVICE_COMMANDS, "model.activate"])
def test_a_command_is_the_contracts(name: str) -> None:
    form = {"name": name, "officer": "7", "device": "xray-1", "model": "baggage", "shadow_scans": "20"}
    asked = ask.command(form, "lfw", "edge-01", NOW_MS)
    valid(f"cmd.{name}", asked.body)
    assert asked.expires_ms == NOW_MS + ask.COMMAND_MS


@pytest.mark.parametrize("form", [{"name": "shell"}, {"name": "device.restart", "device": "../x"}, {}])
def test_a_command_that_is_none(form: dict[str, str]) -> None:
    with pytest.raises(ask.Refused):
        ask.command(form | {"officer": "7"}, "lfw", "edge-01", NOW_MS)


def test_targets_travel_as_salted_hashes() -> None:
    lines = "T-1 bag_tag 0220123456 high\n\n T-2 flight af0718/2026-11-21 elevated covert\n"
    asked = ask.targets({"lines": lines, "officer": "7"}, "lfw", "edge-01", 5, "salt", NOW_MS)
    body = valid("targets", asked.body)
    assert [each["hash"] for each in body["entries"]] == [
        hashlib.sha256(text.encode()).hexdigest() for text in ("salt0220123456", "saltAF0718/2026-11-21")
    ]
    assert [each.get("covert") for each in body["entries"]] == [None, True]
    assert "0220123456" not in json.dumps(body)


@pytest.mark.parametrize(
    "line",
    ["T-1", "T-1 bag_tag 022012345 high", "T-1 name SMITH high", "T-1 bag_tag 0220123456 low", "a b c d e f g",
     "T-1 flight AF718/2026-11-21 high", "T-1 bag_tag 0220123456 high hidden"],
)  # fmt: skip
def test_a_target_that_is_none(line: str) -> None:
    with pytest.raises(ask.Refused) as refused:
        ask.targets({"lines": line, "officer": "7"}, "lfw", "edge-01", 5, "salt", NOW_MS)
    assert refused.value.shown == line


@pytest.fixture
def db(shop: Shop) -> sqlite3.Connection:  # noqa: F811
    shop.hear(("hit/xray-1", hit(1)), ("hit/xray-1", hit(2)), ("device/xray-1", {"state": "up"}))
    return shop.writer._db


async def test_from_the_form_to_the_wire_and_back(shop: Shop, db: sqlite3.Connection) -> None:  # noqa: F811
    page = (await shop.get(f"/hit/{uuid7(1)}")).text
    assert f'action="/hit/{uuid7(1)}/disposition"' in page
    answer = await shop.post(f"/hit/{uuid7(1)}/disposition", SEIZURE)
    assert (answer.status_code, answer.headers["location"], shop.poked) == (303, f"/hit/{uuid7(1)}", 1)
    assert "Seizure" in (await shop.get(f"/hit/{uuid7(1)}")).text
    (due,) = desk_module.due(db, NOW_MS, 10)
    assert (due.kind, due.site, due.edge) == ("disposition", "lfw", "edge-01")
    body = valid("disposition", json.loads(due.body))

    def card() -> dict[str, Any]:
        return next(each for each in hits["hits"] if each["hit_id"] == uuid7(1))

    hits = (await shop.get("/api/hits?state=done")).json()
    assert (len(hits["hits"]), card()["outcome"], card()["told"]) == (1, "seizure", "waiting")
    desk_module.sent(db, [due.id], NOW_MS)
    assert not desk_module.due(db, NOW_MS + 4_999, 10)
    assert desk_module.due(db, NOW_MS + 5_000, 10), "it goes again until it is answered"
    reply = {"transaction": body["disposition_id"], "status": "done", "code": "applied", "detail": "", "at": ""}
    shop.hear(("reply", reply))
    assert not desk_module.due(db, NOW_MS + 10**9, 10)
    hits = (await shop.get("/api/hits")).json()
    assert card()["told"] == "done"
    assert {row["what"] for row in shop.reader.log(uuid7(1))} == {"viewed", "disposition"}


async def test_what_was_filled_in_wrongly_stays_and_says_why(shop: Shop, db: sqlite3.Connection) -> None:  # noqa: F811
    answer = await shop.post(f"/hit/{uuid7(1)}/disposition?part=view", SEIZURE | {"quantity": "much"})
    assert answer.status_code == 422
    assert "Not a number that can be used: much" in answer.text
    assert 'value="officer-7"' in answer.text and 'value="cocaine" selected' in answer.text
    assert (desk_module.due(db, NOW_MS, 10), shop.poked) == ([], 0)


@pytest.mark.parametrize(
    "headers", [{"origin": "http://evil.example"}, {"origin": ""}, {"sec-fetch-site": "cross-site"}]
)
async def test_forms_of_other_pages_are_refused(shop: Shop, db: sqlite3.Connection, headers: dict[str, str]) -> None:  # noqa: F811
    assert (await shop.post(f"/hit/{uuid7(1)}/disposition", SEIZURE, **headers)).status_code == 403
    assert desk_module.due(db, NOW_MS, 10) == []


async def test_a_command_from_the_board(shop: Shop, db: sqlite3.Connection) -> None:  # noqa: F811
    shop.hear(
        ("audit", {"at": "2026-11-21T09:30:12.481Z", "what": "ping", "by": "7", "outcome": "done", "detail": "x"})
    )
    page = (await shop.get("/appliance/lfw/edge-01")).text
    assert "xray-1" in page
    form = {"name": "device.restart", "device": "xray-1", "officer": "7"}
    assert (await shop.post("/appliance/lfw/edge-01/command", form)).status_code == 303
    (due,) = desk_module.due(db, NOW_MS, 10)
    assert (due.kind, due.name) == ("cmd", "device.restart")
    assert desk_module.due(db, NOW_MS + ask.COMMAND_MS + 1, 10) == []
    assert "expired without an answer" in (await shop.get("/appliance/lfw/edge-01")).text
    assert "device.restart" in (await shop.get("/log")).text
    assert (await shop.get("/appliance/lfw/edge-99")).status_code == 404


async def test_risk_lists_only_rise(shop: Shop, db: sqlite3.Connection) -> None:  # noqa: F811
    for _ in range(2):
        form = {"lines": "T-1 bag_tag 0220123456 high", "hours": "2", "officer": "7"}
        assert (await shop.post("/appliance/lfw/edge-01/targets", form)).status_code == 303
    first, second = (json.loads(each.body)["version"] for each in desk_module.due(db, NOW_MS, 10))
    assert second > first


async def test_filters(shop: Shop, db: sqlite3.Connection) -> None:  # noqa: F811
    shop.hear(("hit/portal-1", hit(9, device="portal-1", severity="low")))

    async def found(query: str) -> list[int]:
        return sorted(each["seq"] for each in (await shop.get(f"/api/hits?{query}")).json()["hits"])

    assert await found("device=portal-1") == [9]
    assert await found("severity=high&lane=t1-l3") == [1, 2]
    assert await found("state=open") == [1, 2, 9]
    assert await found("state=done") == []
    assert await found("device=x'; DROP TABLE hit; --") == [1, 2, 9], "what is no name filters nothing"
    assert '<option value="low" selected>' in (await shop.get("/?severity=low")).text
    assert not Filter() and Filter(lane="x")


def test_an_answer_comes_once_and_accepted_waits_for_another(shop: Shop, db: sqlite3.Connection) -> None:  # noqa: F811
    asked = ask.command({"name": "selftest", "officer": "7"}, "lfw", "edge-01", NOW_MS)
    shop.desk.ask(asked)
    shop.desk.ask(asked)
    assert len(desk_module.due(db, NOW_MS, 10)) == 1

    def answer(status: Any, edge: str = "edge-01") -> bool:
        reply = Reply(transaction=asked.transaction, status=status)
        return desk_module.answered(db, "lfw", edge, reply, b"{}", NOW_MS)

    assert not answer("done", "edge-02"), "another appliance's word counts for nothing"
    assert answer("accepted") and answer("failed") and not answer("done")
    assert shop.reader.asked(site="lfw", edge="edge-01")[0]["state"] == "failed"


def test_a_file_of_the_first_version_is_brought_up(tmp_path: Path) -> None:
    from importlib.resources import files

    from simulators.console.store.file import Place, open_writer

    place = Place(tmp_path / "console.db")
    with sqlite3.connect(place.file) as old:
        old.executescript(files("simulators.console.store").joinpath("schema.sql").read_text("utf-8"))
        old.execute("INSERT INTO meta VALUES ('client_id', 'jaitf-console-old')")
        old.execute("PRAGMA user_version=1")
    old.close()
    new = open_writer(place)
    assert new.execute("SELECT count(*) FROM asked").fetchone() == (0,)
    assert new.execute("SELECT value FROM meta WHERE name='client_id'").fetchone() == ("jaitf-console-old",)
    new.close()
