"""Every setting of the `screen` driver."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from drivers.contract import Settings
from drivers.links.address import video

Box = tuple[int, int, int, int]
_Place = Annotated[int, Field(ge=0, le=8192)]
_Length = Annotated[int, Field(ge=1, le=8192)]
_Box = tuple[_Place, _Place, _Length, _Length]
MIN_SIDE = 64


class Direction(StrEnum):
    """Which way the picture moves while the belt runs forward; new columns or rows come in at the other side."""

    LEFT = "left"
    RIGHT = "right"
    UP = "up"
    DOWN = "down"


class ScreenSettings(Settings):
    """The `[settings]` of a `screen` device."""

    url: str = Field(description="rtsp://HOST:PORT/PATH of an encoder, or v4l2:///dev/v4l/by-id/NAME of a grabber")
    size: tuple[_Length, _Length] | None = Field(
        None, description="[width, height] of the picture; needed with region, mask or clock; another size is refused"
    )
    region: _Box | None = Field(
        None, description="[x, y, width, height] of the window in which bags scroll; without it, the whole picture"
    )
    mask: tuple[_Box, ...] = Field(
        (), max_length=32, description="[[x, y, width, height], ...] painted out before anything else is done"
    )
    clock: _Box | None = Field(
        None, description="[x, y, width, height] of a clock on the screen that shows seconds: tells frozen from quiet"
    )
    direction: Direction = Field(
        Direction.LEFT, description="left, right, up or down: the way of the bags, belt forward"
    )
    fps: float = Field(12.0, ge=1, le=60, description="at most so many pictures a second are looked at")
    min_gap_px: int = Field(16, ge=4, le=1000, description="so much empty belt parts two bags")
    min_bag_px: int = Field(16, ge=4, le=1000, description="what is smaller, either way, is no bag")
    max_bag_px: int = Field(0, ge=0, le=16_000, description="a longer one is cut; 0: twice the window's length")
    idle_s: float = Field(5.0, ge=1, le=600, description="a belt that stands so long closes the bag that came last")
    open_timeout_ms: int = Field(5000, ge=200, le=30_000, description="how long connecting may take")
    read_timeout_ms: int = Field(2000, ge=200, le=30_000, description="how long a picture may fail to come")
    frozen_s: float = Field(5.0, ge=2, le=3600, description="with clock: it stands for so long, the display is frozen")
    still_s: float = Field(300.0, ge=10, le=86_400, description="without clock: nothing changes for so long")
    username: str | None = Field(None, description="for the encoder, where it asks")
    password_file: Path | None = Field(None, description="a file with the password; never the password itself")

    @field_validator("url")
    @classmethod
    def _known_url(cls, url: str) -> str:
        video(url)
        return url

    @model_validator(mode="after")
    def _fits(self) -> ScreenSettings:
        boxes = [("region", self.region), ("clock", self.clock), *(("mask", box) for box in self.mask)]
        for name, box in boxes:
            if box is None:
                continue
            if self.size is None:
                raise ValueError(f"{name} is in pixels of a picture of a known size: give size = [width, height]")
            if box[0] + box[2] > self.size[0] or box[1] + box[3] > self.size[1]:
                raise ValueError(f"{name} {list(box)} goes beyond the picture of {self.size[0]} x {self.size[1]}")
        window = self.region[2:] if self.region else self.size
        if window is not None and min(window) < MIN_SIDE:
            raise ValueError(f"the window in which bags scroll is at least {MIN_SIDE} pixels a side")
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username and password_file go together")
        if self.password_file is not None and not self.password_file.is_absolute():
            raise ValueError("password_file is the whole path of a file")
        return self
