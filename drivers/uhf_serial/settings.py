"""Every setting of the `uhf-serial` driver."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, field_validator, model_validator

from drivers.contract import Doubt, Settings
from drivers.links.address import Line, SerialAddress
from drivers.links.serial import address


class Protocol(StrEnum):
    """Which family of modules it is."""

    M100 = "m100"
    READER18 = "reader18"


#: By family: the line as it is delivered, and the rates that a module can be set to (M100: protocol V2.1; UHFReader18:
#: manual V2.0, command 28h).
RATES = {
    Protocol.M100: (115_200, (9600, 19_200, 38_400, 57_600, 115_200)),
    Protocol.READER18: (57_600, (9600, 19_200, 38_400, 57_600, 115_200)),
}
#: A question for tags and the answer that names one of 96 bits, in characters.
_ROUND = {Protocol.M100: 7 + 24, Protocol.READER18: 5 + 20}


class UhfSerialSettings(Settings):
    """The `[settings]` of a `uhf-serial` device."""

    url: str = Field(description="serial:///dev/serial/by-id/NAME?baud=115200, or tcp://HOST:PORT of a terminal server")
    protocol: Protocol = Field(
        Protocol.M100, description="m100 (M100, YRM100, R200, JRD-4035) or reader18 (UHFReader18, Chafon CF-RU)"
    )
    address: int = Field(0, ge=0, le=255, description="reader18: the module's address; 255: whichever it is")
    antenna: int = Field(1, ge=1, le=255, description="what the module's antenna is called on the console")
    poll_ms: int = Field(100, ge=20, le=60_000, description="how often the module looks for tags")
    timeout_ms: int = Field(500, ge=20, le=60_000, description="how long an answer may take")
    max_timeouts: int = Field(5, ge=1, le=100, description="after so many in a row the module is down")
    report_ms: int = Field(500, ge=50, le=60_000, description="tags in view are told at most so often")
    min_rssi_dbm: float | None = Field(None, ge=-120, le=0, description="m100: weaker sightings are left out")

    @field_validator("url")
    @classmethod
    def _known_url(cls, url: str) -> str:
        address(url)
        return url

    @model_validator(mode="after")
    def _strength_is_known(self) -> UhfSerialSettings:
        if self.min_rssi_dbm is not None and self.protocol is Protocol.READER18:
            raise ValueError("min_rssi_dbm: reader18 modules do not say how strong a tag is")
        return self

    def doubts(self) -> tuple[Doubt, ...]:
        """See `Settings.doubts`: a rate that these modules do not have, or too slow a line for the poll."""
        delivered, rates = RATES[self.protocol]
        where = address(self.url, Line(baud=delivered))
        if not isinstance(where, SerialAddress):
            return ()
        baud, found = where.line.baud, list[Doubt]()
        if baud not in rates:
            known = ", ".join(map(str, rates))
            said = f"{self.protocol} modules do not have {baud} baud, but {known}; they are delivered with {delivered}"
            found.append(Doubt(("url",), said))
        least_ms = where.line.takes_s(_ROUND[self.protocol]) * 1000
        if least_ms > self.poll_ms:
            said = f"a tag takes at least {least_ms:.0f} ms at {baud} baud: every {self.poll_ms} ms is too often"
            found.append(Doubt(("poll_ms",), said))
        return tuple(found)
