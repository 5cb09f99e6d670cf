"""How a simulated device is served from the command line: it listens, says where, and ends when it is told to."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device listens: `host` as a socket wants it, `shown` as it is written in a URL."""

    host: str
    port: int
    shown: str
    pty: Path | None = None

    @classmethod
    def of(cls, listen: str, pty: Path | None = None) -> Place:
        """Return the place that HOST:PORT names, or the pseudo-terminal. Raises typer.BadParameter."""
        host, separator, port = listen.rpartition(":")
        if not separator or not port.isdigit() or int(port) > 65_535:
            raise typer.BadParameter(f"{listen!r} is not HOST:PORT")
        return cls(host.strip("[]") or "127.0.0.1", int(port), host or "127.0.0.1", pty)

    def url(self, bound: int, scheme: str = "tcp") -> str:
        """Return the URL of what listens here, on the port that it got."""
        return f"serial://{self.pty}" if self.pty else f"{scheme}://{self.shown}:{bound}"


def say(plain: str, as_json: bool, **facts: object) -> None:
    """Say something on standard output, as words or as one object a line, so that whoever reads it has it at once."""
    sys.stdout.write((json.dumps(facts) if as_json else plain) + "\n")
    sys.stdout.flush()


def stopped() -> asyncio.Event:
    """Return what is set by SIGINT and SIGTERM from now on."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def over(stop: asyncio.Event, seconds: float) -> None:
    """Return once it is set, or after so many seconds; 0: never."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds or None):
            await stop.wait()


def run(name: str, serving: Coroutine[Any, Any, None]) -> None:
    """Run a device until it is over; what the system refuses it is said, with exit status 1."""
    try:
        asyncio.run(serving)
    except OSError as error:
        sys.stderr.write(f"jaitf-sim {name}: {error}\n")
        raise typer.Exit(1) from error
