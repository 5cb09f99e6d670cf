"""Has pynetdicom's association wait for what comes, where it would look a thousand times a second whether it came.

Each association is two threads of pynetdicom's, and each sleeps a millisecond, looks into its queues and at its socket,
and sleeps again: with a scanner connected that alone takes some two per cent of a core, as long as it says nothing.
Their queues (documented attributes of its classes) are exchanged for ones that ring a bell, and what looks waits for
the bell; see `Gate.fileno` for the socket.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Queue
from typing import Any

from pynetdicom.association import Association
from pynetdicom.transport import RequestHandler

LOOK_S = 0.1
PATIENCE_S = 0.25
"""How long an association's two threads wait at most before they look at their timers, and whether to end."""


class Ringing(Queue[Any]):
    """A queue that rings a bell with each item."""

    def __init__(self, bell: Callable[[], None]) -> None:
        super().__init__()
        self._bell = bell

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put an item in, and ring."""
        super().put(item, block, timeout)
        self._bell()


class Waited(Ringing):
    """The queue of whole messages: to look into it is to wait until `news` is set, LOOK_S at most."""

    def __init__(self, news: threading.Event) -> None:
        super().__init__(news.set)
        self._news = news

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return an item; raises queue.Empty."""
        if not block:
            if self.empty():
                self._news.wait(LOOK_S)
            self._news.clear()  # before it is looked: what comes from here on rings anew
        return super().get(block, timeout)


class Handler(RequestHandler):  # type: ignore[misc]  # pynetdicom ships no type information
    """Makes a connection's association, woken by what comes; the request is its gate."""

    def _create_association(self) -> Association:
        association, news = super()._create_association(), threading.Event()
        self.request.patience_s = PATIENCE_S
        association.dul.to_provider_queue = Ringing(self.request.wake)
        association.dul.to_user_queue = Ringing(news.set)
        association.dimse.msg_queue = Waited(news)
        return association
