"""The marks that a trial leaves on a line, which whoever hands something on over it looks at before doing so."""

from __future__ import annotations


class Marks:
    """The marks of one line; see `drivers.conformance.case.Line` for what each of them is to do."""

    def __init__(self) -> None:
        self._noise = b""
        self._halve = self._silent = False

    def garble(self, noise: bytes) -> None:
        """See `Line.garble`."""
        self._noise += noise

    def halve(self) -> None:
        """See `Line.halve`."""
        self._halve = True

    def silence(self) -> None:
        """See `Line.silence`."""
        self._silent = True

    def mend(self) -> None:
        """See `Line.mend`."""
        self._halve = self._silent = False
