"""An event loop whose time passes only where nobody works: hours of waiting take no time, and each run is alike.

`asyncio`'s timers all rest on `loop.time()`. Here it all but stands still while anything is ready, and where nothing is
it goes on to the next timer: at once, or so many times as fast as the clock on the wall. While a thread of the executor
works it stands still too.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")

#: Where time begins: any number that no timer's sum makes inexact.
START_S = 1000.0
#: How long is really waited where only another thread can end the waiting.
_LOOK_S = 0.02
#: What one turn of work takes: who waits for a moment that sums of floats just miss would else turn for ever.
_TURN_S = 1e-6


class _Jumping(selectors.BaseSelector):
    """A selector that, where nothing is ready, lets time go on in place of waiting for it."""

    def __init__(self, speed: float | None) -> None:
        self._real = selectors.DefaultSelector()
        self._speed = speed
        self.now_s = START_S
        self.busy = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if timeout is not None and timeout <= 0 and not self.busy:
            self.now_s += _TURN_S
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.busy or timeout is None:
            return self._real.select(_LOOK_S)
        if self._speed is None:
            self.now_s += timeout
            return ready
        began = time.monotonic()
        ready = self._real.select(timeout / self._speed)
        passed_s = (time.monotonic() - began) * self._speed
        self.now_s += min(passed_s, timeout) if ready else timeout
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; `speed` None is as fast as can be."""

    def __init__(self, speed: float | None = None) -> None:
        self._jumping = _Jumping(speed)
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the loop's own time in seconds."""
        return self._jumping.now_s

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Arguments], Result], *args: *Arguments
    ) -> asyncio.Future[Result]:
        """Run it in a thread; time stands still meanwhile."""
        self._jumping.busy += 1
        working = super().run_in_executor(executor, func, *args)
        working.add_done_callback(self._done)
        return working

    def _done(self, _: asyncio.Future[Any]) -> None:
        self._jumping.busy -= 1
