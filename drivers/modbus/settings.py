"""Every setting of the `modbus` driver, and what a point is."""

from __future__ import annotations

import math
import re
from enum import StrEnum

from pydantic import Field, field_validator, model_validator

from drivers.contract import Category, Settings, Severity
from drivers.modbus import profiles

DEFAULT_PORT = 502
MAX_POINTS = 256
_URL = re.compile(r"tcp://(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:/\[\]]+))(?::(?P<port>\d{1,5}))?")


class Table(StrEnum):
    """The four tables of a Modbus device."""

    HOLDING = "holding"
    INPUT = "input"
    COIL = "coil"
    DISCRETE = "discrete"

    @property
    def of_bits(self) -> bool:
        """Whether its values are single bits, and not registers of 16."""
        return self in (Table.COIL, Table.DISCRETE)


class PointType(StrEnum):
    """How registers are read as a value."""

    BOOL = "bool"
    UINT16 = "uint16"
    INT16 = "int16"
    UINT32 = "uint32"
    INT32 = "int32"
    FLOAT32 = "float32"

    @property
    def words(self) -> int:
        """How many registers a value takes."""
        return 2 if self in (PointType.UINT32, PointType.INT32, PointType.FLOAT32) else 1


class WordOrder(StrEnum):
    """Which register of a 32-bit value comes first: the high word (big) or the low word (little)."""

    BIG = "big"
    LITTLE = "little"


class Alarm(StrEnum):
    """When a point raises an alarm; all but `on_change` when the condition becomes true, at the first read included."""

    ON_CHANGE = "on_change"
    NONZERO = "nonzero"
    BITS = "bits"
    ABOVE = "above"
    BELOW = "below"


class Point(Settings):
    """One value of the device."""

    name: str = Field(min_length=1, max_length=63, description="what the value is called on the console")
    table: Table = Field(description="holding, input, coil or discrete")
    address: int = Field(ge=0, le=65_535, description="as on the wire, from 0")
    type: PointType | None = Field(None, description="bool for coil and discrete; else uint16 unless said otherwise")
    word_order: WordOrder = Field(WordOrder.BIG, description="of 32-bit values: big (high word first) or little")
    scale: float = Field(1, description="the value is the register's times this")
    unit: str = Field("", max_length=32, description="of the value after scaling")
    alarm: Alarm | None = Field(
        None, description="on_change (every change is a hit of its own), nonzero, bits, above or below `limit`"
    )
    limit: float | None = Field(None, description="for above and below, after scaling")
    mask: int = Field(0xFFFF_FFFF, ge=1, le=0xFFFF_FFFF, description="for bits: which bits raise an alarm")
    label: str | None = Field(
        None, min_length=1, max_length=120, description="the hit's label; the name unless said otherwise"
    )
    category: Category = Field(Category.OTHER, description="the hit's category (DICOS)")
    severity: Severity = Field(Severity.MEDIUM, description="the hit's severity")

    @property
    def kind(self) -> PointType:
        """The type, its default applied."""
        return self.type or (PointType.BOOL if self.table.of_bits else PointType.UINT16)

    @property
    def end(self) -> int:
        """The address after the point's last."""
        return self.address + self.kind.words

    @model_validator(mode="after")
    def _consistent(self) -> Point:
        problems = {
            f"{self.table} holds single bits: type must be bool": self.table.of_bits
            and self.kind is not PointType.BOOL,
            "a value of two registers does not fit at address 65535": self.end > 65_536,
            "scale must be a number other than 0": not math.isfinite(self.scale) or self.scale == 0,
            "bool and bits go without scale": self.scale != 1
            and (self.kind is PointType.BOOL or self.alarm is Alarm.BITS),
            f"alarm = {str(self.alarm)!r} needs limit": self.limit is None and self.alarm in (Alarm.ABOVE, Alarm.BELOW),
            "limit goes with alarm = 'above' or 'below'": self.limit is not None
            and self.alarm not in (Alarm.ABOVE, Alarm.BELOW),
            "mask goes with alarm = 'bits'": "mask" in self.model_fields_set and self.alarm is not Alarm.BITS,
            "alarm = 'bits' needs type uint16 or uint32": self.alarm is Alarm.BITS
            and self.kind not in (PointType.UINT16, PointType.UINT32),
            f"alarm = {str(self.alarm)!r} needs a number, not a bool": self.kind is PointType.BOOL
            and self.alarm in (Alarm.ABOVE, Alarm.BELOW),
        }
        if found := [problem for problem, there in problems.items() if there]:
            raise ValueError("; ".join(found))
        return self


class ModbusSettings(Settings):
    """The `[settings]` of a `modbus` device."""

    url: str = Field(description="tcp://HOST:PORT")
    unit: int = Field(1, ge=0, le=255, description="the unit (slave) identifier")
    poll_ms: int = Field(200, ge=10, le=3_600_000, description="how often all points are read")
    timeout_ms: int = Field(1000, ge=20, le=60_000, description="how long an answer may take")
    max_timeouts: int = Field(3, ge=1, le=100, description="after so many in a row the device is down")
    profile: str | None = Field(None, description="a device profile, which brings its points")
    points: tuple[Point, ...] = Field((), max_length=MAX_POINTS, description="the values to read")

    @field_validator("url")
    @classmethod
    def _known_url(cls, url: str) -> str:
        endpoint(url)
        return url

    @field_validator("profile")
    @classmethod
    def _known_profile(cls, profile: str | None) -> str | None:
        if profile is not None:
            profiles.find(profile)
        return profile

    @field_validator("points")
    @classmethod
    def _names_differ(cls, points: tuple[Point, ...]) -> tuple[Point, ...]:
        names = [point.name for point in points]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two points have the same name: {', '.join(twice)}")
        return points

    @model_validator(mode="after")
    def _something_to_read(self) -> ModbusSettings:
        if not self.points and self.profile is None:
            raise ValueError("nothing to read: list [[settings.points]] or name a profile")
        return self


def endpoint(url: str) -> tuple[str, int]:
    """Return the host and port of a URL; raises ValueError, in words for who wrote it, where it is none."""
    match = _URL.fullmatch(url)
    if not match:
        if url.startswith(("tls://", "serial://")):
            raise ValueError(f"{url.partition(':')[0]}:// is not available yet: tcp://HOST:PORT is")
        raise ValueError("must be tcp://HOST:PORT")
    port = int(match["port"] or DEFAULT_PORT)
    if not 0 < port < 65_536:
        raise ValueError(f"{port} is no port: 1 to 65535")
    return match["v6"] or match["host"], port
