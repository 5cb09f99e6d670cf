"""A simulated device beside a test that is not asynchronous: in a thread with a loop of its own."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

#: Of the loop, that asyncio needs to let go of a connection.
TURNS = 10


async def _let_go() -> None:
    """End what the device still did for connections: closed with its loop, they would be told in some later test."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for _ in range(TURNS):
        await asyncio.sleep(0)


@contextmanager
def serving(make: Callable[[], Any]) -> Iterator[int]:
    """Serve what `make` makes (it has `listen` and `close`) and yield the port that it listens on, 0 for a line."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    ports: list[int] = []
    stop = asyncio.Event()

    async def serve() -> None:
        device = make()
        ports.append(await device.listen("127.0.0.1", 0))
        ready.set()
        try:
            await stop.wait()
        finally:
            await device.close()
            await _let_go()

    def work() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert ready.wait(60)
    assert ports, "the simulated device did not start"
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
