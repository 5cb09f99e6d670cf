"""What a scale on an unknown line may be: asked in the protocols that are asked, then listened to."""

from __future__ import annotations

from collections.abc import Iterator

from drivers.finding import Attempt, Kind, Place, by_probe

#: Baud, parity and bits as scales are set, the usual first.
_LINES = ((9600, "none", 8), (9600, "even", 7), (4800, "even", 7), (2400, "even", 7))
#: A scale that talks unasked does so several times a second.
_TIMEOUTS_MS = {"sics": 400, "nci": 400, "toledo": 700}


def attempts(place: Place) -> Iterator[Attempt]:
    """List what to try; see `drivers.finding`."""
    for protocol, timeout_ms in _TIMEOUTS_MS.items():
        quick, limit_s = {"timeout_ms": timeout_ms}, 2.5 * timeout_ms / 1000 + 1
        if place.kind is Kind.SERIAL:
            for baud, parity, bits in _LINES:
                settings = {"url": place.serial(baud, parity, bits), "protocol": protocol}
                says = f"{protocol} at {baud} baud, {bits}{parity[0].upper()}1"
                yield by_probe("scale", settings, says, limit_s, quick)
        elif place.port and (url := place.tcp(None)):
            settings = {"url": url, "protocol": protocol}
            yield by_probe("scale", settings, f"{protocol} over TCP", limit_s, quick)
