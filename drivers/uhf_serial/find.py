"""What a reader module on an unknown line may be: each family at its own speed first, then at the other usual ones."""

from __future__ import annotations

from collections.abc import Iterator

from drivers.finding import Attempt, Kind, Place, by_probe

#: By family, the speeds that modules of it are sold with, the usual first, and the settings beside it.
_LINES: dict[str, tuple[tuple[int, ...], dict[str, int]]] = {
    "m100": ((115200, 57600, 38400, 9600), {}),
    "reader18": ((57600, 115200, 38400, 9600), {"address": 255}),
}
QUICK = {"timeout_ms": 300}


def attempts(place: Place) -> Iterator[Attempt]:
    """List what to try; see `drivers.finding`."""
    for protocol, (bauds, more) in _LINES.items():
        if place.kind is Kind.SERIAL:
            for baud in bauds:
                settings = {"url": place.serial(baud), "protocol": protocol, **more}
                yield by_probe("uhf-serial", settings, f"{protocol} at {baud} baud", 1.5, QUICK)
        elif place.port and (url := place.tcp(None)):
            settings = {"url": url, "protocol": protocol, **more}
            yield by_probe("uhf-serial", settings, f"{protocol} behind a terminal server", 2.0, QUICK)
