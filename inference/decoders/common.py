"""What all decoders give back."""

from __future__ import annotations

from dataclasses import dataclass

from inference.prepare import Box

MAX_CANDIDATES = 20
"""A picture with more findings than this is all finding; a hit has 8 KiB."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something found: the label's number, its score, and x, y, width, height in the picture's own pixels."""

    label: int
    score: float
    box: Box


@dataclass(frozen=True, slots=True)
class Decoded:
    """One view's outcome; `peak` is in the picture's own pixels, None where the model points nowhere."""

    score: float
    peak: tuple[float, float] | None
    candidates: tuple[Candidate, ...]
