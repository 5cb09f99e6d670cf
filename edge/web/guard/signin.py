"""The form to sign in with, and the one to sign out with; both work without a script."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from edge.config.users import User
from edge.web.guard import body, origin, passwords, render
from edge.web.guard.sessions import LIFE_S, Sessions
from edge.web.guard.throttle import HeldOffError, Throttle
from edge.web.guard.visitor import Deed, SignEvent

SIGN_IN, SIGN_OUT, STYLE = "/sign-in", "/sign-out", "/sign-in.css"
PATHS = frozenset({SIGN_IN, SIGN_OUT, STYLE})
MAX_AT_ONCE = 2
"""Passwords that are looked at at the same time: each takes 64 MiB and some tenths of a second of a core."""

_FORM_BYTES = 18


@dataclass(frozen=True, slots=True)
class Cookies:
    """Their names, and how they are set.

    Under TLS the prefix __Host- keeps other hosts and plain HTTP from setting them (RFC 6265bis, 4.1.3.2).
    """

    tls: bool

    @property
    def session(self) -> str:
        """Return the name of the session's."""
        return f"{'__Host-' if self.tls else ''}jaitf-edge"

    @property
    def form(self) -> str:
        """Return the name of the form's, which says that the form was this page's."""
        return f"{self.session}-form"

    def set(self, response: Response, name: str, value: str, life_s: float | None = None) -> None:
        """Set one, for this site alone and for no script."""
        age = None if life_s is None else int(life_s)
        response.set_cookie(name, value, max_age=age, path="/", secure=self.tls, httponly=True, samesite="strict")

    def clear(self, response: Response, name: str) -> None:
        """Take one away."""
        response.delete_cookie(name, path="/", secure=self.tls, httponly=True, samesite="strict")


def form_path(path: str, query: str = "") -> str:
    """Return where to sign in, to come back to a path afterwards."""
    target = path + (f"?{query}" if query else "")
    return SIGN_IN if target == "/" else f"{SIGN_IN}?{urlencode({'next': target})}"


class Desk:
    """Answers what `PATHS` names."""

    def __init__(
        self, sessions: Sessions, throttle: Throttle, audit: Callable[[SignEvent], None], cookies: Cookies
    ) -> None:
        self._sessions = sessions
        self._throttle = throttle
        self._audit = audit
        self._cookies = cookies
        self._at_once = asyncio.Semaphore(MAX_AT_ONCE)

    async def answer(self, request: Request, users: Mapping[str, User] | None) -> Response:
        """Return the answer; `users` is None where nobody needs to sign in. Raises HTTPException."""
        path, method = request.url.path, request.method
        if path == STYLE and method in origin.SAFE:
            return Response(render.style(), media_type="text/css", headers={"Cache-Control": "no-cache"})
        if users is None and path in (SIGN_IN, SIGN_OUT):
            return RedirectResponse("/", 303)
        match path, method:
            case "/sign-in", "GET" | "HEAD":
                return self._form(request, next=origin.local_path(request.query_params.get("next")))
            case "/sign-in", "POST":
                return await self._sign_in(request, users or {})
            case "/sign-out", "GET" | "HEAD":
                return self._ask_to_leave(request, users or {})
            case "/sign-out", "POST":
                return await self._sign_out(request, users or {})
        raise HTTPException(405)

    def _form(self, request: Request, status: int = 200, **values: Any) -> Response:
        token = request.cookies.get(self._cookies.form) or secrets.token_urlsafe(_FORM_BYTES)
        language = render.language(request)
        page = render.page("sign-in.html", language, form=token, **({"next": "/", "name": "", "error": ""} | values))
        response = HTMLResponse(page, status, {"Vary": "Accept-Language, Cookie", "Content-Language": language})
        self._cookies.set(response, self._cookies.form, token)
        return response

    async def _sign_in(self, request: Request, users: Mapping[str, User]) -> Response:
        given = await body.form(request)
        name = given.get("name", "").strip().casefold()[:64]
        back = {"name": name, "next": origin.local_path(given.get("next"))}
        if not origin.same(given.get("form"), request.cookies.get(self._cookies.form) or secrets.token_urlsafe()):
            return self._form(request, 403, error="stale", **back)
        address = request.client.host if request.client else "-"
        user = users.get(name)
        told = name if user else ""
        try:
            async with self._throttle.turn(name, address):
                right = await self._right(user, given.get("password", ""))
                (self._throttle.succeeded if right else self._throttle.failed)(name, address)
        except HeldOffError as error:
            self._audit(SignEvent(Deed.HELD_OFF, told, address))
            response = self._form(request, 429, error="held_off", seconds=math.ceil(error.retry_s), **back)
            response.headers["Retry-After"] = str(math.ceil(error.retry_s))
            return response
        if user is None or not right:
            self._audit(SignEvent(Deed.FAILED, told, address))
            return self._form(request, 401, error="wrong", **back)
        self._sessions.end(request.cookies.get(self._cookies.session, ""))
        token = self._sessions.begin(name, user, address)
        self._audit(SignEvent(Deed.SIGNED_IN, name, address, user.role))
        response = RedirectResponse(back["next"], 303)
        self._cookies.set(response, self._cookies.session, token, LIFE_S)
        self._cookies.clear(response, self._cookies.form)
        return response

    async def _right(self, user: User | None, password: str) -> bool:
        """Return whether the password is right; of a name that nobody has it takes as long."""
        async with self._at_once:
            return await asyncio.to_thread(passwords.matches, user.password if user else None, password)

    def _ask_to_leave(self, request: Request, users: Mapping[str, User]) -> Response:
        session = self._sessions.find(request.cookies.get(self._cookies.session, ""), users)
        if session is None:
            return RedirectResponse(SIGN_IN, 303)
        language = render.language(request)
        name = session.visitor.name
        return HTMLResponse(render.page("sign-out.html", language, csrf=session.csrf, name=name))

    async def _sign_out(self, request: Request, users: Mapping[str, User]) -> Response:
        """Sign out; the token comes in the form, or from the page's own script in the header."""
        token = request.cookies.get(self._cookies.session, "")
        session = self._sessions.find(token, users)
        if session is not None:
            given = request.headers.get("x-csrf-token") or (await body.form(request)).get("csrf")
            if not origin.same(given, session.csrf):
                raise HTTPException(403)
            self._sessions.end(token)
            self._audit(SignEvent(Deed.SIGNED_OUT, session.visitor.name, session.address, session.visitor.role))
        response = RedirectResponse(SIGN_IN, 303)
        self._cookies.clear(response, self._cookies.session)
        return response
