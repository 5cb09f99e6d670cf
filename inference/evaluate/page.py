"""The report as one HTML page that needs nothing else: figures, curves, and the worst scans as pictures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment, StrictUndefined

from drivers.errors import EdgeError
from inference.draw import jpeg, overlay
from inference.evaluate.curves import Line, Mark, chart, stairs
from inference.evaluate.labels import TrueThreat
from inference.evaluate.metrics import Estimate, FreeResponse
from inference.evaluate.report import Report
from inference.evaluate.run import Outcome, Read
from inference.judgement import Judgement
from inference.look import Shown

PICTURE_SIDE = 480
_QUALITY = 80
_TRUE, _PEAK, _WHITE = (0, 128, 120), (240, 160, 0), (255, 255, 255)
_MOST_FALSE_BOXES = 3.0
_TEMPLATE = Path(__file__).with_name("page.html")


@dataclass(frozen=True, slots=True)
class Shot:
    """One scan as the page shows it; `source` is a data URI, empty where the file can no longer be read."""

    name: str
    source: str
    score: float
    alarm: bool
    labels: str


def page(report: Report, folder: str, read: Read) -> str:
    """Return the report on a folder as HTML; `read` gives the pictures of the scans that are shown."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["figure"] = _figure
    environment.filters["interval"] = _interval
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        report=report,
        folder=folder,
        roc=_roc(report),
        free=_free(report.free) if report.free else "",
        reliability=_reliability(report),
        misses=[_shot(outcome, read) for outcome in report.misses],
        false_alarms=[_shot(outcome, read) for outcome in report.false_alarms],
    )


def _figure(value: Estimate | None) -> str:
    return "–" if value is None else f"{value.value:.3f}"


def _interval(value: Estimate | None) -> str:
    return "" if value is None else f"{value.low:.3f} – {value.high:.3f}"


def _roc(report: Report) -> str:
    lines = [Line("chance", "chance", np.array([[0.0, 0.0], [1.0, 1.0]]))]
    for number, (name, ranking) in enumerate(report.baselines.items()):
        if ranking.curve is not None:
            lines.append(Line(name, f"other other{number}", np.stack([ranking.curve.pfa, ranking.curve.pd], axis=1)))
    curve = report.ranking.curve
    if curve is None:
        return ""
    lines.append(Line(report.name, "own", np.stack([curve.pfa, curve.pd], axis=1)))
    marks = [
        Mark(f"{name}, {point.threshold:g}", point.pfa.value, point.pd.value)
        for name, point in report.points.items()
        if point.pd and point.pfa
    ]
    return chart("ROC curve", "ordinary scans that alarm (PFA)", "scans with a threat that alarm (PD)", lines, marks)


def _free(free: FreeResponse) -> str:
    rate = free.false / free.pictures
    found = np.maximum.accumulate(free.found) / free.threats
    order = np.argsort(rate, kind="stable")
    x, y = np.append(0.0, rate[order]), np.append(0.0, np.maximum.accumulate(found[order]))
    points = stairs(x, y)
    line = Line("", "own", points)
    return chart("Free-response curve", "false boxes a scan", "threats found", [line], x_most=_MOST_FALSE_BOXES)


def _reliability(report: Report) -> str:
    bins = [(row.score, row.threats) for row in report.reliability if row.score is not None and row.threats is not None]
    lines = [
        Line("as it should be", "chance", np.array([[0.0, 0.0], [1.0, 1.0]])),
        Line(report.name, "own", np.array(bins, np.float64).reshape(-1, 2)),
    ]
    return chart("Reliability", "mean score", "part that are threats", lines)


def _shot(outcome: Outcome, read: Read) -> Shot:
    judged = outcome.judged
    assert judged is not None  # the report ranks judged scans
    return Shot(
        name=", ".join(file.name for file in outcome.scan.files),
        source=_source(outcome, judged, read),
        score=judged.score,
        alarm=judged.alarm,
        labels=", ".join(threat.label for threat in outcome.scan.threats),
    )


def _source(outcome: Outcome, judged: Judgement, read: Read) -> str:
    try:
        pictures = [picture for file in outcome.scan.files for picture in read(file)]
        drawn = overlay(pictures, judged, PICTURE_SIDE)
    except (EdgeError, OSError):
        return ""  # read a moment ago, and gone since
    columns = next(p.columns for p in pictures if p.view == judged.view)
    drawn = _with_truth(drawn, judged, outcome.scan.threats, drawn.shape[1] / columns)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(drawn, _QUALITY)).decode("ascii")


def _with_truth(drawn: Shown, judged: Judgement, threats: Sequence[TrueThreat], factor: float) -> Shown:
    """Return the picture with the true boxes and the peak drawn in."""
    canvas = np.ascontiguousarray(drawn)
    for threat in threats:
        if threat.box and threat.view == judged.view:
            x, y, width, height = (v * factor for v in threat.box)
            corners = (round(x), round(y)), (round(x + width), round(y + height))
            cv2.rectangle(canvas, *corners, _WHITE, 4, cv2.LINE_AA)
            cv2.rectangle(canvas, *corners, _TRUE, 2, cv2.LINE_AA)
    peak = round(judged.peak[0] * factor), round(judged.peak[1] * factor)
    cv2.circle(canvas, peak, 7, _WHITE, 4, cv2.LINE_AA)
    cv2.circle(canvas, peak, 7, _PEAK, 2, cv2.LINE_AA)
    return canvas
