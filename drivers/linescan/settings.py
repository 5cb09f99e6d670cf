"""Every setting of the `linescan` driver."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from pydantic import Field, field_validator, model_validator

from drivers.contract import Settings
from drivers.links.address import TcpAddress, address

_UDP = re.compile(r"udp://(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:/\[\]]+)):(?P<port>\d{1,5})/?")


@dataclass(frozen=True, slots=True)
class UdpAddress:
    """Where the appliance listens for datagrams."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def endpoint(url: str) -> TcpAddress | UdpAddress:
    """Return where a detector is (TCP) or sends to (UDP). Raises ValueError, in words for who wrote the URL."""
    if match := _UDP.fullmatch(url):
        port = int(match["port"])
        if not 0 < port < 65_536:
            raise ValueError(f"{port} is no port: 1 to 65535")
        return UdpAddress(match["v6"] or match["host"], port)
    if url.startswith("tcp://") and isinstance(found := address(url), TcpAddress):
        return found
    raise ValueError("must be tcp://HOST:PORT (of the detector) or udp://HOST:PORT (of the appliance)")


class LinescanSettings(Settings):
    """The `[settings]` of a `linescan` device; lengths are in lines, one line pitch of the belt each."""

    url: str = Field(
        description="tcp://HOST:PORT of the detector, or udp://HOST:PORT of the appliance, which the detector sends to"
    )
    sender: str | None = Field(None, description="udp: the detector's IP address; datagrams of others are left out")
    gap_lines: int = Field(24, ge=2, le=2000, description="so many clear lines in a row end an item")
    margin_lines: int = Field(8, ge=0, le=500, description="clear lines kept before and after an item")
    min_lines: int = Field(12, ge=1, le=2000, description="a thing with fewer covered lines is dust, and left out")
    max_lines: int = Field(3000, ge=50, le=20_000, description="a longer item is cut, and says so")
    bridge_lines: int = Field(
        4, ge=0, le=50, description="so many lines lost together are interpolated; of more the scan is cut, and says so"
    )
    rewind_lines: int = Field(200, ge=0, le=20_000, description="the belt may run back so far within an item")
    stop_s: float = Field(120, ge=1, le=86_400, description="an item on a belt that stands so long is cut, and says so")
    covered_below: float = Field(0.95, gt=0, lt=1, description="a pixel is covered where less light comes through")
    covered_pixels: int = Field(4, ge=1, le=1000, description="a line is covered where so many pixels are")
    silence_s: float = Field(5, ge=0.2, le=3600, description="no line for so long, belt or not: the detector is down")
    max_calibration_h: float = Field(24, gt=0, le=8760, description="an older gain is degraded: calibrate again")
    max_dead_pixels: int = Field(20, ge=0, le=4096, description="more dead pixels than these are degraded")
    line_mm: float | None = Field(None, gt=0, le=100, description="the line pitch in the belt plane")
    pixel_mm: float | None = Field(None, gt=0, le=100, description="the pixel pitch in the belt plane")

    @field_validator("url")
    @classmethod
    def _known_url(cls, url: str) -> str:
        endpoint(url)
        return url

    @field_validator("sender")
    @classmethod
    def _an_address(cls, sender: str | None) -> str | None:
        if sender is not None:
            ip_address(sender)
        return sender

    @model_validator(mode="after")
    def _consistent(self) -> LinescanSettings:
        if (self.line_mm is None) != (self.pixel_mm is None):
            raise ValueError("line_mm and pixel_mm go together")
        if self.gap_lines + self.min_lines >= self.max_lines:
            raise ValueError("max_lines must be longer than gap_lines and min_lines together")
        if self.bridge_lines >= self.gap_lines:
            raise ValueError("bridge_lines must be less than gap_lines: else two items could be bridged into one")
        if self.sender is not None and not self.url.startswith("udp:"):
            raise ValueError("sender goes with udp://")
        return self
