"""Where a satellite receiver may be heard: it says a sentence a second, unasked."""

from __future__ import annotations

from collections.abc import Iterator

from drivers.finding import Attempt, Kind, Place, by_probe
from drivers.nmea.settings import DEFAULT_PORT

_BAUDS = (4800, 9600, 38400, 115200)
LISTEN_S = 2.2


def attempts(place: Place) -> Iterator[Attempt]:
    """List what to try; see `drivers.finding`."""
    if place.kind is Kind.SERIAL:
        for baud in _BAUDS:
            yield by_probe("nmea", {"url": place.serial(baud)}, f"{baud} baud, listening", LISTEN_S)
    elif url := place.tcp(DEFAULT_PORT):
        yield by_probe("nmea", {"url": url}, "listening", LISTEN_S)
