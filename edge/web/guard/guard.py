"""What stands before the technician's page: each request is looked at here before the page sees it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from drivers.errors import ConfigError
from edge.config import listen
from edge.config.model import Web
from edge.config.rules import loopback
from edge.config.users import Role, User
from edge.web.guard import body, headers, origin, sessions, signin
from edge.web.guard.sessions import Session, Sessions
from edge.web.guard.throttle import Throttle
from edge.web.guard.userlist import UserList
from edge.web.guard.visitor import LOCAL, Deed, SignEvent, Visitor, logged

CSRF_HEADER = "x-csrf-token"
BY_ITSELF_HEADER = "x-by-itself"
"""Said by the page's script of what it asks with nobody there to ask."""

VISITOR_PATH = "/api/visitor"


def guarded(
    app: ASGIApp,
    settings: Web,
    users_file: Path,
    *,
    audit: Callable[[SignEvent], None] = logged,
    clock: Callable[[], float] = sessions.boot_s,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    max_body_bytes: int = body.MAX_BODY_BYTES,
) -> ASGIApp:
    """Return the page behind its guard: `scope["visitor"]` of each request that reaches `app` says who asks.

    `users_file` is the whole path; `audit` is told of every coming and going. State-changing requests (all but GET and
    HEAD) reach `app` only from the page itself, with the visitor's token in `X-CSRF-Token`, and of technicians only.
    Raises ConfigError where other machines could reach the page without TLS, or nobody could sign in.
    """
    address = listen.parse(settings.listen)
    local = address is not None and loopback(address.host)
    tls = settings.cert_file is not None and settings.key_file is not None
    if not local and not (tls and users_file.exists()):
        raise ConfigError(
            f"the page is not served on {settings.listen} without TLS (web.cert_file, web.key_file) and without users"
            " (jaitf-edge web adduser): listen on 127.0.0.1, or give it both"
        )
    names = origin.Names(settings.names, settings.cert_file)
    return Guard(app, names, UserList(users_file), tls, audit, Throttle(clock, sleep), clock, max_body_bytes)


class Guard:
    """The wrapper, as an ASGI application."""

    def __init__(
        self,
        app: ASGIApp,
        names: origin.Names,
        users: UserList,
        tls: bool,
        audit: Callable[[SignEvent], None],
        throttle: Throttle,
        clock: Callable[[], float],
        max_body_bytes: int,
    ) -> None:
        self._app = app
        self._names = names
        self._users = users
        self._max_body_bytes = max_body_bytes
        self._local_csrf = secrets.token_urlsafe(32)
        self._sessions = Sessions(
            lambda s, why: audit(SignEvent(Deed.ENDED, s.visitor.name, s.address, s.visitor.role, why)), clock
        )
        self._cookies = signin.Cookies(tls)
        self._desk = signin.Desk(self._sessions, throttle, audit, self._cookies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let the page answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers.add(message)
            await send(message)

        most = body.MAX_FORM_BYTES if scope["path"] in signin.PATHS else self._max_body_bytes
        limited = body.limited(receive, Headers(scope=scope), most)
        try:
            await self._answer(scope, limited, send_guarded)
        except HTTPException as error:
            if started:
                raise
            await _plain(error.status_code, error.detail)(scope, limited, send_guarded)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.headers.get("host") not in self._names:
            said = "This page is not known by that name; names in [web] of edge.toml says by which it is."
            await _plain(421, said)(scope, receive, send)
            return
        if origin.from_elsewhere(request.method, request.url.scheme, request.headers):
            await _plain(403, "This was asked by another site's page.")(scope, receive, send)
            return
        users = self._users.current()
        if scope["path"] in signin.PATHS:
            await (await self._desk.answer(request, users))(scope, receive, send)
            return
        if users is None:
            await self._let_in(request, LOCAL, self._local_csrf, send)
            return
        await self._signed_in(request, users, send)

    async def _signed_in(self, request: Request, users: Mapping[str, User], send: Send) -> None:
        token = request.cookies.get(self._cookies.session, "")
        session = self._sessions.find(token, users, used=_somebody_is_there(request))
        if session is None:
            await _sign_in_first(request)(request.scope, request.receive, send)
            return

        def there() -> Session | None:
            return self._sessions.find(token, self._users.current() or {}, used=False)

        while_there = _WhileThere(send, there)
        try:
            await self._let_in(request, session.visitor, session.csrf, while_there)
        except Exception:
            if not while_there.over:
                raise

    async def _let_in(self, request: Request, visitor: Visitor, csrf: str, send: Send) -> None:
        answer: ASGIApp = self._app
        if request.method not in origin.SAFE:
            if not origin.same(request.headers.get(CSRF_HEADER), csrf):
                answer = _plain(403, "The X-CSRF-Token is missing or wrong; load the page anew.")
            elif visitor.role is not Role.TECHNICIAN:
                answer = _plain(403, "A viewer gives no orders.")
        elif request.url.path == VISITOR_PATH:
            answer = JSONResponse({"name": visitor.name, "role": visitor.role.value, "csrf": csrf})
        request.scope["visitor"] = visitor
        await answer(request.scope, request.receive, send)


class _WhileThere:
    """A `send` that ends an answer once its session is over: a stream of events outlives no sign-out."""

    def __init__(self, send: Send, there: Callable[[], Session | None]) -> None:
        self._send = send
        self._there = there
        self.over = False

    async def __call__(self, message: Message) -> None:
        """Send, or raise OSError as of a connection that went: pages know what to do then."""
        if not self.over and message["type"] == "http.response.body" and message.get("more_body"):
            self.over = self._there() is None
            if self.over:
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        if self.over:
            raise OSError("the session is over")
        await self._send(message)


def _somebody_is_there(request: Request) -> bool:
    """Say whether a request is a sign of a person: a stream of events, a live picture and the script's own are none."""
    headers = request.headers
    streamed = "text/event-stream" in headers.get("accept", "") or headers.get("sec-fetch-dest") == "image"
    return not streamed and BY_ITSELF_HEADER not in headers


def _sign_in_first(request: Request) -> Response:
    """Return the way to the form for a person, and a plain word for a program."""
    if request.method in origin.SAFE and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(signin.form_path(request.url.path, request.url.query), 303)
    return JSONResponse({"error": "sign-in", "at": signin.SIGN_IN}, 401)


def _plain(status: int, said: str) -> Response:
    return PlainTextResponse(f"{said}\n", status, {"Connection": "close"} if status in (408, 413) else None)
