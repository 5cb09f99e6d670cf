"""The console's pages and answers, over what the store holds; what officers do is in `actions`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import asdict
from importlib.resources import files

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from simulators.console import texts
from simulators.console.actions import Actions, client, origin, refusal
from simulators.console.ask import DEVICE_COMMANDS, PLAIN_COMMANDS, Refused
from simulators.console.board import Board, board
from simulators.console.codes import LISTS, UNITS
from simulators.console.feed import Feed
from simulators.console.guard import Guard
from simulators.console.handover import Sources
from simulators.console.ingest import Standing
from simulators.console.render import Renderer
from simulators.console.seal import Pins
from simulators.console.sheet import packed
from simulators.console.store.desk import Asked, Desk
from simulators.console.store.reader import EVERYTHING, Cursor, Filter, Mark, Reader
from simulators.console.store.writer import NO_PINS
from simulators.console.topics import is_hit_id, is_name
from simulators.console.view import Filled, card, pretty, question, stamp

FIRST_PAGE = 50
MAX_LIMIT = 500
MAX_LISTENERS = 200
NEWS_EVERY_S = 0.25
HEARTBEAT_S = 15.0
STATIC = {
    "console.css": "text/css",
    "console.js": "text/javascript",
    "theme.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


class Pages:
    """Everything that is answered; one a console."""

    def __init__(
        self,
        reader: Reader,
        desk: Desk,
        feed: Feed,
        standing: Callable[[], Standing],
        topic: str,
        now_ms: Callable[[], int],
        poke: Callable[[], None],
        signed: Callable[[Asked], Asked] = lambda asked: asked,
        pins: Pins = NO_PINS,
    ) -> None:
        self._pins = pins
        self._reader = reader
        self._desk = desk
        self._actions = Actions(reader, desk, poke, signed, now_ms, self._hit_page, self._appliance_page)
        self._feed = feed
        self._standing = standing
        self._topic = topic
        self._now_ms = now_ms
        self._renderer = Renderer()
        self._listeners = 0
        self._board_of: tuple[int, Board] | None = None
        self._sides: dict[str, tuple[int, dict[str, str]]] = {}

    def routes(self) -> list[Route]:
        """Return what is answered where."""
        return [
            Route("/", self.index),
            Route("/hit/{hit_id}", self.hit),
            Route("/hit/{hit_id}/handover.zip", self.handover),
            Route("/hit/{hit_id}/evidence.zip", self.evidence),
            Route("/appliance/{site}/{edge}", self.appliance),
            Route("/log", self.log),
            *self._actions.routes(),
            Route("/thumb/{hit_id}", self.thumb),
            Route("/events", self.events),
            Route("/api/hits", self.api_hits),
            Route("/api/hits/{hit_id}", self.api_hit),
            Route("/api/state", self.api_state),
            Route("/static/{name}", self.static),
        ]

    def _board(self) -> Board:
        if self._board_of is None or self._board_of[0] != self._feed.version:
            version = self._feed.version
            self._board_of = version, board(self._reader, self._standing(), self._topic, self._now_ms())
        return self._board_of[1]

    def _side(self, language: str) -> dict[str, str]:
        version, shown = self._sides.get(language, (-1, {}))
        if version != self._feed.version:
            version, now = self._feed.version, self._board()
            shown = {
                part: self._renderer.page(f"{part}.html", language, board=now) for part in ("status", "side", "empty")
            }
            self._sides[language] = version, shown
        return shown

    async def index(self, request: Request) -> Response:
        """Answer with the page: the newest hits, or those before a place in the list."""
        before, only = _cursor(request), _filter(request)
        mark = self._reader.mark()
        rows = self._reader.shown(FIRST_PAGE + 1, before, only)
        cards = [card(row) for row in rows[:FIRST_PAGE]]
        html = self._renderer.page(
            "console.html",
            _language(request),
            cards=cards,
            next=cards[-1].key if len(rows) > FIRST_PAGE else "",
            before=before,
            only=only,
            query=_query(only),
            choices=self._reader.choices(),
            mark=mark,
            board=self._board(),
        )
        return HTMLResponse(html, headers={"Vary": "Accept-Language"})

    async def hit(self, request: Request) -> Response:
        """Answer with one hit: a page, or with `?part=view` what the list lays over itself."""
        hit_id = request.path_params["hit_id"]
        if not is_hit_id(hit_id) or self._reader.one(hit_id) is None:
            return HTMLResponse(self._renderer.page("missing.html", _language(request)), 404)
        self._desk.log(self._now_ms(), client(request), "viewed", hit_id)
        return self._hit_page(request, hit_id, {}, None)

    def _hit_page(self, request: Request, hit_id: str, form: dict[str, str], refused: Refused | None) -> Response:
        row = self._reader.one(hit_id)
        assert row is not None
        html = self._renderer.page(
            "view.html" if request.query_params.get("part") == "view" else "hit.html",
            _language(request),
            hit=card(row),
            revisions=self._reader.revisions(hit_id),
            conflicts=self._reader.conflicts(hit_id),
            json=pretty(row["payload"]),
            asked=[question(each) for each in self._reader.asked(hit_id=hit_id)],
            log=self._reader.log(hit_id, 20),
            package=self._reader.package(hit_id),
            codes=LISTS,
            units=UNITS,
            form=Filled(form),
            refused=refused,
        )
        return refusal(html, refused)

    async def handover(self, request: Request) -> Response:
        """Answer with the hand-over package of a hit; that it was taken out is logged, and stands in it."""
        hit_id = request.path_params["hit_id"]
        row = self._reader.one(hit_id) if is_hit_id(hit_id) else None
        if row is None:
            raise HTTPException(404)
        self._desk.log(self._now_ms(), client(request), "exported", hit_id, "handover")
        package = self._reader.package(hit_id)
        sources = Sources(
            package=package[0] if package else None,
            card=card(row),
            payload=row["payload"],
            picture=self._reader.thumb(hit_id),
            dispositions=[
                question(each) for each in self._reader.asked(hit_id=hit_id) if each["kind"] == "disposition"
            ],
            log=[
                {"at": stamp(each["at_ms"]), "by": each["by"], "what": each["what"]}
                for each in self._reader.log(hit_id, 200)
            ],
        )
        body = await asyncio.to_thread(packed, sources, _language(request))
        name = f'attachment; filename="handover-{hit_id}.zip"'
        return Response(body, media_type="application/zip", headers={"Content-Disposition": name})

    async def evidence(self, request: Request) -> Response:
        """Answer with a hit's evidence package as its appliance handed it out; that it was taken out is logged."""
        hit_id = request.path_params["hit_id"]
        package = self._reader.package(hit_id) if is_hit_id(hit_id) else None
        if package is None:
            raise HTTPException(404)
        self._desk.log(self._now_ms(), client(request), "exported", hit_id, f"evidence {package[1]}")
        name = f'attachment; filename="evidence-{hit_id}.zip"'
        return Response(package[0], media_type="application/zip", headers={"Content-Disposition": name})

    async def appliance(self, request: Request) -> Response:
        """Answer with one appliance: its devices, commands, its risk list, and what was asked of it."""
        site, edge = origin(request)
        return self._appliance_page(request, f"{site}/{edge}", {}, None)

    def _appliance_page(self, request: Request, name: str, form: dict[str, str], refused: Refused | None) -> Response:
        place = next((each for each in self._board().appliances if f"{each.site}/{each.edge}" == name), None)
        if place is None:
            return HTMLResponse(self._renderer.page("missing.html", _language(request)), 404)
        html = self._renderer.page(
            "appliance.html",
            _language(request),
            place=place,
            asked=[question(each) for each in self._reader.asked(site=place.site, edge=place.edge)],
            plain_commands=PLAIN_COMMANDS,
            device_commands=DEVICE_COMMANDS,
            form=Filled(form),
            refused=refused,
            keys=self._reader.keys(place.site, place.edge),
            pin=self._pins.of.get((place.site, place.edge), ""),
        )
        return refusal(html, refused)

    async def log(self, request: Request) -> Response:
        """Answer with who did what, the last first."""
        return HTMLResponse(self._renderer.page("log.html", _language(request), rows=self._reader.log(limit=500)))

    async def thumb(self, request: Request) -> Response:
        """Answer with the picture of a hit, as its appliance sent it."""
        hit_id = request.path_params["hit_id"]
        jpeg = self._reader.thumb(hit_id) if is_hit_id(hit_id) else None
        if jpeg is None:
            raise HTTPException(404)
        return Response(jpeg, media_type="image/jpeg")

    async def api_hits(self, request: Request) -> Response:
        """Answer with hits, newest first, and the place to go on from."""
        limit = _limit(request)
        rows = self._reader.shown(limit + 1, _cursor(request), _filter(request))
        cards = [card(row) for row in rows[:limit]]
        following = cards[-1].key if len(rows) > limit and cards else None
        return JSONResponse({"hits": [asdict(each) for each in cards], "next": following})

    async def api_hit(self, request: Request) -> Response:
        """Answer with a hit's bytes as they were published."""
        hit_id = request.path_params["hit_id"]
        row = self._reader.one(hit_id) if is_hit_id(hit_id) else None
        if row is None:
            return JSONResponse({"error": "no such hit"}, 404)
        return Response(row["payload"], media_type="application/json")

    async def api_state(self, request: Request) -> Response:
        """Answer with appliances, devices, counts and faults."""
        return JSONResponse(asdict(self._board()))

    async def static(self, request: Request) -> Response:
        """Answer with the stylesheet, the script or the icon."""
        name = request.path_params["name"]
        if name not in STATIC:
            raise HTTPException(404)
        body = files("simulators.console.page").joinpath(name).read_bytes()
        return Response(body, media_type=STATIC[name], headers={"Cache-Control": "no-cache"})

    async def events(self, request: Request) -> Response:
        """Answer with news as they come (server-sent events), from the place that the listener has reached."""
        if self._listeners >= MAX_LISTENERS:
            return JSONResponse({"error": "too many listen already"}, 503, {"Retry-After": "10"})
        reached = request.headers.get("last-event-id") or request.query_params.get("since", "")
        mark = Mark.parse(reached) or self._reader.mark()
        return StreamingResponse(self._news(mark, _language(request), _filter(request)), media_type="text/event-stream")

    async def _news(self, mark: Mark, language: str, only: Filter = EVERYTHING) -> AsyncIterator[str]:
        self._listeners += 1
        try:
            while not self._feed.closed:
                version = self._feed.version
                mark, news = self._since(mark, language, only)
                yield f"event: news\nid: {mark}\ndata: {json.dumps(news, ensure_ascii=False)}\n\n"
                await asyncio.sleep(NEWS_EVERY_S)  # a flood comes in handfuls that a page can draw
                while not await self._feed.after(version, HEARTBEAT_S):
                    yield ": still here\n\n"
        finally:
            self._listeners -= 1

    def _since(self, mark: Mark, language: str, only: Filter) -> tuple[Mark, dict[str, object]]:
        now = self._reader.mark()
        rows = self._reader.changed(mark, FIRST_PAGE + 1, only)
        replace = len(rows) > FIRST_PAGE or mark.hit > now.hit
        if replace:
            rows = self._reader.shown(FIRST_PAGE, None, only)
        html = self._renderer.cards([card(row) for row in rows], language)
        return now, {"cards": html, "replace": replace, **self._side(language)}


