"""What the page answers. Who may ask is looked at before it gets here: `scope["visitor"]` says who it is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from drivers.errors import EdgeError, ProtocolError
from edge import __version__
from edge.web.core import Core
from edge.web.downloads import Downloads, not_yours, technician
from edge.web.feed import Feed
from edge.web.guard.render import LANGUAGES, language
from edge.web.shelf import Shelf
from edge.web.words import words

HEARTBEAT_S = 15.0
MAX_WATCHERS = 24
MAX_HITS = 200
FIRST_LINES = 300
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
KEEP = {"Cache-Control": "private, max-age=600"}


class Pages:
    """Everything that is answered but files to take away, which are in `downloads`."""

    def __init__(self, feed: Feed, core: Core, shelf: Shelf) -> None:
        self._feed = feed
        self._core = core
        self._shelf = shelf
        folder = files("edge.web") / "static"
        self._static = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        self._templates = Environment(
            loader=PackageLoader("edge.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )

    def routes(self) -> list[Route]:
        """Return what is answered where."""
        return [
            Route("/", self.index),
            Route("/events", self.events),
            Route("/static/{name}", self.static),
            Route("/words/{code}.json", self.words),
            Route("/api/scans/{number:int}.jpg", self.scan),
            Route("/api/hits", self.hits),
            Route("/api/hits/{hit_id}", self.hit),
            Route("/api/found", self.found),
            Route("/api/config", self.config),
            Route("/api/orders/{name}", self.order, methods=["POST"]),
            Route("/api/replies/{transaction}", self.reply),
        ]

    async def index(self, request: Request) -> Response:
        """Answer with the page's frame, in the visitor's language; the rest comes by events."""
        code = language(request)
        html = self._templates.get_template("page.html").render(
            t=words(code), lang=code, languages=LANGUAGES, version=__version__, visitor=request.scope["visitor"]
        )
        answer = Response(html, media_type="text/html", headers={"Vary": "Accept-Language, Cookie"})
        if request.query_params.get("lang") == code:
            tls = request.url.scheme == "https"
            answer.set_cookie("lang", code, max_age=365 * 86_400, samesite="strict", secure=tls, httponly=True)
        return answer

    async def static(self, request: Request) -> Response:
        """Answer with one of the page's own files."""
        name = request.path_params["name"]
        if (body := self._static.get(name)) is None:
            return Response(status_code=404)
        # Asked for anew each time: after an update an old script would not understand the new page.
        return Response(body, media_type=TYPES[name[name.rindex(".") :]], headers={"Cache-Control": "no-cache"})

    async def words(self, request: Request) -> Response:
        """Answer with a language's words."""
        code = request.path_params["code"]
        if code not in LANGUAGES:
            return Response(status_code=404)
        return JSONResponse(words(code), headers={"Cache-Control": "no-cache"})

    async def scan(self, request: Request) -> Response:
        """Answer with the picture of a scan that was judged a moment ago."""
        shown = self._feed.scan(request.path_params["number"])
        if shown is None or not shown.picture:
            return Response(status_code=404)
        return Response(shown.picture, media_type="image/jpeg", headers=KEEP)

    async def hits(self, request: Request) -> Response:
        """Answer with hits, the newest first, from below `before`, of a `state` and a `device` where given."""
        asked = request.query_params
        before, limit = _number(asked.get("before")), min(_number(asked.get("limit")) or 25, MAX_HITS)
        return await self._read(self._shelf.hits, before, limit, asked.get("state", ""), asked.get("device", ""))

    async def hit(self, request: Request) -> Response:
        """Answer with one hit and what was done about it."""
        return await self._read(self._shelf.hit, request.path_params["hit_id"])

    async def found(self, request: Request) -> Response:
        """Answer with the scores of hits that somebody searched, by device, and whether there was a find."""
        return await self._read(self._shelf.found)

    async def config(self, request: Request) -> Response:
        """Answer with the configuration's files."""
        return await self._read(self._shelf.files) if technician(request) else not_yours()

    async def reply(self, request: Request) -> Response:
        """Answer with what became of an order."""
        return await self._read(self._shelf.reply, request.path_params["transaction"])

    async def _read(self, what: Callable[..., Any], *given: object) -> Response:
        try:
            found = await run_in_threadpool(what, *given)
        except EdgeError as error:
            return JSONResponse({"error": error.code, "detail": str(error)}, 503)
        return JSONResponse(found, 404 if found is None else 200)

    async def order(self, request: Request) -> Response:
        """Give an order to the core, and answer with what became of it. Only a technician gets here with one."""
        if not technician(request):
            return _refused(403, "viewer", "a viewer gives no orders")
        try:
            args = await request.json()
            reply = await self._core.order(request.path_params["name"], request.scope["visitor"].name, args)
        except (ValueError, RecursionError):
            return _refused(400, "malformed", "no JSON")
        except ProtocolError as error:
            return _refused(413, "too-large", str(error))
        except TimeoutError:
            return _refused(504, "no-answer", "no answer yet; the log says more")
        return JSONResponse(reply)

    async def events(self, request: Request) -> Response:
        """Answer with a stream of what changes."""
        if self._feed.watchers >= MAX_WATCHERS:
            return JSONResponse({"error": "busy"}, 503)
        return StreamingResponse(
            self._stream(technician(request)), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )

    async def _stream(self, log: bool) -> AsyncIterator[str]:
        feed, told = self._feed, _Told(log)
        with feed.watching():
            yield "retry: 2000\n\n"
            while not feed.closed:
                version = feed.version
                for event in told.news(feed):
                    yield event
                if not await feed.after(version, HEARTBEAT_S):
                    yield ": still here\n\n"


class _Told:
    """What one who watches has been told; the `log` is for technicians."""

    def __init__(self, log: bool) -> None:
        self._log = log
        self._state: object = None
        self._scores: dict[str, object] = {}
        self._scan = self._line = 0
        self._hits = -1

    def news(self, feed: Feed) -> list[str]:
        """Return the events that they have not had yet."""
        found = []
        if feed.state and feed.state is not self._state:
            self._state = feed.state
            found.append(_event("state", feed.state))
        for device, scores in feed.scores.items():
            if self._scores.get(device) is not scores:
                self._scores[device] = scores
                found.append(_event("scores", {"device": device, **scores}))
        for shown in [shown for shown in feed.scans if shown.number > self._scan][-8:]:
            self._scan = shown.number
            found.append(_event("scan", {"number": shown.number, "picture": bool(shown.picture), **shown.said}))
        lines = [line for line in feed.lines if line[0] > self._line][-FIRST_LINES:]
        if lines and self._log:
            self._line = lines[-1][0]
            found.append(_event("log", lines))
        if feed.hits_version != self._hits:
            self._hits = feed.hits_version
            found.append(_event("hits", feed.hits_version))
        return found


def _event(name: str, said: object) -> str:
    return f"event: {name}\ndata: {json.dumps(said, separators=(',', ':'))}\n\n"


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else None


def _refused(status: int, code: str, detail: str) -> Response:
    return JSONResponse({"status": "rejected", "code": code, "detail": detail}, status)


def application(feed: Feed, core: Core, shelf: Shelf) -> Starlette:
    """Return the page as an ASGI application."""
    pages, downloads = Pages(feed, core, shelf), Downloads(core, shelf)
    return Starlette(routes=[*pages.routes(), *downloads.routes()])
