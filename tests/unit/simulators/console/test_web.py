"""What the pages answer: escaped, bounded, guarded; and news for those who listen."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulators.console import intake
from simulators.console.feed import Feed
from simulators.console.ingest import Standing
from simulators.console.intake import Arrival
from simulators.console.store.desk import Desk
from simulators.console.store.file import Place, open_writer
from simulators.console.store.reader import Cursor, Mark, Reader
from simulators.console.store.writer import Writer
from simulators.console.topics import Topics
from simulators.console.view import parsed, pretty
from simulators.console.web import Pages, application
from tests.unit.simulators.console.appliance import START, encoded, hit, uuid7

pytestmark = pytest.mark.slow

TOPICS = Topics("jaitf")
NOW_MS = int((START + timedelta(hours=2)).timestamp() * 1000)
JPEG = b"\xff\xd8\xff\xe0 a picture"


class Shop:
    """A store with its pages, asked without a network."""

    def __init__(self, folder: Path) -> None:
        place = Place(folder / "console.db")
        self.writer = Writer(open_writer(place))
        self.reader = Reader(place)
        self.feed = Feed()
        self.standing = Standing("online", NOW_MS, "mqtt://broker.example:1883")
        self.desk = Desk(place)
        self.poked = 0
        self.pages = Pages(
            self.reader, self.desk, self.feed, lambda: self.standing, TOPICS.everything, lambda: NOW_MS, self._poke
        )
        self.app = application(self.pages, ["console.example"])

    def _poke(self) -> None:
        self.poked += 1

    async def post(self, path: str, form: dict[str, str], **headers: str) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            given = {"host": "127.0.0.1:8090", "origin": "http://127.0.0.1:8090"} | headers
            return await client.post(path, data=form, headers=given)

    def hear(self, *messages: tuple[str, object], edge: str = "edge-01") -> None:
        self.writer.commit(
            intake.read(
                TOPICS,
                Arrival(f"jaitf/v1/lfw/{edge}/up/{rest}", body if isinstance(body, bytes) else encoded(body), NOW_MS),
            )
            for rest, body in messages
        )
        self.feed.wake()

    async def get(self, path: str, host: str = "127.0.0.1:8090", **headers: str) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path, headers={"host": host} | headers)


@pytest.fixture
async def shop(tmp_path: Path) -> Any:
    made = Shop(tmp_path)
    yield made
    made.feed.close()
    made.desk.close()
    made.reader.close()
    made.writer.close()


async def test_hits_newest_first_and_page_by_page(shop: Shop) -> None:
    shop.hear(*(("hit/xray-1", hit(number)) for number in (3, 1, 5, 2, 4)))
    first = (await shop.get("/api/hits?limit=2")).json()
    assert [each["seq"] for each in first["hits"]] == [5, 4]
    rest = (await shop.get(f"/api/hits?limit=3&before={first['next']}")).json()
    assert [each["seq"] for each in rest["hits"]] == [3, 2, 1]
    assert rest["next"] is None


async def test_a_hit_in_the_list(shop: Shop) -> None:
    shop.hear(("hit/xray-1", hit(1, rev=2, historical=True)), (f"thumb/{uuid7(1)}", JPEG))
    (card,) = (await shop.get("/api/hits")).json()["hits"]
    assert (
        card["findings"][0] | {"label": "organic mass", "category": "CONTRABAND", "score": 0.93} == card["findings"][0]
    )
    assert (card["rev"], card["historical"], card["picture"], card["bag_tag"]) == (2, True, "here", "0220123457")
    assert card["delay_ms"] == NOW_MS - int((START + timedelta(seconds=1)).timestamp() * 1000)


async def test_the_bytes_of_a_hit_as_published(shop: Shop) -> None:
    payload = encoded(hit(1)) + b"\n\n"
    shop.hear(("hit/xray-1", payload))
    answer = await shop.get(f"/api/hits/{uuid7(1)}")
    assert answer.content == payload
    assert (await shop.get(f"/api/hits/{uuid7(2)}")).status_code == 404


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "limit=٣", "before=", "before=1", "before=a-b"])
async def test_questions_that_are_none(shop: Shop, query: str) -> None:
    answer = await shop.get(f"/api/hits?{query}")
    assert answer.status_code == 400
    assert "error" in answer.json()


async def test_pictures(shop: Shop) -> None:
    shop.hear(("hit/xray-1", hit(1)))
    shop.hear((f"thumb/{uuid7(1)}", JPEG + b"another's"), edge="edge-02")
    assert (await shop.get(f"/thumb/{uuid7(1)}")).status_code == 404
    assert (await shop.get("/api/hits")).json()["hits"][0]["picture"] == "expected"
    shop.hear((f"thumb/{uuid7(1)}", JPEG))
    answer = await shop.get(f"/thumb/{uuid7(1)}")
    assert (answer.content, answer.headers["content-type"]) == (JPEG, "image/jpeg")
    for none in (uuid7(2), "x", "..%2f..%2fetc%2fpasswd"):
        assert (await shop.get(f"/thumb/{none}")).status_code == 404


EVIL = "<script>alert(1)</script>\"'&{{7*7}}\u202e"


async def test_everything_from_the_wire_is_escaped(shop: Shop) -> None:
    shop.hear(
        (
            "hit/xray-1",
            hit(
                1,
                threats=[
                    {"label": EVIL, "category": "OTHER", "zone": EVIL},
                    {"label": EVIL, "category": "OTHER", "measurement": {"name": EVIL, "value": EVIL, "unit": EVIL}},
                ],
                item={"scan_id": EVIL, "bag_tag": EVIL, "type": EVIL},
                model={"name": EVIL, "version": EVIL, "sha256": EVIL},
                evidence={"sha256": EVIL, "media_type": EVIL, "bytes": EVIL},
                targeted={"risk": EVIL},
                corroboration=[{"kind": EVIL, "device": EVIL}, EVIL, None],
                count=EVIL,
                tip_type=EVIL,
                canine={"dog": EVIL, "certified_until": EVIL, "certification_lapsed": True},
            ),
        ),
        ("device/xray-1", {"state": "down", "reason": EVIL, "since": EVIL, "last_observation_at": EVIL}),
        ("birth", {"ledger_id": EVIL, "seq_start": 1, "lane": EVIL, "software": EVIL}),
        ("health", {"blind": True, "blind_reason": EVIL, "storage": EVIL, "queued": {"hit": 3}, "clock": EVIL}),
        (f"hit/{EVIL}", b"{}"),
    )
    shop.standing = Standing("offline", NOW_MS, EVIL, EVIL)
    for path in ("/", f"/hit/{uuid7(1)}", f"/hit/{uuid7(1)}?part=view"):
        answer = await shop.get(path)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "&lt;script&gt;" in answer.text
        assert "49" not in re.sub("[0-9a-f]{64}", "", answer.text.replace("49\u202f", ""))  # digests have any digits


@pytest.mark.parametrize(
    "odd",
    [
        {"corroboration": 7, "targeted": [], "count": {}, "covert": "yes", "tip_type": 0},
        {"corroboration": [[]], "targeted": {}, "item": {"scan_id": None}, "model": None, "evidence": None},
        {"score": None, "threshold": None},
        {"canine": 7, "item": {"scan_id": "1", "match": [], "parcel": {}}},
        {"canine": {"team": [], "dog": None}, "item": {"scan_id": "1", "match": {"by": [], "reason": {}}}},
        {"threats": [{"label": "", "category": "PI"}] * 40},
        {"threshold": -3.5, "score": 0},
        {"threshold": 1e300, "threats": [{"label": "x", "category": "PI", "box": [1e300, -1, 0.5, 0]}]},
    ],
)
async def test_what_the_schema_leaves_open_breaks_no_page(shop: Shop, odd: dict[str, Any]) -> None:
    shop.hear(("hit/xray-1", hit(1, **odd)))
    for path in ("/", f"/hit/{uuid7(1)}", "/api/hits", "/api/state"):
        assert (await shop.get(path)).status_code == 200


async def test_a_dogs_alert_says_team_item_and_that_its_certification_lapsed(shop: Shop) -> None:
    canine = {"team": "K9 1", "dog": "Rex", "handler": "4711", "response": "trained_final_response"}
    lapsed = {"certified_until": "2026-06-30", "certification_lapsed": True}
    item = {"scan_id": "1", "bag_tag": "0220000001", "match": {"by": "belt", "uncertainty_ms": 1200}}
    shop.hear(("hit/xray-1", hit(1, canine=canine | lapsed, item=item)))
    page = (await shop.get(f"/hit/{uuid7(1)}")).text
    for words in ("K9 1", "Rex", "4711", "trained final response", "lapsed on 2026-06-30", "within 1200 ms"):
        assert words in page
    shop.hear(("hit/xray-1", hit(2, canine=canine, item={"scan_id": "1", "match": {"by": "none", "reason": "moved"}})))
    page = (await shop.get(f"/hit/{uuid7(2)}")).text
    assert "items were moved" in page and "lapsed" not in page


def test_json_that_python_cannot_parse_is_shown_as_it_came() -> None:
    for odd in (b"9" * 5000, b"[" * 5000, b"\xff", b""):
        assert pretty(odd) == odd.decode("utf-8", "replace")
        assert parsed(odd) == {}
    assert parsed(b"[1]") == {}


async def test_headers_on_every_answer(shop: Shop) -> None:
    for path in ("/", "/nothing", "/api/hits?limit=x", "/static/console.css", "/thumb/x"):
        headers = (await shop.get(path)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] in ("no-store", "no-cache")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8090", 200),
        ("[::1]:8090", 200),
        ("localhost", 200),
        ("console.example:8090", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
    ],
)
async def test_another_sites_name_is_refused(shop: Shop, host: str, status: int) -> None:
    assert (await shop.get("/api/hits", host=host)).status_code == status


async def test_nothing_can_be_changed(shop: Shop) -> None:
    transport = httpx.ASGITransport(shop.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert (await client.request(method, "/api/hits")).status_code == 405


async def test_the_page_is_its_own_no_address_leads_elsewhere(shop: Shop) -> None:
    shop.hear(("hit/xray-1", hit(1)))
    for path in ("/", f"/hit/{uuid7(1)}", "/static/console.css", "/static/console.js", "/static/theme.js"):
        text = (await shop.get(path)).text
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in text
        assert " style=" not in text
        assert " onclick" not in text


@pytest.mark.parametrize(
    ("language", "word"), [("en", "Contraband"), ("fr", "Contrebande"), ("es", "Contrabando"), ("pt", "Contrabando")]
)
async def test_languages(shop: Shop, language: str, word: str) -> None:
    shop.hear(("hit/xray-1", hit(1)))
    answer = await shop.get("/", **{"accept-language": f"{language};q=0.9, de"})
    assert f'<html lang="{language}">' in answer.text
    assert word in answer.text


async def test_the_state(shop: Shop) -> None:
    at = "2026-11-21T09:00:00.000Z"
    shop.hear(
        ("birth", {"ledger_id": "L1", "seq_start": 1, "lane": "t1-l3", "session": "s", "at": at}),
        ("health", {"queued": {"hit": 12}, "oldest_unsent_hit_s": 61, "blind": True, "blind_reason": "self-test low"}),
        ("device/xray-1", {"state": "down", "reason": "no answer", "since": at}),
        ("hit/xray-1", hit(4)),
        ("verdict/xray-1", {"decision": "unknown", "at": at}),
    )
    shop.hear(("device/xray-1", {"state": "degraded"}), edge="edge-00")
    now = (await shop.get("/api/state")).json()
    mine, silent = now["appliances"]  # what needs someone stands first
    assert (silent["edge"], silent["state"], silent["devices"][0]["stale"]) == ("edge-00", "unknown", True)
    assert (mine["state"], mine["lane"], mine["waiting"], mine["blind"]) == ("online", "t1-l3", 12, "self-test low")
    assert mine["devices"][0] | {"state": "down", "reason": "no answer", "stale": False} == mine["devices"][0]
    assert now["missing"] == 3
    assert now["gaps"][0]["ranges"] == [[1, 3]]
    assert [(each["what"], each["day"]) for each in now["verdicts"]] == [("alarm", 0), ("clear", 0), ("unknown", 1)]


class Listener:
    """Reads the stream of news as a page does."""

    def __init__(self, shop: Shop, since: str) -> None:
        self.mark = Mark.parse(since)
        assert self.mark is not None
        self._stream = shop.pages._news(self.mark, "en")

    async def news(self) -> dict[str, Any]:
        text = await asyncio.wait_for(anext(self._stream), 60)
        head, _, data = text.partition("data: ")
        self.last_id = head.split("id: ")[1].strip()
        return dict(json.loads(data))

    async def end(self) -> None:
        await self._stream.aclose()


async def test_news_of_a_hit_then_of_its_picture(shop: Shop) -> None:
    listener = Listener(shop, "0.0.0")
    first = await listener.news()
    assert (first["cards"], first["replace"]) == ([], False)
    shop.hear(("hit/xray-1", hit(1)))
    (card,) = (await listener.news())["cards"]
    assert "Picture on its way" in card
    shop.hear((f"thumb/{uuid7(1)}", JPEG))
    (card,) = (await listener.news())["cards"]
    assert f'<img src="/thumb/{uuid7(1)}?v=1"' in card
    await listener.end()


async def test_a_listener_that_comes_back_gets_what_it_missed(shop: Shop) -> None:
    shop.hear(("hit/xray-1", hit(1)))
    listener = Listener(shop, "0.0.0")
    await listener.news()
    await listener.end()
    shop.hear(("hit/xray-1", hit(2)), ("hit/xray-1", hit(3)))
    again = Listener(shop, listener.last_id)
    assert len((await again.news())["cards"]) == 2
    await again.end()


async def test_who_missed_too_much_gets_a_new_list(shop: Shop) -> None:
    shop.hear(*(("hit/xray-1", hit(number)) for number in range(1, 200)))
    listener = Listener(shop, "3.0.0")
    news = await listener.news()
    assert (len(news["cards"]), news["replace"]) == (50, True)
    await listener.end()
    ahead = Listener(shop, "5000.0.0")
    assert (await ahead.news())["replace"] is True, "this store is another one than it knew"
    await ahead.end()


async def test_listening_ends_when_the_console_stops(shop: Shop) -> None:
    listener = Listener(shop, "0.0.0")
    await listener.news()
    waiting = asyncio.create_task(listener.news())
    await asyncio.sleep(0)
    shop.feed.close()
    with pytest.raises(StopAsyncIteration):
        await waiting


@pytest.mark.parametrize("text", ["", "1", "1.", ".1", "a.b", "1.2", "1.2.3.4", "-1.2.3", "².1.1", "9" * 40 + ".1.1"])
def test_marks_that_are_none(text: str) -> None:
    assert Mark.parse(text) is None


def test_places_in_the_list() -> None:
    for place in (Cursor(5, 7), Cursor(-5, 7), Cursor(0, 0)):
        assert Cursor.parse(str(place)) == place
    for none in ("", "5", "-5", "5-", "x-1", "5--7x", "1-2-3-x"):
        assert Cursor.parse(none) is None
