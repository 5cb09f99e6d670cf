"""What a point of a Modbus device is: where it lies, what its registers mean, and when it raises an alarm."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from drivers.contract import Category, Settings, Severity

Name = Annotated[str, Field(min_length=1, max_length=63)]
#: Which register values stand for which words; TOML's keys are text.
Words = Annotated[dict[Annotated[str, Field(pattern=r"^\d{1,10}$")], Name], Field(max_length=64)]


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
    UINT64 = "uint64"
    INT64 = "int64"
    FLOAT64 = "float64"

    @property
    def words(self) -> int:
        """How many registers a value takes."""
        return {"32": 2, "64": 4}.get(self.value[-2:], 1)

    @property
    def unsigned(self) -> bool:
        """Whether it is a whole number without a sign, and so may be bits or a counter."""
        return self.value.startswith("uint")


class WordOrder(StrEnum):
    """Which register of a value of several comes first: the highest (big) or the lowest (little)."""

    BIG = "big"
    LITTLE = "little"


class Alarm(StrEnum):
    """When a point raises an alarm.

    `on_change` at every change and `counts` at every pulse that a counter counted; the first read is their baseline.
    The others when their condition becomes true, at the first read included.
    """

    ON_CHANGE = "on_change"
    COUNTS = "counts"
    NONZERO = "nonzero"
    BITS = "bits"
    ABOVE = "above"
    BELOW = "below"
    STATES = "states"

    @property
    def lasts(self) -> bool:
        """Whether it is a condition, which lasts until it ends."""
        return self not in (Alarm.ON_CHANGE, Alarm.COUNTS)


class Point(Settings):
    """One value of the device."""

    name: Name = Field(description="what the value is called on the console")
    table: Table = Field(description="holding, input, coil or discrete")
    address: int = Field(ge=0, le=65_535, description="as on the wire, from 0")
    type: PointType | None = Field(None, description="bool for coil and discrete; else uint16")
    bit: int | None = Field(None, ge=0, le=63, description="one bit of the registers, 0 the lowest: the value is bool")
    any_of: int | None = Field(
        None, ge=1, le=2**64 - 1, description="a mask: the value is true where any of these bits is 1"
    )
    inverted: bool = Field(False, description="a bool is true where the bit is 0: a contact wired normally closed")
    word_order: WordOrder = Field(WordOrder.BIG, description="of several registers: big (highest first) or little")
    scale: float = Field(1, description="the value is the register's times this, plus `offset`")
    offset: float = Field(0, description="added after scaling")
    scale_from: Name | None = Field(
        None, description="a point of the same block that holds a power of ten to scale by (SunSpec's scale factors)"
    )
    unit: str = Field("", max_length=32, description="of the value after scaling")
    names: Words = Field({}, description='words for values: { 0 = "idle", 1 = "alarm" }; the value is then the word')
    flags: Words = Field({}, description="names of bits; the value is then the list of those that are 1")
    invalid: tuple[int, ...] = Field((), max_length=16, description="register values that mean: no value")
    minimum: float | None = Field(None, description="less than this, after scaling, is no value")
    maximum: float | None = Field(None, description="more than this, after scaling, is no value")
    valid_if: Name | None = Field(None, description="a point of the same block without which there is no value")
    alarm: Alarm | None = Field(
        None,
        description="on_change (every change is a hit of its own), counts (every pulse of a counter), nonzero, bits,"
        " states, above or below `limit`",
    )
    limit: float | None = Field(None, description="for above and below, after scaling")
    mask: int = Field(0xFFFF_FFFF, ge=1, le=2**64 - 1, description="for bits: which bits raise an alarm")
    states: tuple[Name, ...] = Field((), max_length=64, description="for states: which of `names` raise an alarm")
    clear_limit: float | None = Field(
        None, description="for above and below: the alarm ends beyond this, not at `limit`"
    )
    clear_ms: int = Field(0, ge=0, le=3_600_000, description="the alarm ends once its condition was gone so long")
    held_by: Name | None = Field(
        None, description="a point of the same unit: while it is not 0 the alarm does not end, and is not raised again"
    )
    fault: bool = Field(
        False, description="the alarm is a fault of the device: no hit, but the device is degraded while it lasts"
    )
    label: str | None = Field(
        None, min_length=1, max_length=120, description="the hit's label; the name unless said otherwise"
    )
    category: Category = Field(Category.OTHER, description="the hit's category (DICOS)")
    severity: Severity = Field(Severity.MEDIUM, description="the hit's severity")
    zone: Name | None = Field(None, description="the body zone that the contact stands for, where it stands for one")
    writable: bool = Field(False, description="may be written, by a signal; everything else is only read")

    @property
    def kind(self) -> PointType:
        """The type of its registers, its default applied."""
        return self.type or (PointType.BOOL if self.table.of_bits else PointType.UINT16)

    @property
    def is_bool(self) -> bool:
        """Whether its value is true or false."""
        return self.bit is not None or self.any_of is not None or self.kind is PointType.BOOL

    @property
    def is_word(self) -> bool:
        """Whether its value is shown as words, and not as a number."""
        return bool(self.names or self.flags)

    @property
    def end(self) -> int:
        """The address after the point's last."""
        return self.address + self.kind.words

    @model_validator(mode="after")
    def _consistent(self) -> Point:
        if found := [problem for problem, there in (self._of_types() | self._of_alarms()).items() if there]:
            raise ValueError("; ".join(found))
        return self

    def _of_types(self) -> dict[str, bool]:
        numbers = (self.scale, self.offset, self.minimum or 0, self.maximum or 0, self.limit or 0)
        return {
            f"{self.table} holds single bits: type must be bool": self.table.of_bits
            and self.kind is not PointType.BOOL,
            "bit goes with an unsigned type, and must lie in it": self.bit is not None
            and (not self.kind.unsigned or self.bit >= 16 * self.kind.words),
            "any_of goes with an unsigned type, without bit, and must lie in it": self.any_of is not None
            and (not self.kind.unsigned or self.bit is not None or self.any_of >> 16 * self.kind.words != 0),
            f"a value of {self.kind.words} registers does not fit at address {self.address}": self.end > 65_536,
            "scale must be a number other than 0": self.scale == 0,
            "not a finite number": not all(map(math.isfinite, numbers)),
            "bool, names and flags go without scale": (self.scale != 1 or self.offset != 0 or bool(self.scale_from))
            and (self.is_bool or self.is_word or self.alarm is Alarm.BITS),
            "inverted goes with bool": self.inverted and not self.is_bool,
            "names and flags go with an unsigned type, and not with bit": self.is_word
            and (not self.kind.unsigned or self.is_bool),
            "names or flags, not both": bool(self.names) and bool(self.flags),
            "a flag's bit must lie in the type": any(int(bit) >= 16 * self.kind.words for bit in self.flags),
            "writable goes with coil, or with holding and one register": self.writable
            and (self.table not in (Table.COIL, Table.HOLDING) or self.kind.words != 1 or self._part_of_a_register),
        }

    def _of_alarms(self) -> dict[str, bool]:
        levels = self.alarm in (Alarm.ABOVE, Alarm.BELOW)
        alarm = f"alarm = {str(self.alarm)!r}"
        beyond = self.clear_limit is not None and self.limit is not None
        return {
            f"{alarm} needs limit": self.limit is None and levels,
            "limit and clear_limit go with alarm = 'above' or 'below'": not levels
            and (self.limit is not None or self.clear_limit is not None),
            "clear_limit lies on the wrong side of limit": levels
            and beyond
            and (self.clear_limit or 0) * self._upwards > (self.limit or 0) * self._upwards,
            "mask goes with alarm = 'bits'": "mask" in self.model_fields_set and self.alarm is not Alarm.BITS,
            f"{alarm} needs an unsigned type": self.alarm in (Alarm.BITS, Alarm.COUNTS)
            and (not self.kind.unsigned or self.is_bool),
            f"{alarm} needs a number": levels and (self.is_bool or self.is_word),
            "alarm = 'counts' goes without words": self.alarm is Alarm.COUNTS and self.is_word,
            f"{alarm} needs states, all of them among names": self.alarm is Alarm.STATES
            and (not self.states or not set(self.states) <= set(self.names.values())),
            "states goes with alarm = 'states'": bool(self.states) and self.alarm is not Alarm.STATES,
            "clear_ms, held_by and fault go with an alarm that lasts": bool(self.clear_ms or self.held_by or self.fault)
            and (self.alarm is None or not self.alarm.lasts),
            "zone goes with an alarm": self.zone is not None and self.alarm is None,
        }

    @property
    def _part_of_a_register(self) -> bool:
        return self.is_bool and not self.table.of_bits

    @property
    def _upwards(self) -> int:
        return 1 if self.alarm is Alarm.ABOVE else -1
