"""Blocking calls with a deadline: a share that hangs must not hang the device's process with it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import ParamSpec, TypeVar

from drivers.errors import LinkTimeout

TICK_S = 5.0

P = ParamSpec("P")
T = TypeVar("T")


class Bounded:
    """Runs blocking calls, each in a daemon thread of its own.

    A thread that outlives its deadline cannot be killed, so no other is started before it has come back: a dead mount
    costs one thread and not one for each try. Daemon threads, because a process must be able to end while one hangs.
    """

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._late: threading.Thread | None = None

    async def call(
        self, deadline_s: float, what: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what the function returns or raise what it raises; `tick` is called every few seconds meanwhile.

        Raises LinkTimeout("WHAT ...") after the deadline, and at once while an earlier call still hangs.
        """
        if self._late and self._late.is_alive():
            raise LinkTimeout(f"{what} is not possible: an earlier access still hangs; is the file server reachable?")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(finish: Callable[[], None]) -> None:
            if not answer.done():
                finish()

        def work() -> None:
            try:
                finish = partial(answer.set_result, function(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where `call` was awaited
                finish = partial(answer.set_exception, error)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, finish)

        thread = threading.Thread(target=work, name=what, daemon=True)
        thread.start()
        ends = loop.time() + deadline_s
        try:
            while (left := ends - loop.time()) > 0:
                if (await asyncio.wait({answer}, timeout=min(TICK_S, left)))[0]:
                    return answer.result()
                self._tick()
        except asyncio.CancelledError:
            self._late = thread
            raise
        answer.cancel()
        self._late = thread
        raise LinkTimeout(f"{what} took longer than {deadline_s:.0f} s; is the file server reachable?")
