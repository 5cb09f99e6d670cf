"""Every setting of the `llrp` driver."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from drivers.contract import Category, Settings, Severity
from drivers.links.serial import TcpAddress, address

DEFAULT_PORT = 5084


class Input(Settings):
    """One of the reader's inputs (GPI): a button, or another dry contact."""

    port: int = Field(ge=1, le=64, description="which input, as the reader numbers them, from 1")
    label: str = Field(min_length=1, max_length=120, description="the hit's label")
    on: Literal["high", "low"] = Field("high", description="the level at which the button is pressed")
    category: Category = Field(Category.OTHER, description="the hit's category (DICOS)")
    severity: Severity = Field(Severity.MEDIUM, description="the hit's severity")


class LlrpSettings(Settings):
    """The `[settings]` of an `llrp` device."""

    url: str = Field(description=f"tcp://HOST:PORT; without a port {DEFAULT_PORT}, the registered one")
    antennas: tuple[Annotated[int, Field(ge=1, le=255)], ...] = Field(
        (), max_length=64, description="which antennas read; all where none is named"
    )
    report_ms: int = Field(500, ge=50, le=60_000, description="tags in view are told at most so often")
    min_rssi_dbm: float | None = Field(None, ge=-120, le=0, description="weaker sightings are left out")
    keepalive_s: float = Field(
        5, ge=0.05, le=60, description="how often the reader must say that it is there; three missed: it is lost"
    )
    timeout_ms: int = Field(3000, ge=50, le=60_000, description="how long a connection or an answer may take")
    debounce_ms: int = Field(200, ge=0, le=10_000, description="a button pressed again so soon was pressed once")
    gpi: tuple[Input, ...] = Field((), max_length=64, description="the reader's inputs that raise a hit")

    @field_validator("url")
    @classmethod
    def _known_url(cls, url: str) -> str:
        if not isinstance(address(url, default_port=DEFAULT_PORT), TcpAddress):
            raise ValueError("LLRP goes over the network: tcp://HOST:PORT")
        return url

    @field_validator("gpi")
    @classmethod
    def _inputs_differ(cls, gpi: tuple[Input, ...]) -> tuple[Input, ...]:
        ports = [one.port for one in gpi]
        if twice := sorted({port for port in ports if ports.count(port) > 1}):
            raise ValueError(f"input {twice[0]} is named twice")
        return gpi
