"""Judges a labelled folder, scan by scan, and keeps what the figures need: never the pictures themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from drivers.contract import Picture
from drivers.errors import EdgeError
from inference.evaluate.labels import Labelled
from inference.evaluate.metrics import Boxes, Level
from inference.evaluate.trivial import Trivial, trivial
from inference.judgement import Found, Judgement
from inference.manifest import Anomaly, Segmentation
from inference.model import Model

Read = Callable[[Path], Sequence[Picture]]
"""Gives the pictures in a file; raises EdgeError or OSError, in words for a person, where there are none."""

WEAKEST = 0.001
"""Boxes of a detector are asked for from this score on."""
LADDER = tuple(float(1 / (1 + np.exp(-odds))) for odds in np.arange(-6, 6.01, 0.5))
"""Thresholds at which boxes are drawn into a map: 0.002 to 0.998, even in the logarithm of the odds."""
_VIEW_APART = 1e7
"""Boxes of different views must not meet: each view is laid this many pixels to the right of the one before."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one scan: a judgement, or the reason why there is none.

    `levels` are the boxes that each threshold would give, and `truths` the true ones, on one plane for all views; both
    are empty where the places of the threats are not known.
    """

    scan: Labelled
    judged: Judgement | None = None
    reason: str = ""
    facts: Trivial | None = None
    levels: tuple[Level, ...] = ()
    truths: Boxes = field(default_factory=lambda: np.zeros((0, 4)))

    @property
    def pointed(self) -> bool:
        """Whether the peak lies in a true box."""
        judged = self.judged
        return judged is not None and any(t.holds(*judged.peak, judged.view) for t in self.scan.threats)

    @property
    def darkness_pointed(self) -> bool:
        """Whether the darkest place lies in a true box."""
        facts = self.facts
        return facts is not None and any(t.holds(*facts.darkest, facts.darkest_view) for t in self.scan.threats)


def judge(model: Model, scans: Iterable[Labelled], read: Read, boxes: bool = True) -> Iterator[Outcome]:
    """Judge each scan as the appliance would; without `boxes` no thresholds but the model's own are tried."""
    for scan in scans:
        yield _judge(model, scan, read, boxes)


def _judge(model: Model, scan: Labelled, read: Read, boxes: bool) -> Outcome:
    try:
        pictures = [picture for file in scan.files for picture in read(file)]
        judged = model.judge(pictures)
        levels = _levels(model, pictures) if boxes and scan.localised else ()
    except OSError as error:
        return Outcome(scan, reason=error.strerror or str(error))
    except EdgeError as error:
        return Outcome(scan, reason=str(error))
    truths = [_plain(threat.box, threat.view) for threat in scan.threats if threat.box]
    return Outcome(
        scan, judged, facts=trivial(pictures, scan.threats), levels=levels, truths=_table(truths if levels else [])
    )


def _levels(model: Model, pictures: Sequence[Picture]) -> tuple[Level, ...]:
    """Return the boxes at each threshold; a detector's do not depend on it, a map's are drawn anew."""
    if isinstance(model.manifest.output, Segmentation | Anomaly):
        swept = zip(LADDER, model.sweep(pictures, LADDER), strict=True)
        return tuple((threshold, _boxes(findings)) for threshold, findings in swept)
    (findings,) = model.sweep(pictures, (WEAKEST,))
    scores = sorted({found.score for found in findings}, reverse=True)
    return tuple((score, _boxes([f for f in findings if f.score >= score])) for score in scores)


def _boxes(findings: Sequence[Found]) -> Boxes:
    return _table([_plain(found.box, found.view) for found in findings])


def _plain(box: tuple[float, float, float, float], view: int) -> tuple[float, float, float, float]:
    return box[0] + view * _VIEW_APART, *box[1:]


def _table(boxes: Sequence[tuple[float, float, float, float]]) -> Boxes:
    return np.array(boxes, np.float64).reshape(-1, 4)
