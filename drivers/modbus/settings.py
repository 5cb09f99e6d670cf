"""Every setting of the `modbus` driver."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from drivers import profiles
from drivers.contract import Doubt, Settings
from drivers.errors import ConfigError
from drivers.links.address import SerialAddress, TcpAddress, address
from drivers.modbus import pace
from drivers.modbus.codec import plan
from drivers.modbus.pace import UnitPlan
from drivers.modbus.points import Alarm, Point, PointType, Table, WordOrder
from drivers.modbus.profiles import MAX_POINTS, BlockSpec, Profile, check_points

__all__ = ["Alarm", "ModbusSettings", "Point", "PointType", "Table", "UnitPlan", "WordOrder", "endpoint"]

DEFAULT_PORT, TLS_PORT = 502, 802
DEFAULT_POLL_MS = 200
MAX_UNITS = 32


def _known(profile: str | Profile) -> str | Profile:
    if isinstance(profile, str):
        try:
            profiles.load(profile, Profile)
        except ConfigError as error:
            raise ValueError(str(error)) from None
    return profile


_ProfileKey: TypeAlias = Annotated[str | Profile, AfterValidator(_known)]


class _Read(Settings):
    """What is read of one unit."""

    unit: int = Field(1, ge=0, le=255, description="the unit (slave) identifier")
    poll_ms: int = Field(
        DEFAULT_POLL_MS, ge=10, le=3_600_000, description="how often all is read; a profile may have its own default"
    )
    profile: _ProfileKey | None = Field(
        None, description="a device's map: profiles/NAME.toml in the configuration's folder, or one that is shipped"
    )
    blocks: tuple[BlockSpec, ...] = Field((), max_length=64, description="what is read in one request, with its gaps")
    points: tuple[Point, ...] = Field(
        (), max_length=MAX_POINTS, description="the values to read; one of the same name replaces the profile's"
    )

    @field_validator("points")
    @classmethod
    def _names_differ(cls, points: tuple[Point, ...]) -> tuple[Point, ...]:
        names = [point.name for point in points]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two points have the same name: {', '.join(twice)}")
        return points

    def planned(self, name: str) -> UnitPlan:
        """Return the unit's plan; raises ValueError where its points do not fit together."""
        profile = profiles.load(self.profile, Profile) if isinstance(self.profile, str) else self.profile
        own = {point.name: point for point in self.points}
        whole = {point.name: point for point in profile.resolved} | own if profile else own
        points = tuple(whole.values())
        check_points(points)
        poll_ms = self.poll_ms
        if profile and profile.poll_ms is not None and "poll_ms" not in self.model_fields_set:
            poll_ms = profile.poll_ms
        blocks = plan(points, (*self.blocks, *(profile.blocks if profile else ())))
        if name:
            blocks = tuple(replace(block, points=tuple(_named(p, name) for p in block.points)) for block in blocks)
        return UnitPlan(name, self.unit, poll_ms, profile.item_type if profile else None, blocks)


def _named(point: Point, unit: str) -> Point:
    """Return a point as one of several units has it: its name and label say which."""
    others = {key: f"{unit}/{other}" for key in ("scale_from", "valid_if", "held_by") if (other := getattr(point, key))}
    label = f"{point.label or point.name}, {unit}"
    return point.model_copy(update={"name": f"{unit}/{point.name}", "label": label, **others})


class Unit(_Read):
    """One of several units on a line."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=31, description="what this unit is called")


class ModbusSettings(_Read):
    """The `[settings]` of a `modbus` device."""

    url: str = Field(description="tcp://HOST:PORT, tls://HOST:PORT or serial:///dev/serial/by-id/NAME?baud=9600")
    units: tuple[Unit, ...] = Field(
        (), max_length=MAX_UNITS, description="several units on one line, in place of unit, profile and points"
    )
    timeout_ms: int = Field(1000, ge=20, le=60_000, description="how long an answer may take")
    quiet_ms: int | None = Field(
        None, ge=20, le=60_000, description="serial: how long the line must be still after a timeout; timeout_ms"
    )
    max_timeouts: int = Field(3, ge=1, le=100, description="after so many in a row the unit is lost")
    ca_file: Path | None = Field(None, description="tls: certificates that may vouch for the device (PEM)")
    cert_file: Path | None = Field(None, description="tls: this appliance's certificate (PEM), where one is asked for")
    key_file: Path | None = Field(None, description="tls: its key (PEM)")

    @field_validator("url")
    @classmethod
    def _known_url(cls, url: str) -> str:
        endpoint(url)
        return url

    @model_validator(mode="after")
    def _fits_together(self) -> ModbusSettings:
        tls = urlsplit(self.url).scheme == "tls"
        alone = {"unit", "profile", "points", "blocks"} & self.model_fields_set
        if self.units and alone:
            raise ValueError(f"{', '.join(sorted(alone))} and units do not go together: write it into each unit")
        if not self.units and not self.points and self.profile is None:
            raise ValueError("nothing to read: list [[settings.points]] or name a profile")
        if tls and self.ca_file is None:
            raise ValueError("tls:// needs ca_file: a device that nobody vouches for is not trusted")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        if not tls and (self.ca_file or self.cert_file):
            raise ValueError("ca_file, cert_file and key_file go with tls://")
        if self.quiet_ms is not None and not isinstance(endpoint(self.url), SerialAddress):
            raise ValueError("quiet_ms goes with serial://")
        for names in ([one.name for one in self.units], [one.unit for one in self.units]):
            if len(set(names)) < len(names):
                raise ValueError("two units have the same name or the same number")
        for unit in self.units:
            if not unit.points and unit.profile is None:
                raise ValueError(f"nothing to read of unit {unit.name}: list its points or name a profile")
        self.plans()
        return self

    def outputs(self) -> frozenset[str]:
        """Return the names of the points that may be written."""
        return frozenset(point.name for plan in self.plans() for point in plan.points if point.writable)

    def doubts(self) -> tuple[Doubt, ...]:
        """See `Settings.doubts`: what is asked of a serial line faster than it can carry it."""
        where = endpoint(self.url)
        return tuple(pace.doubts(self.plans(), where.line)) if isinstance(where, SerialAddress) else ()

    def plans(self) -> tuple[UnitPlan, ...]:
        """Return what is read, unit by unit; raises ValueError where points do not fit together."""
        if not self.units:
            return (self.planned(""),)
        return tuple(unit.planned(unit.name) for unit in self.units)


def endpoint(url: str) -> SerialAddress | TcpAddress:
    """Return where a URL leads; raises ValueError, in words for who wrote it, where it is none."""
    scheme = urlsplit(url).scheme
    if scheme == "tls":
        return address(f"tcp{url[3:]}", default_port=TLS_PORT)
    if scheme not in ("tcp", "serial"):
        raise ValueError("must be tcp://HOST:PORT, tls://HOST:PORT or serial:///dev/serial/by-id/NAME?baud=9600")
    where = address(url, default_port=DEFAULT_PORT)
    if isinstance(where, SerialAddress) and where.line.bits != 8:
        raise ValueError("Modbus RTU has 8 bits a character")
    return where
