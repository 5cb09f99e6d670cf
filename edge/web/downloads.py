"""Files that a visitor takes away: hits, evidence, the configuration, diagnostics; and pictures out of evidence."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from drivers.errors import EdgeError
from edge.web.core import Core
from edge.web.errand import Brought, Errands
from edge.web.guard import Role
from edge.web.shelf import Shelf

PAGE = 200
MAX_ROWS = 100_000
COLUMNS = (
    *("seq", "hit_id", "rev", "device", "observed_at", "committed_at", "sent_at", "received_at", "state", "severity"),
    *("score", "threshold", "threats", "bag_tag", "scan_id", "outcome"),
)


class Downloads:
    """What is given away. All but the list of hits is a technician's."""

    def __init__(self, core: Core, shelf: Shelf) -> None:
        self._core = core
        self._shelf = shelf
        self._errands = Errands()

    def routes(self) -> list[Route]:
        """Return what is answered where."""
        return [
            Route("/hits.csv", self.table),
            Route("/hits.json", self.lines),
            Route("/api/hits/{hit_id}/picture.jpg", self.picture),
            Route("/evidence/{hit_id}.zip", self.evidence),
            Route("/configuration.zip", self.configuration),
            Route("/diagnostics.zip", self.diagnostics),
        ]

    async def table(self, request: Request) -> Response:
        """Answer with the hits as a table for a spreadsheet."""
        return StreamingResponse(self._table(), media_type="text/csv", headers=_named("hits.csv"))

    async def _table(self) -> AsyncIterator[str]:
        yield "\ufeff" + _row(COLUMNS)  # the mark has spreadsheets read UTF-8
        async for hit in self._hits():
            threats = "; ".join(threat["label"] for threat in hit["threats"])
            yield _row([{**hit, "threats": threats}[name] for name in COLUMNS])

    async def lines(self, request: Request) -> Response:
        """Answer with the hits as JSON, one a line."""

        async def each() -> AsyncIterator[str]:
            async for hit in self._hits():
                yield json.dumps(hit, separators=(",", ":")) + "\n"

        return StreamingResponse(each(), media_type="application/x-ndjson", headers=_named("hits.json"))

    async def _hits(self) -> AsyncIterator[dict[str, Any]]:
        before: int | None = None
        for _ in range(MAX_ROWS // PAGE):
            found = await run_in_threadpool(self._shelf.hits, before, PAGE)
            for hit in found["hits"]:
                yield hit
            if (before := found["next"]) is None:
                return

    async def picture(self, request: Request) -> Response:
        """Answer with the picture that a hit was found in; who sees it is written down first."""
        if not technician(request):
            return not_yours()
        return await self._errand("picture", request, "image/jpeg", {})

    async def evidence(self, request: Request) -> Response:
        """Answer with a hit's evidence package; who takes it is written down first."""
        if not technician(request):
            return not_yours()
        name = f"{request.path_params['hit_id']}.zip"
        return await self._errand("package", request, "application/zip", _named(name))

    async def _errand(self, what: str, request: Request, media_type: str, headers: dict[str, str]) -> Response:
        hit_id, who = request.path_params["hit_id"], request.scope["visitor"].name
        try:
            if await run_in_threadpool(self._shelf.hit, hit_id) is None:
                return JSONResponse({"error": "unknown", "detail": "no such hit"}, 404)
        except EdgeError as error:
            return _not_now(error)
        return await self._brought(media_type, headers, what, str(self._shelf.data_dir), hit_id, f"web:{who}")

    async def _brought(self, media_type: str, headers: dict[str, str], what: str, *given: str) -> Response:
        try:
            brought = await self._errands.run(what, *given)
        except EdgeError as error:
            return _not_now(error)
        about = {f"X-{key.capitalize()}": str(value) for key, value in brought.said.items()}
        return Delivery(brought, media_type, headers | about)

    async def configuration(self, request: Request) -> Response:
        """Answer with the configuration's files in an archive; secrets are in files of their own, which stay."""
        if not technician(request):
            return not_yours()
        self._core.taken("configuration", request.scope["visitor"].name)
        try:
            files = await run_in_threadpool(self._shelf.files)
        except EdgeError as error:
            return _not_now(error)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return Response(out.getvalue(), media_type="application/zip", headers=_named("configuration.zip"))

    async def diagnostics(self, request: Request) -> Response:
        """Answer with the archive for support, which has no secrets, pictures or persons in it."""
        if not technician(request):
            return not_yours()
        self._core.taken("diagnostics", request.scope["visitor"].name)
        return await self._brought("application/zip", _named("diagnostics.zip"), "diagnostics", str(self._shelf.config))


def _not_now(error: EdgeError) -> Response:
    return JSONResponse({"error": error.code, "detail": str(error)}, 503)


class Delivery(StreamingResponse):
    """An answer with what an errand brought.

    A visitor who goes before the first byte leaves the chunks unread, and what is never begun has no end of its own.
    """

    def __init__(self, brought: Brought, media_type: str, headers: dict[str, str]) -> None:
        super().__init__(brought.chunks, media_type=media_type, headers=headers)
        self._close = brought.close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, and end the errand whatever becomes of that."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._close()


def technician(request: Request) -> bool:
    """Say whether who asks may do more than look."""
    return request.scope["visitor"].role is Role.TECHNICIAN


def not_yours() -> Response:
    """Return the answer to somebody who may only look."""
    return JSONResponse({"error": "viewer", "detail": "a technician may take this"}, 403)


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _row(values: Iterator[Any] | list[Any] | tuple[str, ...]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([_harmless(value) for value in values])
    return out.getvalue()


def _harmless(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula: a label is whatever a device sent."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
