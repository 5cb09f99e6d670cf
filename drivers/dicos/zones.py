"""Where on a body: named zones, and what one scanner's words and coordinates mean in them. Pure.

A scanner's report says where an anomaly is in its own words (PTO Location Description) or in coordinates of its own
(Anomaly Locator Indicator), for which there is no public definition. What they mean is declared for each device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

#: The 17 zones of the United States' Passenger Screening Algorithm Challenge (2017), in its order, as usually named.
DHS17: Final = (
    "right-biceps",
    "right-forearm",
    "left-biceps",
    "left-forearm",
    "upper-chest",
    "right-ribs-and-abdomen",
    "left-ribs-and-abdomen",
    "right-hip-and-thigh",
    "groin",
    "left-hip-and-thigh",
    "lower-right-thigh",
    "lower-left-thigh",
    "right-calf",
    "left-calf",
    "right-ankle",
    "left-ankle",
    "upper-back",
)
SCHEMES: Final[Mapping[str, tuple[str, ...]]] = {"dhs17": DHS17}
UNMAPPED: Final = "unmapped"

Point = tuple[float, float, float]


class ZoneBox(BaseModel):
    """A zone as a box in a scanner's own coordinates."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zone: str = Field(description="the zone's name")
    low: Point = Field(description="the box's least x, y and z")
    high: Point = Field(description="its greatest")

    def holds(self, point: Point) -> bool:
        """Return whether a point lies in it, its faces counted."""
        return all(low <= at <= high for low, at, high in zip(self.low, point, self.high, strict=True))


def zone_of(
    scheme: str, words: Mapping[str, str], boxes: Sequence[ZoneBox], text: str | None, point: Point | None
) -> str:
    """Return a zone as `SCHEME:ZONE`: by the scanner's words, else by the first box that holds the point.

    Nothing that fits is `SCHEME:unmapped`: an anomaly without a place is an anomaly all the same. Words are compared
    without regard to case and to spaces around them; they never come out again.
    """
    known = {word.strip().casefold(): zone for word, zone in words.items()}
    zone = known.get((text or "").strip().casefold()) if text else None
    if zone is None and point is not None:
        zone = next((box.zone for box in boxes if box.holds(point)), None)
    return f"{scheme}:{zone or UNMAPPED}"
