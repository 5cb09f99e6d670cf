"""The inference server beside the lanes: how it is configured, what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from drivers.clock import rfc3339
from edge.config.model import Inference
from edge.messages import ModelServerBody

if TYPE_CHECKING:
    from inference.remote.address import Server
    from inference.remote.remote import Told

WATCH_S = 2.0


class Served(Protocol):
    """A judge."""

    def servers(self) -> dict[str, Told]:
        """Return how the server fares with each model that it is asked for."""


def server_of(given: Inference) -> Server | None:
    """Return the server that `[inference]` names, None where it names none."""
    if given.server is None:
        return None
    from inference.remote.address import Server

    return Server(
        given.server, given.server_model, given.server_timeout_ms / 1000, given.server_ca_file, given.server_token_file
    )


def bodies(told: Mapping[str, Told]) -> dict[str, ModelServerBody]:
    """Return how the server fares, as health says it."""
    return {
        name: ModelServerBody(
            state=each.standing.value,
            reason=each.reason,
            since=rfc3339(each.since_ns),
            served=each.served,
            fell_back=each.fell_back,
            p50_ms=each.p50_ms,
            p99_ms=each.p99_ms,
        )
        for name, each in told.items()
    }


async def watch(judge: Served, audit: Callable[[str, str, str], None], tell: Callable[[], None]) -> None:
    """Say when the server comes, goes or is not believed: to the console's audit, and in the health at once."""
    seen: dict[str, str] = {}
    while True:
        told = judge.servers()
        for name, each in told.items():
            if seen.get(name) != each.standing.value:
                what = f"{name}: {each.reason or 'judges on the server'}"
                audit("model server", each.standing.value, what)
        now = {name: each.standing.value for name, each in told.items()}
        if now != seen:
            seen = now
            tell()
        await asyncio.sleep(WATCH_S)
