"""Every setting of the `scale` driver."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, field_validator

from drivers.contract import Category, Doubt, Settings, Severity
from drivers.links.address import SerialAddress
from drivers.links.serial import address


class Protocol(StrEnum):
    """What the scale speaks."""

    SICS = "sics"
    TOLEDO = "toledo"
    NCI = "nci"


#: A question for the weight and its answer, in characters: SI CR LF, and S S, ten of weight, unit, CR LF; W CR, and
#: LF, weight and unit, CR, status, ETX. Toledo's scales talk unasked.
_ASKED = {Protocol.SICS: 4 + 18, Protocol.NCI: 2 + 16}


class ScaleSettings(Settings):
    """The `[settings]` of a `scale` device."""

    url: str = Field(description="serial:///dev/serial/by-id/NAME?baud=9600&parity=even&bits=7, or tcp://HOST:PORT")
    protocol: Protocol = Field(Protocol.SICS, description="sics (MT-SICS), toledo (continuous output), nci (SCP-01)")
    checksum: bool = Field(True, description="toledo: the scale sends its checksum, and every frame must have it")
    strip_parity: bool = Field(False, description="the eighth bit is a parity bit that the line does not take off")
    poll_ms: int = Field(200, ge=20, le=60_000, description="sics, nci: how often the scale is asked")
    timeout_ms: int = Field(1000, ge=20, le=60_000, description="how long an answer, or the next frame, may take")
    max_timeouts: int = Field(5, ge=1, le=100, description="after so many in a row the scale is down")
    confirm: int = Field(
        2, ge=1, le=20, description="a weight counts once it was said so often in a row, standing still"
    )
    change_kg: float = Field(0.02, gt=0, le=1000, description="a weight is told anew once it differs by so much")
    empty_kg: float = Field(0.05, ge=0, le=1000, description="below this nothing lies on the scale")
    declared_kg: float | None = Field(
        None, gt=0, le=100_000, description="what everything weighed here is declared to be"
    )
    tolerance_kg: float = Field(0.5, ge=0, le=10_000, description="further than this from the declared weight is a hit")
    tolerance_percent: float = Field(5, ge=0, le=100, description="... or than this share of it, whichever is more")
    category: Category = Field(Category.ANOMALY, description="that hit's category (DICOS)")
    severity: Severity = Field(Severity.MEDIUM, description="that hit's severity")

    @field_validator("url")
    @classmethod
    def _known_url(cls, url: str) -> str:
        address(url)
        return url

    def doubts(self) -> tuple[Doubt, ...]:
        """See `Settings.doubts`: a scale that is asked faster than its line carries the answers."""
        where = address(self.url)
        if not isinstance(where, SerialAddress) or self.protocol not in _ASKED:
            return ()
        baud, least_ms = where.line.baud, where.line.takes_s(_ASKED[self.protocol]) * 1000
        if least_ms <= self.poll_ms:
            return ()
        said = f"an answer takes at least {least_ms:.0f} ms at {baud} baud: every {self.poll_ms} ms is too often"
        return (Doubt(("poll_ms",), said),)
