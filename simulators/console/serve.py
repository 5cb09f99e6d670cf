"""The console as a whole: the store, the thread that hears, the pages; started and ended together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import psutil
import uvicorn

from simulators.console.feed import Feed
from simulators.console.ingest import Ingest, Standing
from simulators.console.link import Share
from simulators.console.mqtt import BrokerAddress
from simulators.console.seal import CommandKey, Pins
from simulators.console.store.desk import Asked, Desk
from simulators.console.store.file import Lock, Place, open_writer
from simulators.console.store.reader import Reader
from simulators.console.store.writer import NO_PINS, Writer
from simulators.console.topics import Topics
from simulators.console.web import Pages, application

STOP_S = 0.8
BACKLOG = 128


class ServeError(Exception):
    """The console cannot start or go on; the text says why."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the console was asked to be."""

    broker: BrokerAddress
    listen: tuple[str, int]
    topics: Topics
    place: Place
    allowed_hosts: tuple[str, ...] = ()
    workers: int = 1
    pins: Pins = NO_PINS
    command_key: CommandKey | None = None

    def signed(self, asked: Asked) -> Asked:
        """Return what an officer asked, signed where it is a command and there is a key to sign it with."""
        if self.command_key is None or asked.kind != "cmd":
            return asked
        topic = self.topics.down(asked.site, asked.edge, asked.kind, asked.name)
        return replace(asked, body=self.command_key.signed(asked.body, topic))


class _Server(uvicorn.Server):
    """uvicorn, but signals are ours: its own handling ends the process by the signal, and not with 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _holder(port: int) -> str:
    try:
        for each in psutil.net_connections("tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr.port == port and each.pid:
                return f" by {psutil.Process(each.pid).name()} (pid {each.pid})"
    except psutil.Error:
        pass  # not ours to see; the fault itself is told all the same
    return ""


def bound(listen: tuple[str, int]) -> socket.socket:
    """Return a socket that listens there. Raises ServeError, with who holds the port where that can be seen."""
    host, port = listen
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ServeError(f"{host}:{port}: {error.strerror}") from error
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise ServeError(f"{host}:{port}: {os.strerror(error.errno or 0).lower()}{_holder(port)}") from error
    sock.setblocking(False)
    return sock


def url_of(sock: socket.socket) -> str:
    """Return the page's address."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def serve(settings: Settings, listening: Callable[[str], None], standing: Callable[[Standing], None]) -> None:
    """Run until SIGTERM or SIGINT. `listening` is told the page's address, `standing` how we stand with the broker.

    Raises ServeError and StoreError, before anything is told.
    """
    with contextlib.ExitStack() as stack:
        sock = bound(settings.listen)
        stack.callback(sock.close)
        lock = Lock(settings.place)
        stack.callback(lock.release)
        desk = Desk(settings.place)
        stack.callback(desk.close)
        reader = Reader(settings.place)
        stack.callback(reader.close)
        feed = Feed()
        workers = [
            Ingest(
                settings.broker,
                settings.topics,
                Writer(open_writer(settings.place), alone=settings.workers == 1, pins=settings.pins),
                feed.wake,
                Share(number, settings.workers),
                _now_ms,
            )
            for number in range(settings.workers)
        ]
        ingest = workers[0]
        pages = Pages(
            reader,
            desk,
            feed,
            lambda: ingest.standing,
            settings.topics.everything,
            _now_ms,
            ingest.poke,
            settings.signed,
            settings.pins,
        )
        config = uvicorn.Config(
            application(pages, settings.allowed_hosts),
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        server = _Server(config)
        _end_on_signals(server, feed)
        for each in workers:
            each.start()
        listening(url_of(sock))
        watching = asyncio.create_task(_watch(workers, feed, server, standing))
        try:
            await server.serve(sockets=[sock])
        finally:
            feed.close()
            for each in workers:
                each.stop()
            for each in workers:
                await asyncio.to_thread(each.join, STOP_S)
            await watching
        if failures := [each.failure for each in workers if each.failure is not None]:
            raise ServeError(f"the console cannot hear any more: {failures[0]!r}")


def _end_on_signals(server: uvicorn.Server, feed: Feed) -> None:
    def end() -> None:
        server.should_exit = True
        feed.close()  # else pages that listen would hold the server open

    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, end)


async def _watch(workers: list[Ingest], feed: Feed, server: uvicorn.Server, tell: Callable[[Standing], None]) -> None:
    told: Standing | None = None
    while not feed.closed:
        version = feed.version
        ingest = next((each for each in workers if each.standing.state != "online"), workers[0])
        if any(each.failure is not None for each in workers):
            server.should_exit = True
            return
        if ingest.standing != told:
            told = ingest.standing
            tell(told)
        await feed.after(version, 60.0)
