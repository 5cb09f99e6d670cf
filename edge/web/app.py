"""What the page answers. Who may ask is looked at before it gets here: `scope["visitor"]` says who it is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from importlib.resources import files

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from drivers.errors import ProtocolError
from edge.web.core import Core
from edge.web.feed import Feed
from edge.web.shelf import Shelf

HEARTBEAT_S = 15.0
MAX_WATCHERS = 24
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".html": "text/html"}


class Pages:
    """Everything that is answered."""

    def __init__(self, feed: Feed, core: Core, shelf: Shelf) -> None:
        self._feed = feed
        self._core = core
        self._shelf = shelf
        folder = files("edge.web") / "static"
        self._static = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}

    def routes(self) -> list[Route]:
        """Return what is answered where."""
        return [
            Route("/", self.index),
            Route("/events", self.events),
            Route("/api/orders/{name}", self.order, methods=["POST"]),
            Route("/static/{name}", self.static),
        ]

    async def index(self, request: Request) -> Response:
        """Answer with the page's frame; the rest comes by events."""
        return Response(self._static["index.html"], media_type="text/html")

    async def static(self, request: Request) -> Response:
        """Answer with one of the page's own files."""
        name = request.path_params["name"]
        body = self._static.get(name)
        if body is None or name == "index.html":
            return Response(status_code=404)
        return Response(body, media_type=TYPES[name[name.rindex(".") :]])

    async def events(self, request: Request) -> Response:
        """Answer with a stream of what changes."""
        if self._feed.watchers >= MAX_WATCHERS:
            return JSONResponse({"error": "busy"}, 503)
        return StreamingResponse(self._stream(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    async def order(self, request: Request) -> Response:
        """Give an order to the core, and answer with what became of it. Only a technician gets here with one."""
        visitor = request.scope["visitor"]
        if visitor.role != "technician":
            return JSONResponse({"status": "rejected", "code": "viewer", "detail": "a viewer gives no orders"}, 403)
        try:
            args = await request.json()
            reply = await self._core.order(request.path_params["name"], visitor.name, args)
        except (ValueError, RecursionError):
            return JSONResponse({"status": "rejected", "code": "malformed", "detail": "no JSON"}, 400)
        except ProtocolError as error:
            return JSONResponse({"status": "rejected", "code": "too-large", "detail": str(error)}, 413)
        except TimeoutError:
            return JSONResponse({"status": "failed", "code": "no-answer", "detail": "no answer yet"}, 504)
        return JSONResponse(reply)

    async def _stream(self) -> AsyncIterator[str]:
        feed = self._feed
        with feed.watching():
            told: object = None
            yield "retry: 2000\n\n"
            while not feed.closed:
                version = feed.version
                if feed.state and feed.state is not told:
                    told = feed.state
                    yield _event("state", feed.state)
                if not await feed.after(version, HEARTBEAT_S):
                    yield ": still here\n\n"


def _event(name: str, said: object) -> str:
    return f"event: {name}\ndata: {json.dumps(said, separators=(',', ':'))}\n\n"


def application(feed: Feed, core: Core, shelf: Shelf) -> Starlette:
    """Return the page as an ASGI application."""
    return Starlette(routes=Pages(feed, core, shelf).routes())
