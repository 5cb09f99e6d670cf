"""A relay board on a line: takes `SET n 1` and `SET n 0`, answers `OK`, and anything else with `?`."""

from __future__ import annotations

import re
from collections.abc import Callable

from simulators.line import Line

_COMMAND = re.compile(rb"SET (\d) ([01])")


class Board:
    """Which relays are on; `changed` hears of each that was switched."""

    def __init__(self, changed: Callable[[int, bool], None] = lambda relay, on: None) -> None:
        self.relays: dict[int, bool] = {}
        self.words = 0
        self._changed = changed
        self._buffer = b""

    def took(self, data: bytes) -> bytes:
        """Take bytes and return what the board answers to the lines in them."""
        *lines, self._buffer = (self._buffer + data)[-4096:].split(b"\r\n")
        return b"".join(map(self._answer, lines))

    def _answer(self, line: bytes) -> bytes:
        self.words += 1
        found = _COMMAND.search(line)
        if not found:
            return b"?\r\n"
        relay, on = int(found[1]), found[2] == b"1"
        if self.relays.get(relay) is not on:
            self.relays[relay] = on
            self._changed(relay, on)
        return b"OK\r\n"


def on_a_line(board: Board) -> Line:
    """Return the board on a line of its own."""
    return Line(took=board.took)
