"""How urgent a hit is: a stated table (config/severity.toml), applied the same way everywhere."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from drivers.contract import Category, Severity
from edge.nouns import Threat

ORDER = (Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL)


@dataclass(frozen=True, slots=True)
class SeverityTable:
    """The base of each category, and from which certainty on a score raises it one step."""

    base: dict[Category, Severity]
    sure: float

    def of(
        self, threats: tuple[Threat, ...], score: float | None, threshold: float | None, reasons: int = 0
    ) -> Severity:
        """Return the severity of a hit: the gravest category, raised for a sure score and for each other reason."""
        rank = max(ORDER.index(self.base[threat.category]) for threat in threats)
        if score is not None and threshold is not None and threshold < 1:
            reasons += (score - threshold) / (1 - threshold) >= self.sure
        return ORDER[min(rank + reasons, len(ORDER) - 1)]


def raised(severity: Severity, steps: int = 1) -> Severity:
    """Return a severity so many steps higher: a target, or another device, speaks for the hit."""
    return ORDER[min(ORDER.index(severity) + steps, len(ORDER) - 1)]


@cache
def severity_table() -> SeverityTable:
    """Return the table that the appliance ships."""
    data = tomllib.loads((resources.files("config") / "severity.toml").read_text())
    base = {Category(name): Severity(value) for name, value in data["base"].items()}
    return SeverityTable(base, float(data["raise"]["sure"]))
