"""Where a simulated dog walks: round a terminal, in and out of sight of the sky. Also its wire, NMEA 0183."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from operator import xor

METRES_A_DEGREE = 111_320.0


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the dog is, in degrees, and how fast, in metres a second; `fix` False where the sky is not seen."""

    latitude: float
    longitude: float
    speed_mps: float
    fix: bool = True


@dataclass(frozen=True)
class Walk:
    """A round of `radius_m` in `round_s`; every `dark_every_s` the dog is under a roof for `dark_s` (0: never)."""

    latitude: float = 6.16561
    longitude: float = 1.25451
    radius_m: float = 60.0
    round_s: float = 300.0
    dark_every_s: float = 0.0
    dark_s: float = 10.0

    def at(self, seconds: float) -> Spot:
        """Return where the dog is `seconds` after the start."""
        angle = 2 * math.pi * seconds / self.round_s
        north, east = self.radius_m * math.sin(angle), self.radius_m * math.cos(angle)
        dark = self.dark_every_s > 0 and seconds % self.dark_every_s >= self.dark_every_s - self.dark_s
        return Spot(
            self.latitude + north / METRES_A_DEGREE,
            self.longitude + east / METRES_A_DEGREE / math.cos(math.radians(self.latitude)),
            2 * math.pi * self.radius_m / self.round_s,
            fix=not dark,
        )


def sentence(body: str) -> bytes:
    """Return a sentence with its checksum and its end."""
    return f"${body}*{reduce(xor, body.encode()):02X}\r\n".encode()


def _angle(degrees: float, digits: int, names: str) -> str:
    whole, minutes = divmod(round(abs(degrees) * 60, 4), 60)
    return f"{int(whole):0{digits}d}{minutes:07.4f},{names[degrees < 0]}"


def sentences(spot: Spot, seconds_of_day: float) -> bytes:
    """Return RMC and GGA for a spot, of one moment; without a fix they say so, and no place."""
    hours, rest = divmod(int(seconds_of_day) % 86_400, 3600)
    time = f"{hours:02d}{rest // 60:02d}{rest % 60:02d}.00"
    if not spot.fix:
        return sentence(f"GNRMC,{time},V,,,,,,,211126,,,N") + sentence(f"GNGGA,{time},,,,,0,00,99.9,,,,,,")
    where = f"{_angle(spot.latitude, 2, 'NS')},{_angle(spot.longitude, 3, 'EW')}"
    knots = spot.speed_mps * 3600 / 1852
    return sentence(f"GNRMC,{time},A,{where},{knots:.2f},,211126,,,A") + sentence(
        f"GNGGA,{time},{where},1,08,0.9,22.0,M,17.0,M,,"
    )
