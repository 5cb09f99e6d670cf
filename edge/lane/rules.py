"""The rules of config/rules.toml: which findings on one item raise each other, and which make a hit only together."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from drivers.contract import Category, Severity

XRAY_ALARM, XRAY_FAINT, XRAY_CLEAR = "xray_alarm", "xray_faint", "xray_clear"
CANINE_ALERT, CANINE_CHANGE = "canine_alert", "canine_change"
OTHER = "alarm"
FAINT = frozenset({XRAY_FAINT, CANINE_CHANGE})
"""What is no hit alone."""


@dataclass(frozen=True, slots=True)
class Raise:
    """Two hits on one item by two devices: each is so many steps more severe."""

    name: str
    of: tuple[str, str]
    steps: int


@dataclass(frozen=True, slots=True)
class Together:
    """Two faint findings on one item by two devices: a hit."""

    name: str
    of: tuple[str, str]
    label: str
    category: Category
    severity: Severity


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that are on; `faint_xray` is from which part of its threshold on a score is faint and not clear."""

    raises: tuple[Raise, ...]
    together: tuple[Together, ...]
    kinds: Mapping[str, str]
    faint_xray: float

    def steps(self, kind: str, others: Iterable[str]) -> int:
        """Return by how many steps a finding of a kind is raised by findings of others on the same item."""
        return max((r.steps for other in others for r in self.raises if _is(r.of, kind, other)), default=0)

    def joined(self, kind: str, other: str) -> Together | None:
        """Return the rule by which two faint findings are a hit together."""
        return next((rule for rule in self.together if _is(rule.of, kind, other)), None)


def _is(of: tuple[str, str], kind: str, other: str) -> bool:
    return of in ((kind, other), (other, kind))


@cache
def _shipped() -> dict[str, Any]:
    return tomllib.loads((resources.files("config") / "rules.toml").read_text())


def names() -> list[str]:
    """Return the names of all rules there are."""
    return [rule["name"] for table in ("raise", "together") for rule in _shipped()[table]]


def rules(switched: Mapping[str, bool]) -> Rules:
    """Return the rules that are on: as shipped, or as switched by name."""
    data = _shipped()

    def on(table: str) -> list[dict[str, Any]]:
        return [rule for rule in data[table] if switched.get(rule["name"], rule["on"])]

    raises = tuple(Raise(r["name"], _two(r["of"]), int(r["steps"])) for r in on("raise"))
    together = tuple(
        Together(r["name"], _two(r["of"]), r["label"], Category(r["category"]), Severity(r["severity"]))
        for r in on("together")
    )
    return Rules(raises, together, data["kinds"], float(data["faint"]["xray"]))


def _two(of: list[str]) -> tuple[str, str]:
    one, other = of
    return one, other
