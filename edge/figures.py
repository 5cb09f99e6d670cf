"""What came of the hits of a period, in figures: without a person in them, and with the interval that chance allows.

The positive predictive value is of those searched: found / (found + nothing found). A hit counts by what was said of it
last; projected threats and exercises are counted apart, and are in none of the others.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drivers.clock import rfc3339
from drivers.errors import StoreError
from edge import codes
from edge.codes import KIND
from edge.ledger.store import FILE, connect_read_only
from inference.rates import wilson

RULES = "rules"
_KILOGRAMS = {"KGM": 1.0, "GRM": 0.001, "MGM": 1e-6, "KG": 1.0, "G": 0.001, "MG": 1e-6}
"""UNECE Rec 20: kilogram, gram, milligram; and as people write them."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A hit in its last revision, with what was said of it last; None where nothing was."""

    data: dict[str, Any]
    said: dict[str, Any] | None

    @property
    def word(self) -> str:
        """What came of it: `open` where nobody has said."""
        return str(self.said["outcome"]) if self.said else "open"

    @property
    def exercise(self) -> bool:
        """Whether it was a projected threat or a test."""
        return self.word in codes.EXERCISE or bool(self.data.get("tip_type"))


@dataclass(slots=True)
class Figures:
    """Counts of hits, and the positive predictive value that follows from them."""

    alarms: int = 0
    found: int = 0
    nothing_found: int = 0
    not_searched: int = 0
    pending: int = 0
    open: int = 0

    def add(self, word: str) -> None:
        """Count a hit by what came of it."""
        self.alarms += 1
        self.found += word in codes.CONFIRMED
        self.nothing_found += word in codes.FOUND_NOTHING
        self.not_searched += word in codes.NOT_SEARCHED
        self.pending += word in codes.PENDING
        self.open += word == "open"

    def table(self) -> dict[str, Any]:
        """Return them with the predictive value and Wilson's 95 % interval of it, None where nothing was searched."""
        searched = self.found + self.nothing_found
        low, high = wilson(self.found, searched)
        return {
            **{name: getattr(self, name) for name in self.__slots__},
            "searched": searched,
            "ppv": round(self.found / searched, 4) if searched else None,
            "ppv_low": round(low, 4) if searched else None,
            "ppv_high": round(high, 4) if searched else None,
        }


@dataclass(slots=True)
class Report:
    """The figures of a period: all, by device, by model, by dog team; and what was seized."""

    all: Figures = field(default_factory=Figures)
    by: dict[str, dict[str, Figures]] = field(
        default_factory=lambda: {name: defaultdict(Figures) for name in ("device", "model", "dog_team")}
    )
    outcomes: Counter[str] = field(default_factory=Counter)
    exercises: int = 0
    seizures: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(float)))
    seizures_count: Counter[str] = field(default_factory=Counter)

    def add(self, hit: Outcome) -> None:
        """Count a hit."""
        if hit.exercise:
            self.exercises += 1
            return
        self.all.add(hit.word)
        self.outcomes[hit.word] += 1
        model = hit.data.get("model")
        self.by["device"][hit.data["device"]].add(hit.word)
        self.by["model"][f"{model['name']} {model['version']}" if model else RULES].add(hit.word)
        if team := (hit.data.get("canine") or {}).get("team"):
            self.by["dog_team"][team].add(hit.word)
        if hit.said and hit.word in codes.CONFIRMED:
            self._seized(hit.said)

    def _seized(self, said: dict[str, Any]) -> None:
        """Count a find by its commodity, what was weighed in kilograms and the rest in its own unit."""
        commodity = said.get("commodity") or "not_said"
        self.seizures_count[commodity] += 1
        if quantity := said.get("quantity"):
            unit, value = quantity["unit"].upper(), float(quantity["value"])
            factor = _KILOGRAMS.get(unit)
            self.seizures[commodity]["KGM" if factor else unit] += value * (factor or 1)

    def table(self) -> dict[str, Any]:
        """Return all of it, for a program."""
        return {
            "figures": self.all.table(),
            "outcomes": dict(sorted(self.outcomes.items())),
            "exercises": self.exercises,
            "by": {
                kind: {name: each.table() for name, each in sorted(figures.items())}
                for kind, figures in self.by.items()
            },
            "seizures": {
                commodity: {
                    "count": count,
                    "quantity": {unit: round(v, 6) for unit, v in sorted(self.seizures[commodity].items())},
                }
                for commodity, count in sorted(self.seizures_count.items())
            },
        }


def outcomes(data_dir: Path, since_ns: int, until_ns: int) -> Iterator[Outcome]:
    """Yield the hits observed in a period, each in its last revision. Raises StoreError."""
    db = connect_read_only(data_dir / FILE)
    try:
        said: dict[str, dict[str, Any]] = {}
        for hit_id, body in db.execute("SELECT hit_id, body FROM act WHERE kind=? ORDER BY number", (KIND,)):
            said[hit_id] = json.loads(body)
        rows = db.execute(
            "SELECT h.hit_id, h.payload FROM hit h WHERE h.observed_ns >= ? AND h.observed_ns < ?"
            " AND NOT EXISTS (SELECT 1 FROM hit n WHERE n.hit_id = h.hit_id AND n.rev > h.rev) ORDER BY h.seq",
            (since_ns, until_ns),
        )
        for hit_id, payload in rows:
            yield Outcome(json.loads(payload)["data"], said.get(hit_id))
    except (sqlite3.Error, ValueError) as error:
        raise StoreError(f"the ledger cannot be read: {error}; `jaitf-edge doctor` says more") from error
    finally:
        db.close()


def report(hits: Iterable[Outcome], since_ns: int, until_ns: int) -> dict[str, Any]:
    """Return the report of a period, for a program."""
    made = Report()
    for hit in hits:
        made.add(hit)
    return {"since": rfc3339(since_ns), "until": rfc3339(until_ns), **made.table()}
