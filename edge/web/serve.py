"""The page's process from its start to its end: what the core has told, what the ledger holds, served over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from drivers.errors import StoreError
from edge.config.model import Web
from edge.web.app import application
from edge.web.core import Core
from edge.web.feed import Feed
from edge.web.guard import follow_certificate, guarded, server_options
from edge.web.shelf import Glance, Shelf

STOP_S = 1
_OPTIONS: dict[str, Any] = {
    "log_level": "warning",
    "access_log": False,
    "lifespan": "off",
    "timeout_graceful_shutdown": STOP_S,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the appliance is: its configuration, its data, and how its page is to be served."""

    config: Path
    data_dir: Path
    web: Web

    @classmethod
    def of(cls, said: dict[str, Any]) -> Place:
        """Return what the core's first message says. Raises KeyError and ValueError."""
        return cls(Path(said["config"]), Path(said["data_dir"]), Web.model_validate(said["web"]))


class _Server(uvicorn.Server):
    """uvicorn, but signals are the core's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def url_of(sock: socket.socket, tls: bool) -> str:
    """Return the page's address as a person at this machine types it."""
    host, port = sock.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}/"


async def serve(sock: socket.socket, listening: socket.socket, place: Place) -> None:
    """Serve the page until the core is gone."""
    feed = Feed()
    core = Core(sock, feed)
    shelf = Shelf(place.data_dir, place.config)
    page = guarded(application(feed, core, shelf), place.web, place.web.users_file, audit=core.sign)
    config = uvicorn.Config(page, **_OPTIONS, **server_options(place.web))
    config.load()  # else there is no TLS context yet that a renewed certificate could be put into
    server = _Server(config)
    core.open()
    core.hello(url_of(listening, tls=bool(place.web.cert_file)))
    beside = (core.beat(), _watch(feed, shelf), follow_certificate(place.web, config.ssl))
    works = [asyncio.create_task(_all_along(each)) for each in beside]
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        ends = [serving, asyncio.create_task(core.lost.wait()), *works]
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.should_exit = True
        feed.close()  # else pages that listen would hold the server open
        for work in works:
            work.cancel()
        await asyncio.gather(serving, *works, return_exceptions=True)
    for end in done:
        end.result()  # what broke is told in the log; the core starts the page again


async def _all_along(work: Awaitable[None]) -> None:
    """Do a piece of work; one that has nothing to do, and ends, ends nothing else."""
    await work
    await asyncio.Event().wait()


async def _watch(feed: Feed, shelf: Shelf) -> None:
    """Show each state, less what only the console may know, and say when hits have moved; until cancelled."""
    seen: object = None
    while True:
        await feed.on_state.wait()
        feed.on_state.clear()
        state = feed.newest
        try:
            glance: Glance | None = await asyncio.to_thread(shelf.glance)
        except StoreError:
            glance = None  # the store's state, which is shown, says why
        feed.state = discreet(state, glance)
        if glance is not None and glance.mark != seen:
            seen = glance.mark
            feed.hits_version += 1
        feed.changed()


def discreet(state: dict[str, Any], glance: Glance | None) -> dict[str, Any]:
    """Return a state whose counts of what waits are without the hits that only the console may know of.

    Without a `glance` at them no hit is counted.
    """
    health: dict[str, Any] = state["health"]
    waiting = max(0, health["queued"].get("hit", 0) - glance.hidden) if glance else 0
    changes = {
        "queued": health["queued"] | {"hit": waiting},
        "outbox_bytes": max(0, health["outbox_bytes"] - (glance.hidden_bytes if glance else 0)),
        "oldest_unsent_hit_s": health["oldest_unsent_hit_s"] if waiting else 0.0,
    }
    return state | {"health": health | changes}
