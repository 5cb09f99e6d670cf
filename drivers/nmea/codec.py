"""Sentences of NMEA 0183 (RMC and GGA), and where they say that the receiver is: a place only from a valid fix.

pynmea2 takes a sentence apart; every checksum is demanded. What a receiver extrapolates, simulates or was told by hand
is no fix, and neither is a field that is empty (which pynmea2 gives as 0).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pynmea2

#: The standard allows 82; receivers with many decimals go beyond.
MAX_SENTENCE_BYTES = 120
_KNOT_MPS = 1852 / 3600
_SENTENCE = re.compile(rb"\$[A-Z]{2}(RMC|GGA),[ -)+-~]*\*[0-9A-Fa-f]{2}")
_OTHER = re.compile(rb"[$!][A-Z0-9]{3,}[ -)+-~]*\*[0-9A-Fa-f]{2}")
_LATITUDE, _LONGITUDE = re.compile(r"[0-8]\d[0-5]\d(\.\d+)?"), re.compile(r"[01]\d\d[0-5]\d(\.\d+)?")
#: RMC mode: autonomous, differential, float RTK, RTK, precise; "" before NMEA 2.3. Not estimated, manual, simulated.
_MODES = frozenset("ADFRP") | {"", None}
#: GGA quality: GPS, differential, PPS, RTK, float RTK; not 0 (none), 6 (estimated), 7 (manual), 8 (simulated).
_QUALITIES = frozenset({1, 2, 3, 4, 5})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a receiver is, in degrees (WGS 84, north and east positive), and what it says of how well it knows."""

    latitude: float
    longitude: float
    speed_mps: float | None = None
    satellites: int | None = None
    hdop: float | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """One valid sentence: its kind, when it is of (the receiver's time of day), and the place, None without a fix."""

    kind: str
    time: str
    place: Place | None


class Sentences:
    """Cuts a line's bytes into sentences; pure. `valid` counts good checksums of any kind, `damaged` the others."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.valid = 0
        self.damaged = 0

    def feed(self, data: bytes) -> Iterator[Heard]:
        """Take bytes and yield the RMC and GGA sentences in them."""
        self._buffer += data
        *lines, rest = re.split(rb"[\r\n]+", bytes(self._buffer))
        self._buffer[:] = rest[-MAX_SENTENCE_BYTES:]
        for line in lines:
            if not line:
                continue
            heard = parse(line)
            if heard is False:
                self.damaged += 1
                continue
            self.valid += 1
            if isinstance(heard, Heard):
                yield heard


def parse(line: bytes) -> Heard | bool:
    """Return what an RMC or GGA sentence says, True for another valid sentence, False for what is no valid one."""
    if len(line) > MAX_SENTENCE_BYTES or not _OTHER.fullmatch(line):
        return False
    kind = _SENTENCE.fullmatch(line)
    if kind is None:
        body, _, told = line[1:].partition(b"*")
        return bool(pynmea2.NMEASentence.checksum(body.decode("ascii")) == int(told, 16))
    try:
        sentence = pynmea2.parse(line.decode("ascii"), check=True)
        place = _rmc(sentence) if kind[1] == b"RMC" else _gga(sentence)
    except (ValueError, AttributeError, IndexError):
        # A checksum that is wrong, fields too few, or values that are none: pynmea2 raises as it happens to.
        return False
    return Heard(kind[1].decode("ascii"), str(sentence.data[0]), place)


def _rmc(sentence: Any) -> Place | None:
    mode = sentence.data[11] if len(sentence.data) > 11 else None
    if sentence.status != "A" or mode not in _MODES:
        return None
    speed = sentence.data[6]
    place = _place(sentence)
    return replace(place, speed_mps=round(float(speed) * _KNOT_MPS, 2) if speed else None) if place else None


def _gga(sentence: Any) -> Place | None:
    if sentence.gps_qual not in _QUALITIES:
        return None
    place = _place(sentence)
    satellites, hdop = sentence.data[6], sentence.data[7]
    if place is None:
        return None
    return replace(place, satellites=int(satellites) if satellites else None, hdop=float(hdop) if hdop else None)


def _place(sentence: Any) -> Place | None:
    if sentence.lat_dir not in ("N", "S") or sentence.lon_dir not in ("E", "W"):
        return None
    if not _LATITUDE.fullmatch(sentence.lat) or not _LONGITUDE.fullmatch(sentence.lon):
        return None
    latitude, longitude = round(sentence.latitude, 6), round(sentence.longitude, 6)
    # Where a receiver has nothing, some send zeros: a place in the sea that no lane is at.
    if abs(latitude) > 90 or abs(longitude) > 180 or (latitude == 0 and longitude == 0):
        return None
    return Place(latitude, longitude)


class Receiver:
    """Brings a receiver's sentences together; pure. There is a place while every kind says that there is a fix."""

    def __init__(self) -> None:
        self._last: dict[str, Heard] = {}

    def take(self, heard: Heard) -> Place | None:
        """Take a sentence and return the place as it is known now, None without a fix."""
        self._last[heard.kind] = heard
        if heard.place is None or any(one.place is None for one in self._last.values()):
            return None
        place = heard.place
        for one in self._last.values():
            if one.place and one.time == heard.time:
                place = replace(
                    place,
                    speed_mps=place.speed_mps if place.speed_mps is not None else one.place.speed_mps,
                    satellites=place.satellites if place.satellites is not None else one.place.satellites,
                    hdop=place.hdop if place.hdop is not None else one.place.hdop,
                )
        return place
