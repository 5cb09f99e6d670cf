"""One thread that does one piece of work at a time, and that can be left behind where it does not come back."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Hand:
    """A helper for the event loop that made it. Its thread is a daemon: one that hangs keeps no process from ending."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._work: queue.SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread is still there."""
        return self._thread.is_alive()

    def do(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Have work done; the future has what it returns or raises."""
        done: asyncio.Future[T] = self._loop.create_future()
        self._work.put((done, work))
        return done

    def dismiss(self) -> None:
        """Let the thread end once it has done what it is at."""
        self._work.put(None)

    def _run(self) -> None:
        while (asked := self._work.get()) is not None:
            done, work = asked
            result, failure = None, None
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001  # it belongs to whoever asked
                failure = error
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody asks any more
                self._loop.call_soon_threadsafe(_settle, done, result, failure)
            del done, work, asked, result, failure  # a picture is large, and the next one may be long in coming


def _settle(done: asyncio.Future[Any], result: object, failure: BaseException | None) -> None:
    if done.done():
        return
    if failure is not None:
        done.set_exception(failure)
    else:
        done.set_result(result)
