"""Every setting of the `nmea` driver."""

from __future__ import annotations

from pydantic import Field, field_validator

from drivers.contract import Settings
from drivers.links.serial import address

DEFAULT_PORT = 10110


class NmeaSettings(Settings):
    """The `[settings]` of an `nmea` device."""

    url: str = Field(description=f"serial:///dev/serial/by-id/NAME?baud=4800, or tcp://HOST:PORT ({DEFAULT_PORT})")
    report_s: float = Field(1, ge=0.05, le=3600, description="a place is told at most so often, in seconds")
    silence_s: float = Field(10, ge=0.05, le=3600, description="without a valid sentence for so long it is down")

    @field_validator("url")
    @classmethod
    def _known_url(cls, url: str) -> str:
        address(url, default_port=DEFAULT_PORT)
        return url
