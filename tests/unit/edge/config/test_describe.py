"""A settings class as a table of keys."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from drivers.contract import Settings
from edge.config.describe import Key, keys


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Point(Settings):
    address: int = Field(ge=0, le=65535, description="register")
    table: Literal["holding", "coil"] = "holding"


class Meter(Settings):
    url: str = Field(description="where")
    colour: Colour = Colour.RED
    limit: float | None = None
    scale: Annotated[float, Field(gt=0)] = 1.5
    size: tuple[int, int] = (1, 2)
    either: int | str = 0
    path: Path = Path("/x")
    points: tuple[Point, ...] = ()
    best: Point | None = None
    extra: dict[str, int] = Field(default_factory=dict, description="more")


def test_keys():
    assert list(keys(Meter)) == [
        Key("url", "text", None, "where"),
        Key("colour", "red | blue", '"red"', ""),
        Key("limit", "number", "", ""),
        Key("scale", "number, more than 0", "1.5", ""),
        Key("size", "list of whole number", "[1, 2]", ""),
        Key("either", "whole number or text", "0", ""),
        Key("path", "path", '"/x"', ""),
        Key("points", "list of table", "[]", ""),
        Key("points[].address", "whole number, 0 to 65535", None, "register"),
        Key("points[].table", "holding | coil", '"holding"', ""),
        Key("best", "table", "", ""),
        Key("best.address", "whole number, 0 to 65535", None, "register"),
        Key("best.table", "holding | coil", '"holding"', ""),
        Key("extra", "table", "{}", "more"),
    ]


def test_a_kind_of_table_is_gone_through_once_for_a_reader():
    told = {key.name: key.description for key in keys(Meter, told={})}
    assert [name for name in told if "." in name] == ["points[].address", "points[].table"]
    assert told["best"].endswith("its keys are those of points[]")
    assert set(told) < {key.name for key in keys(Meter)}, "told or not, a program hears of every key"
