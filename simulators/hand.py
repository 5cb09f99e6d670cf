"""What a trial does to a line that is no stream of bytes: marks that its case looks at before handing something on."""

from __future__ import annotations


class Hand:
    """The marks of one line; see `drivers.conformance.case.Line` for what each of them is to do."""

    def __init__(self) -> None:
        self._noise = b""
        self._halve = self._silent = False

    def garble(self, noise: bytes) -> None:
        self._noise += noise

    def halve(self) -> None:
        self._halve = True

    def silence(self) -> None:
        self._silent = True

    def mend(self) -> None:
        self._halve = self._silent = False
