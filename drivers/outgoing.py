"""Observations on their way to the core: in order, many at once, and not forgotten when the device is lost."""

from __future__ import annotations

import asyncio

from drivers.contract import Observation, Outcome, Port

MAX_WAITING = 2048
FIRST_RETRY_S, MAX_RETRY_S = 0.5, 15.0


class Outgoing:
    """Emits observations in tasks of their own, so that a device never waits for a commit.

    It outlives the connection to the device: what was seen is handed over though the device is gone by then.
    `max_waiting` is when it is full; None: MAX_WAITING.
    """

    def __init__(self, max_waiting: int | None = None) -> None:
        self._max_waiting = max_waiting
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self.refused = 0

    @property
    def full(self) -> bool:
        """Whether so many wait that nothing more may be seen until the core has caught up."""
        return len(self._tasks) >= (MAX_WAITING if self._max_waiting is None else self._max_waiting)

    def push(self, port: Port, observation: Observation) -> asyncio.Task[None]:
        """Start handing an observation over; tasks reach the port in the order in which they were made."""
        task = asyncio.get_running_loop().create_task(self._emit(port, observation))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def check(self) -> None:
        """Raise what handing over failed with, if it did: then the core is gone, or the wire broken."""
        if self._failure:
            raise self._failure

    async def _emit(self, port: Port, observation: Observation) -> None:
        wait_s = FIRST_RETRY_S
        refused = False
        try:
            while await port.emit(observation) is Outcome.REFUSED:
                self.refused += not refused
                refused = True
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, MAX_RETRY_S)
        finally:
            self.refused -= refused

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()):
            self._failure = failure
