"""Every setting of the `rpm-ascii` driver."""

from __future__ import annotations

from pydantic import Field, field_validator

from drivers.contract import Settings, Severity
from drivers.links.address import address

#: Where these portals' serial servers listen unless they are set otherwise, as the vendor's own simulator does.
DEFAULT_PORT = 1600


class RpmAsciiSettings(Settings):
    """The `[settings]` of an `rpm-ascii` device."""

    url: str = Field(description="tcp://HOST:PORT (1600 unless given), or serial:///dev/serial/by-id/NAME?baud=9600")
    silence_s: float = Field(
        15, ge=1, le=3600, description="an empty portal tells its background every 5 s; silent for so long it is down"
    )
    occupied_s: float = Field(
        300, ge=5, le=86_400, description="occupied for so long is degraded: something stands in the light barrier"
    )
    gamma_severity: Severity = Field(Severity.HIGH, description="of a gamma alarm")
    neutron_severity: Severity = Field(Severity.CRITICAL, description="of a neutron alarm")
    tamper_severity: Severity = Field(Severity.HIGH, description="of an opened cabinet")

    @field_validator("url")
    @classmethod
    def _known_url(cls, url: str) -> str:
        address(url, default_port=DEFAULT_PORT)
        return url
