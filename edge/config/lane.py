"""Every key of `[lane]` in `edge.toml`, and of `teams.toml`."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from drivers.contract import Category, Severity

CONTACT = r"^[^/\s]+/[^/]+$"
ALWAYS = "always"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _at(value: Any) -> Any:
    """Take a number alone for a place."""
    return {"at_mm": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


def _day(value: Any) -> Any:
    """Take a TOML date, which comes as a table (edge/config/wording.py), for a day."""
    return date.fromisoformat(value["date"]) if isinstance(value, dict) and set(value) == {"date"} else value


class PlaceToml(_Table):
    """Where a device sees items along the belt."""

    at_mm: float = Field(ge=0, le=200_000, description="how far behind the entry")
    view_mm: float = Field(
        default=200, ge=0, le=20_000, description="how far along the belt it sees an item's middle, in all"
    )
    delay_ms: float = Field(
        default=0, ge=0, le=60_000, description="it says so at least so long after the item was there"
    )
    within_ms: float = Field(default=500, ge=0, le=60_000, description="and at most so much later")


class StationToml(_Table):
    """Devices that see one person, or one thing held to them, at a time."""

    devices: tuple[str, ...] = Field(min_length=1, description="what they see so close together is of one")
    within_s: float = Field(default=10, gt=0, le=600, description="how close together")


class WeightToml(_Table):
    """When a parcel's weight is far from the one that its label declares."""

    tolerance_kg: float = Field(default=0.5, ge=0, le=10_000, description="further off than this is a hit")
    tolerance_percent: float = Field(
        default=5, ge=0, le=100, description="... or than this share of the declared weight, whichever is more"
    )
    category: Category = Field(default=Category.ANOMALY, description="that hit's category (DICOS)")
    severity: Severity = Field(default=Severity.MEDIUM, description="that hit's severity")


class LaneToml(_Table):
    """How the lane's devices see one item after another. Without places and stations nothing is tied together."""

    belt_mm_s: float | None = Field(
        default=None, gt=0, le=10_000, examples=[250], description="the belt's speed; without it only tags tie"
    )
    running: str | None = Field(
        default=None,
        pattern=rf"{CONTACT}|^{ALWAYS}$",
        examples=["io-1/belt runs"],
        description="DEVICE/LABEL of the contact that is on while the belt runs; always: it never stops with an item on"
        " it; without it only tags tie",
    )
    entry: str | None = Field(
        default=None,
        pattern=CONTACT,
        examples=["io-1/entry"],
        description="DEVICE/LABEL of the contact that an item closes at the entry",
    )
    gap_mm: float = Field(
        default=600, gt=0, le=20_000, description="the middles of two items are never closer together than this"
    )
    speed_error: float = Field(default=0.02, ge=0, le=0.5, description="the part by which the speed may be wrong")
    stop_mm: float = Field(
        default=50, ge=0, le=5_000, description="how far the belt may go between a stop or start and its contact's word"
    )
    places: dict[str, Annotated[PlaceToml, BeforeValidator(_at)]] = Field(
        default_factory=dict,
        examples=[{"xray-1": 1500}],
        description="each device along the belt: millimetres behind the entry, or a table of at_mm, view_mm, delay_ms"
        " and within_ms",
    )
    stations: dict[str, StationToml] = Field(
        default_factory=dict,
        examples=[{"gate": {"devices": ["pass-1", "portal-1"]}}],
        description="devices that see one person or thing at a time: a table of devices and within_s",
    )
    weight: WeightToml | None = Field(
        default=None,
        examples=[{"tolerance_kg": 0.5}],
        description="compare what a parcel weighs with what its label declares: a table of tolerance_kg and"
        " tolerance_percent; without it nothing is compared",
    )
    rules: dict[str, bool] = Field(
        default_factory=dict,
        examples=[{"dog-and-xray": True}],
        description="rules of config/rules.toml by name, on or off otherwise than there",
    )


class Certification(_Table):
    """That a team may search, and until when. A lapsed one is a warning on the hit and blocks nothing."""

    body: str = Field(default="", max_length=60, description="who certified the team")
    odours: tuple[str, ...] = Field(default=(), max_length=16, description="what it was certified for")
    valid_until: Annotated[date, BeforeValidator(_day)] = Field(description="the last day")


class Team(_Table):
    """A dog and its handler. The handler goes by a service number: a name is not needed here and not wanted."""

    name: str = Field(min_length=1, max_length=60, description="what the team is called on the console")
    dog: str = Field(min_length=1, max_length=60, description="the dog's name or number")
    handler: str = Field(min_length=1, max_length=60, description="the handler's service number")
    epcs: tuple[Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{8,62}$")], ...] = Field(
        default=(), max_length=8, description="the tags that dog and handler wear (hexadecimal)"
    )
    collar: str | None = Field(default=None, description="the device (nmea) of the dog's collar")
    certification: Certification | None = Field(default=None, description="that it may search")


class Button(_Table):
    """A contact by which a handler reports what the dog did: the alert is the handler's act, never a tag."""

    device: str = Field(description="the device that has the contact")
    label: str = Field(description="the contact's label there")
    response: Literal["trained_final_response", "change_of_behaviour"] = Field(
        default="trained_final_response", description="what the dog did"
    )
    alone: bool = Field(default=True, description="false: it makes a hit only together with another finding")
    place: str = Field(default="", max_length=60, description="where the search is, as the console shows it")
    search: Literal["persons", "bags", "cargo", "mail", "vehicle", "aircraft"] = Field(
        default="bags", description="what is searched"
    )
    readers: tuple[str, ...] = Field(
        default=(), max_length=8, description="tag readers that tell which team is there; else the device itself"
    )
    team: str | None = Field(default=None, description="the team whose button this is; else who is in view")


class TeamsToml(_Table):
    """The whole of `teams.toml`."""

    team: tuple[Team, ...] = Field(default=(), max_length=64)
    button: tuple[Button, ...] = Field(default=(), max_length=64)
