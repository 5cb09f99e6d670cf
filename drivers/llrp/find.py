"""Where a tag reader may be asked: LLRP has one port; the reader greets whoever connects."""

from __future__ import annotations

from collections.abc import Iterator

from drivers.finding import Attempt, Place, by_probe

PORT = 5084


def attempts(place: Place) -> Iterator[Attempt]:
    """List what to try; see `drivers.finding`."""
    if url := place.tcp(PORT):
        yield by_probe("llrp", {"url": url}, "LLRP", 4.0, {"timeout_ms": 2000})
