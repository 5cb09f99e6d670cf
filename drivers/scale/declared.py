"""Whether a weight is far from what was declared, said in one way wherever both are known."""

from __future__ import annotations

from drivers.contract import Category, Finding, Measurement, Severity

FAR = "weight differs from declared"


def is_far(weight_kg: float, declared_kg: float, tolerance_kg: float, tolerance_percent: float) -> bool:
    """Return whether a weight is further from the declared one than the larger of both tolerances."""
    return abs(weight_kg - declared_kg) > max(tolerance_kg, declared_kg * tolerance_percent / 100)


def finding(weight_kg: float, category: Category, severity: Severity) -> Finding:
    """Return the finding of a weight that is far from the declared one."""
    return Finding(FAR, Measurement("weight", weight_kg, "kg"), category, severity)
