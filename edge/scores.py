"""The last scores of each device, kept over a restart: numbers and a model's digest, and nothing else."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from drivers.clock import Clock

log = logging.getLogger("jaitf.judge")

FILE = "scores.json"
MAX_BYTES = 4 * 1024 * 1024
EVERY_S = 60.0
"""What a power cut may take; each writing is some kilobytes a device."""

Scores = Mapping[str, tuple[str, Sequence[float]]]


class Keeper:
    """Writes them now and then. What cannot be read or written is only lost: the scores fill again."""

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        self._path = data_dir / FILE
        self._clock = clock
        self._written_ns = clock.now().monotonic_ns

    def load(self) -> dict[str, tuple[str, list[float]]]:
        """Return each device's scores, the oldest first, with the SHA-256 of the model that gave them."""
        try:
            if self._path.stat().st_size > MAX_BYTES:
                raise ValueError(f"more than {MAX_BYTES} bytes")
            table = json.loads(self._path.read_bytes())
            return {str(name): (str(sha256), [_score(each) for each in kept]) for name, (sha256, kept) in table.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            log.warning("%s: the scores kept there cannot be read: %s", self._path, error)
            return {}

    def keep(self, scores: Scores, *, now: bool = False) -> None:
        """Write them, at most once in EVERY_S seconds, or `now`."""
        at_ns = self._clock.now().monotonic_ns
        if not now and at_ns - self._written_ns < EVERY_S * 1e9:
            return
        self._written_ns = at_ns
        table = {name: (sha256, [round(each, 4) for each in kept]) for name, (sha256, kept) in scores.items()}
        whole = self._path.with_suffix(".part")
        try:
            whole.write_text(json.dumps(table, separators=(",", ":")), encoding="utf-8")
            whole.replace(self._path)
        except OSError as error:
            # The ledger says for itself that the disk is bad.
            log.warning("%s: %s", self._path, error.strerror)


def _score(value: object) -> float:
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("not a score")
    return float(value)
