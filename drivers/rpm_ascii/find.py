"""Where a radiation portal may be heard: an empty one says a line every 5 s, unasked."""

from __future__ import annotations

from collections.abc import Iterator

from drivers.finding import Attempt, Kind, Place, by_probe
from drivers.rpm_ascii.settings import DEFAULT_PORT

_BAUDS = (9600, 19200)
LISTEN_S = 6.0


def attempts(place: Place) -> Iterator[Attempt]:
    """List what to try; see `drivers.finding`."""
    if place.kind is Kind.SERIAL:
        for baud in _BAUDS:
            yield by_probe("rpm-ascii", {"url": place.serial(baud)}, f"{baud} baud, listening for 6 s", LISTEN_S)
    elif url := place.tcp(DEFAULT_PORT):
        yield by_probe("rpm-ascii", {"url": url}, "listening for 6 s", LISTEN_S)
