"""Decoding with a memory: a file over which this process died before is not tried for ever."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path, PurePosixPath

from drivers.clock import Stamp
from drivers.contract import Observation
from drivers.errors import EdgeError, LinkTimeout, ProtocolError
from drivers.folder import codec
from drivers.folder.bounded import Bounded
from drivers.folder.waiting import Seen

MAX_TRIES = 3
_NAME_CHARS = 200


class StuckDecoder(EdgeError):
    """A decoder hangs in a thread, which nothing but the end of the process ends."""

    code = "driver-stuck"


class Decoder:
    """Decodes one file at a time off the event loop; `mark` is a file that names the one being decoded.

    A decoder that crashes or hangs takes the process along, and the process that follows finds the mark. After
    MAX_TRIES such deaths over the same file the file is to blame, and is refused with a ProtocolError.
    """

    def __init__(self, io: Bounded, mark: Path) -> None:
        self._io = io
        self._mark = mark

    async def decode(self, data: bytes, seen: Seen, at: Stamp, deadline_s: float) -> Observation:
        """Return the scan, or the reading, in a file's bytes.

        Raises ProtocolError as `codec.observe` does, and for a file of too many deaths; StuckDecoder past the deadline.
        """
        try:
            return await self._io.call(deadline_s, f"decoding {shown(seen.path)}", self._decode, data, seen, at)
        except LinkTimeout:
            raise StuckDecoder(f"decoding {shown(seen.path)} hangs for {deadline_s:.0f} s") from None

    def _decode(self, data: bytes, seen: Seen, at: Stamp) -> Observation:
        tries = self._tries(seen)
        if tries >= MAX_TRIES:
            self._forget()
            raise ProtocolError(f"the decoder crashed or hung over this file {tries} times")
        with contextlib.suppress(OSError):  # a full disk may cost us the mark, not the scan
            self._mark.write_text(json.dumps([seen.path, *seen.identity, tries + 1]), "ascii")
        try:
            return codec.observe(data, shown(seen.path), at)
        finally:
            self._forget()

    def _tries(self, seen: Seen) -> int:
        try:
            *who, tries = json.loads(self._mark.read_text("ascii"))
        except (OSError, ValueError, TypeError):
            return 0
        return int(tries) if who == [seen.path, *seen.identity] else 0

    def _forget(self) -> None:
        with contextlib.suppress(OSError):
            self._mark.unlink(missing_ok=True)


def shown(path: str) -> str:
    """Return a file's own name as text that any message can carry."""
    return PurePosixPath(path).name.encode("utf-8", "replace").decode()[:_NAME_CHARS]