def _language(request: Request) -> str:
    asked = request.query_params.get("lang", "")
    return asked if asked in texts.languages() else texts.chosen(request.headers.get("accept-language", ""))


def _filter(request: Request) -> Filter:
    given = {name: request.query_params.get(name, "") for name in ("site", "lane", "device", "severity", "state")}
    return Filter(**{name: value if is_name(value) else "" for name, value in given.items()})


def _query(only: Filter) -> str:
    """Return the filter as the rest of an address; its values are names, and need no quoting."""
    return "".join(f"&{name}={value}" for name, value in asdict(only).items() if value)


def _cursor(request: Request) -> Cursor | None:
    text = request.query_params.get("before")
    if text is None:
        return None
    cursor = Cursor.parse(text)
    if cursor is None:
        raise HTTPException(400, "before: not a place in the list")
    return cursor


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(FIRST_PAGE))
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= MAX_LIMIT):
        raise HTTPException(400, f"limit: 1 to {MAX_LIMIT}")
    return int(text)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


def application(pages: Pages, allowed_hosts: Iterable[str] = ()) -> Starlette:
    """Return the pages as an ASGI application, behind their guard."""
    return Starlette(
        routes=pages.routes(),
        middleware=[Middleware(Guard, allowed=tuple(allowed_hosts))],
        exception_handlers={HTTPException: _refused},
    )
