"""A device's map under one name: `config/profiles/NAME.toml`, or `profiles/NAME.toml` in the configuration's folder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from pydantic import Field, model_validator

from drivers.contract import Settings
from drivers.modbus.points import Point, Table, WordOrder

MAX_POINTS = 256
#: Most values that one request may ask for (Modbus Application Protocol 1.1b3, 6.1 to 6.4).
MAX_REGISTERS, MAX_BITS = 125, 2000


class BlockSpec(Settings):
    """Registers that are read in one request, so that what is in them belongs to one moment."""

    table: Table = Field(description="holding, input, coil or discrete")
    address: int = Field(ge=0, le=65_535, description="the first, as on the wire, from 0")
    count: int = Field(ge=1, le=MAX_BITS, description="how many; gaps between points included")
    poll_ms: int | None = Field(None, ge=10, le=3_600_000, description="how often, where not as often as the device")

    @property
    def end(self) -> int:
        """The address after the last."""
        return self.address + self.count

    def holds(self, point: Point) -> bool:
        """Say whether the whole of a point lies in it."""
        return point.table is self.table and self.address <= point.address and point.end <= self.end

    @model_validator(mode="after")
    def _fits(self) -> BlockSpec:
        if not self.table.of_bits and self.count > MAX_REGISTERS:
            raise ValueError(f"one request reads at most {MAX_REGISTERS} registers")
        if self.end > 65_536:
            raise ValueError("it ends behind address 65535")
        return self


def check_points(points: Sequence[Point]) -> None:
    """Raise ValueError where names are given twice, or a point names another that is not there."""
    names = [point.name for point in points]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two points have the same name: {', '.join(twice)}")
    for point in points:
        for key in ("scale_from", "valid_if", "held_by"):
            other = getattr(point, key)
            if other is not None and (other not in names or other == point.name):
                raise ValueError(f"{point.name}: {key} names {other!r}, which is no other point")


class Profile(Settings):
    """A device's registers and what they mean; whoever describes a device writes one of these, and no code."""

    driver: Literal["modbus"] = Field(description="which driver the profile is for")
    title: str = Field(min_length=1, max_length=120, description="the device, as a person calls it")
    source: str = Field(min_length=1, max_length=512, description="where the map is from: manual, edition, section")
    poll_ms: int | None = Field(None, ge=10, le=3_600_000, description="how often, unless the device file says")
    item_type: str | None = Field(
        None, max_length=16, description="what is screened: BAGGAGE, CARGO, PERSON, VEHICLE, ..."
    )
    word_order: WordOrder | None = Field(None, description="of every point that does not say it itself")
    blocks: tuple[BlockSpec, ...] = Field((), max_length=64, description="what is read in one request")
    points: tuple[Point, ...] = Field(max_length=MAX_POINTS, description="the values")

    @model_validator(mode="after")
    def _whole(self) -> Profile:
        if not self.points:
            raise ValueError("it has no points")
        check_points(self.points)
        ordered = sorted(self.blocks, key=lambda block: (block.table, block.address))
        for one, next_ in pairwise(ordered):
            if one.table is next_.table and one.end > next_.address:
                raise ValueError(f"two blocks overlap: {one.table} {one.address} and {next_.address}")
        return self

    @property
    def resolved(self) -> tuple[Point, ...]:
        """Its points, the profile's word order applied."""
        if self.word_order is None:
            return self.points
        return tuple(
            point
            if "word_order" in point.model_fields_set
            else point.model_copy(update={"word_order": self.word_order})
            for point in self.points
        )
