"""A bag's lines into a scan: corrected, dead pixels repaired, holes bridged or told, the evidence beside it. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.clock import Stamp
from drivers.contract import Energy, ItemHint, Picture, Polarity, Scan
from drivers.linescan import container
from drivers.linescan.calibration import Correction, Plane
from drivers.linescan.codec import ahead
from drivers.linescan.cutter import Bag

#: What clear air is in the pictures, of 16 bits: brighter values, which noise gives, still fit.
AIR = 60_000
BITS = 16
ENERGIES = (Energy.LOW, Energy.HIGH)


@dataclass(frozen=True, slots=True)
class Made:
    """A scan and what is to be told of it."""

    scan: Scan
    summary: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes scans; `bridge` is how many lines together are interpolated, `pixel_mm` the size of a pixel, if known."""

    device: str
    bridge: int
    pixel_mm: tuple[float, float] | None = None

    def make(self, bag: Bag, correction: Correction, at: Stamp, number: int) -> Made:
        """Return the scan of a bag that was cut just now; one that is not the whole item is `incomplete`."""
        planes, there = _laid_out(bag, correction)
        planes, longest, bridged = bridged_over(planes, there)
        incomplete = bag.incomplete
        if longest > self.bridge:
            incomplete = incomplete or f"cut: parts of {longest} lines together are lost"
        values = np.clip(np.rint(correction.repaired(planes) * AIR), 0, 2**BITS - 1).astype("<u2")
        summary: dict[str, Any] = {
            "number": number,
            "at": at.rfc3339(),
            "lines": len(bag.lines),
            "rows": len(values),
            "bridged_lines": bridged,
            "incomplete": incomplete,
        }
        original = container.write(
            {**summary, "device": self.device, **_calibrated(correction), "first_line": bag.lines[0].number},
            correction.calibration,
            (frame for line in bag.lines for frame in line.frames),
        )
        scan = Scan(
            at=at,
            key=hashlib.sha256(original).hexdigest(),
            original=original,
            media_type=container.MEDIA_TYPE,
            name=f"item {number}" + (f", {bridged} lines bridged" if bridged else ""),
            pictures=tuple(self._picture(values[:, row], energy) for row, energy in enumerate(ENERGIES)),
            item=ItemHint(type="BAGGAGE"),
            incomplete=incomplete,
        )
        return Made(scan, summary)

    def _picture(self, values: NDArray[np.uint16], energy: Energy) -> Picture:
        return Picture(
            view=0,
            energy=energy,
            rows=values.shape[0],
            columns=values.shape[1],
            channels=1,
            bits=BITS,
            data=np.ascontiguousarray(values).data.cast("B"),
            polarity=Polarity.AIR_HIGH,
            pixel_mm=self.pixel_mm,
        )


def _laid_out(bag: Bag, correction: Correction) -> tuple[Plane, NDArray[np.bool_]]:
    """Return the bag by position, float32 [rows, 2, pixels], and which of it came."""
    first = bag.lines[0]
    shape = (bag.rows, *first.values.shape)
    raw, there = np.zeros(shape, np.uint16), np.zeros(shape, np.bool_)
    for line in bag.lines:
        row = ahead(line.position, first.position)
        raw[row], there[row] = line.values, line.there
    return correction.transmission(raw), there


def bridged_over(planes: Plane, there: NDArray[np.bool_]) -> tuple[Plane, int, int]:
    """Fill what did not come, straight between the nearest lines that have it: `planes` [rows, ...] in place.

    Returns them, how many lines together were missing at most, and in how many lines anything was.
    """
    touched = np.flatnonzero(~there.reshape(len(there), -1).all(axis=1))
    if not len(touched):
        return planes, 0, 0
    rows = len(planes)
    at = np.arange(rows, dtype=np.int32).reshape(-1, *[1] * (planes.ndim - 1))
    before = np.maximum.accumulate(np.where(there, at, -1), axis=0)
    after = np.minimum.accumulate(np.where(there, at, rows)[::-1], axis=0)[::-1]
    holes = ~there
    longest = int((after - before - 1)[holes].max())
    where = np.nonzero(holes)
    left, right = before[where], after[where]
    left, right = np.where(left < 0, right, left), np.where(right >= rows, left, right)
    left, right = np.clip(left, 0, rows - 1), np.clip(right, 0, rows - 1)
    part = ((where[0] - left) / np.maximum(right - left, 1)).astype(np.float32)
    rest = where[1:]
    planes[where] = planes[(left, *rest)] * (1 - part) + planes[(right, *rest)] * part
    return planes, longest, len(touched)


def _calibrated(correction: Correction) -> dict[str, Any]:
    calibration = correction.calibration
    return {
        "dark_at": Stamp(calibration.dark_ns, 0).rfc3339(),
        "gain_at": Stamp(calibration.air_ns, 0).rfc3339(),
        "dead_pixels": [np.flatnonzero(row).tolist() for row in correction.dead],
        "bits": calibration.bits,
    }
