"""Curves as inline SVG. Colours come from the page's style sheet, so that a dark page has dark charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 460, 360
_LEFT, _TOP, _RIGHT, _BOTTOM = 52, 14, 12, 46
_MAX_POINTS = 600
Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """A curve: its name, its style (a class of the style sheet), and its points [n, 2] in data units."""

    name: str
    style: str
    points: Points


@dataclass(frozen=True, slots=True)
class Mark:
    """A point on a curve that has a name."""

    name: str
    x: float
    y: float


def chart(
    title: str, x_label: str, y_label: str, lines: Sequence[Line], marks: Sequence[Mark] = (), x_most: float = 1.0
) -> str:
    """Return an SVG element with curves over x from 0 to `x_most` and y from 0 to 1; what lies beyond is cut off."""
    body = [_grid(x_most), _axes(x_label, y_label)]
    body += [f'<polyline class="line {line.style}" points="{_path(line.points, x_most)}"/>' for line in lines]
    body += [_mark(mark, x_most, above=number % 2 == 1) for number, mark in enumerate(marks) if mark.x <= x_most]
    body.append(_legend(lines))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">'
        f"<title>{escape(title)}</title>{''.join(body)}</svg>"
    )


def stairs(x: Points, y: Points) -> Points:
    """Return the points of a curve that holds its height up to the next x."""
    return np.stack([np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]], axis=1) if len(x) else np.zeros((0, 2))


def _x(value: float, most: float) -> float:
    return _LEFT + value / most * (WIDTH - _LEFT - _RIGHT)


def _y(value: float) -> float:
    return HEIGHT - _BOTTOM - value * (HEIGHT - _TOP - _BOTTOM)


def _path(points: Points, x_most: float) -> str:
    inside = points[points[:, 0] <= x_most + 1e-9]
    if len(inside) < len(points) and len(inside):
        inside = np.vstack([inside, [x_most, inside[-1, 1]]])
    if len(inside) > _MAX_POINTS:
        inside = inside[np.unique(np.linspace(0, len(inside) - 1, _MAX_POINTS).astype(int))]
    return " ".join(f"{_x(float(x), x_most):.1f},{_y(float(y)):.1f}" for x, y in inside)


def _grid(x_most: float) -> str:
    parts = []
    for step in range(6):
        share = step / 5
        x, y = _x(share * x_most, x_most), _y(share)
        parts.append(f'<path class="grid" d="M{x:.1f} {_y(0):.1f}V{_y(1):.1f}M{_x(0, 1):.1f} {y:.1f}H{_x(1, 1):.1f}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{_y(0) + 16:.1f}" text-anchor="middle">{share * x_most:g}</text>'
        )
        parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{share:g}</text>')
    return "".join(parts)


def _axes(x_label: str, y_label: str) -> str:
    middle_x, middle_y = (_x(0, 1) + _x(1, 1)) / 2, (_y(0) + _y(1)) / 2
    return (
        f'<text class="axis" x="{middle_x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>'
        f'<text class="axis" transform="translate(14 {middle_y:.1f}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_label)}</text>"
    )


def _mark(mark: Mark, x_most: float, above: bool) -> str:
    x, y = _x(mark.x, x_most), _y(mark.y)
    # Beyond the middle the name goes to the left of its point, or it would leave the chart.
    left = x > WIDTH * 0.62
    return (
        f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
        f'<text class="name" x="{x + (-9 if left else 9):.1f}" y="{y + (-8 if above else 15):.1f}" '
        f'text-anchor="{"end" if left else "start"}">{escape(mark.name)}</text>'
    )


def _legend(lines: Sequence[Line]) -> str:
    named = [line for line in lines if line.name]
    bottom = _y(0) - 10
    parts = []
    for number, line in enumerate(reversed(named)):
        y = bottom - number * 17
        parts.append(f'<path class="line {line.style}" d="M{WIDTH - 152} {y - 4:.1f}h20"/>')
        parts.append(f'<text class="name" x="{WIDTH - 126}" y="{y:.1f}">{escape(line.name)}</text>')
    return "".join(parts)
