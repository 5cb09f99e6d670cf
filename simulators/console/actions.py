"""What officers do at the console: say what came of a hit, give commands, keep the risk list. All of it is logged."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from simulators.console import ask
from simulators.console.store.desk import Asked, Desk
from simulators.console.store.reader import Reader
from simulators.console.topics import is_hit_id, is_name

MAX_FORM_BYTES = 512 * 1024
MAX_FIELDS = 40

Show = Callable[[Request, str, dict[str, str], ask.Refused | None], Response]


class Actions:
    """Answers to forms; `poke` tells the thread that speaks to the broker that there is something to send.

    `show_hit` and `show_appliance` render the page that a form stands on, with what was filled in and what was refused.
    """

    def __init__(
        self,
        reader: Reader,
        desk: Desk,
        poke: Callable[[], None],
        signed: Callable[[Asked], Asked],
        now_ms: Callable[[], int],
        show_hit: Show,
        show_appliance: Show,
    ) -> None:
        self._reader = reader
        self._desk = desk
        self._poke = poke
        self._signed = signed
        self._now_ms = now_ms
        self._show_hit = show_hit
        self._show_appliance = show_appliance

    def routes(self) -> list[Route]:
        """Return which form is answered where."""
        return [
            Route("/hit/{hit_id}/disposition", self.disposition, methods=["POST"]),
            Route("/hit/{hit_id}/fetch", self.fetch, methods=["POST"]),
            Route("/appliance/{site}/{edge}/command", self.command, methods=["POST"]),
            Route("/appliance/{site}/{edge}/targets", self.targets, methods=["POST"]),
        ]

    async def disposition(self, request: Request) -> Response:
        """Keep what came of a hit, and have it told to its appliance."""
        hit_id = request.path_params["hit_id"]
        row = self._reader.one(hit_id) if is_hit_id(hit_id) else None
        form = await form_of(request)
        if row is None:
            raise HTTPException(404)
        try:
            asked = ask.disposition(form, row["site"], row["edge"], hit_id, self._now_ms())
        except ask.Refused as refused:
            return self._show_hit(request, hit_id, form, refused)
        self._keep(request, asked, "disposition", hit_id, asked.body["outcome"])
        if request.query_params.get("part") == "view":
            return self._show_hit(request, hit_id, {}, None)
        return RedirectResponse(f"/hit/{hit_id}", 303)

    async def fetch(self, request: Request) -> Response:
        """Keep the wish for a hit's evidence package, and have it asked for."""
        hit_id = request.path_params["hit_id"]
        row = self._reader.one(hit_id) if is_hit_id(hit_id) else None
        form = await form_of(request)
        if row is None:
            raise HTTPException(404)
        try:
            by = ask.who(form)
        except ask.Refused as refused:
            return self._show_hit(request, hit_id, form, refused)
        args = {"hit_id": hit_id, "from_part": 0}
        wish = ask.asked(row["site"], row["edge"], "evidence.fetch", args, by, self._now_ms(), hit_id)
        self._keep(request, wish, "evidence.fetch", hit_id, "")
        if request.query_params.get("part") == "view":
            return self._show_hit(request, hit_id, {}, None)
        return RedirectResponse(f"/hit/{hit_id}", 303)

    async def command(self, request: Request) -> Response:
        """Keep a command, and have it sent."""
        site, edge = origin(request)
        form = await form_of(request)
        try:
            asked = ask.command(form, site, edge, self._now_ms())
        except ask.Refused as refused:
            return self._show_appliance(request, f"{site}/{edge}", form, refused)
        self._keep(request, asked, asked.name, f"{site}/{edge}", str(asked.body["args"]))
        return RedirectResponse(f"/appliance/{site}/{edge}", 303)

    async def targets(self, request: Request) -> Response:
        """Keep a new risk list, and have it published; its version is higher than any before."""
        site, edge = origin(request)
        form = await form_of(request)
        version = max(self._reader.targets_version(site, edge) + 1, self._now_ms() // 1000)
        try:
            asked = ask.targets(form, site, edge, version, secrets.token_hex(16), self._now_ms())
        except ask.Refused as refused:
            return self._show_appliance(request, f"{site}/{edge}", form, refused)
        self._keep(request, asked, "targets", f"{site}/{edge}", f"{len(asked.body['entries'])} entries")
        return RedirectResponse(f"/appliance/{site}/{edge}", 303)

    def _keep(self, request: Request, asked: Asked, what: str, about: str, detail: str) -> None:
        self._desk.ask(self._signed(asked))
        self._desk.log(asked.made_ms, f"{asked.by} @ {client(request)}", what, about, detail)
        self._poke()


def client(request: Request) -> str:
    """Return the address that asks."""
    return request.client.host if request.client else "?"


def origin(request: Request) -> tuple[str, str]:
    """Return the appliance that an address names; a page of none is 404."""
    site, edge = request.path_params["site"], request.path_params["edge"]
    if not is_name(site) or not is_name(edge):
        raise HTTPException(404)
    return site, edge


async def form_of(request: Request) -> dict[str, str]:
    """Return what was filled in.

    Raises HTTPException 403 for a form of another site's page: a browser says where a form stood, and one that does
    not is refused as well.
    """
    said = request.headers.get("sec-fetch-site")
    stood = request.headers.get("origin", "")
    if (said != "same-origin") if said is not None else (urlsplit(stood).netloc != request.headers.get("host", "")):
        raise HTTPException(403, "a form of another page")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM_BYTES:
            raise HTTPException(413, "too long")
    try:
        return dict(parse_qsl(body.decode("utf-8"), max_num_fields=MAX_FIELDS, keep_blank_values=True))
    except ValueError as error:
        raise HTTPException(400, "not a form") from error


def refusal(html: str, refused: ask.Refused | None) -> HTMLResponse:
    """Return a page, with the status that says whether what was filled in was taken."""
    return HTMLResponse(html, 200 if refused is None else 422, headers={"Vary": "Accept-Language"})
