"""What can be said of a scan without any model: how large it is and how dark. A model must beat it to be worth having.

Where one of these tells threats from ordinary bags, the folder does so, not the X-ray: pictures of threats that are
larger, or that were packed by someone else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from drivers.contract import Picture
from drivers.errors import ModelError
from inference.evaluate.labels import TrueThreat
from inference.look import Look, look_at, views
from inference.normalise import bag_region


@dataclass(frozen=True, slots=True)
class Trivial:
    """Facts of one scan: `size` in pixels, mean and greatest darkness (0 air, 1 opaque), and where it is darkest.

    `chance` is how likely a place picked at random in the item lies in a true box; None where there is no box.
    """

    size: float
    mean_darkness: float
    max_darkness: float
    darkest: tuple[float, float]
    darkest_view: int
    chance: float | None


def trivial(pictures: Sequence[Picture], threats: Sequence[TrueThreat] = ()) -> Trivial | None:
    """Return the facts of a scan, None where no view of it can be read. Of several views the darkest counts."""
    looks = []
    for group in views(pictures):
        try:
            looks.append(look_at(group))
        except ModelError:
            continue  # the model could not read this view either, and said so
    if not looks:
        return None
    darkest = [_darkest(look) for look in looks]
    best = max(range(len(looks)), key=lambda number: darkest[number][0])
    return Trivial(
        size=float(sum(look.rows * look.columns for look in looks)),
        mean_darkness=max(1 - float(look.transmission.mean()) for look in looks),
        max_darkness=darkest[best][0],
        darkest=darkest[best][1],
        darkest_view=looks[best].view,
        chance=_chance(looks, threats),
    )


def _darkest(look: Look) -> tuple[float, tuple[float, float]]:
    """Return the darkness of the darkest place, averaged over 1 % of the longer side, and that place."""
    plane = look.transmission
    side = max(3, round(max(plane.shape) / 100)) | 1
    smooth = np.asarray(cv2.blur(plane, (side, side)))
    y, x = np.unravel_index(int(smooth.argmin()), smooth.shape)
    fx, fy = look.columns / plane.shape[1], look.rows / plane.shape[0]
    return 1 - float(smooth.min()), ((int(x) + 0.5) * fx, (int(y) + 0.5) * fy)


def _chance(looks: Sequence[Look], threats: Sequence[TrueThreat]) -> float | None:
    if not any(threat.box for threat in threats):
        return None
    shares = []
    for look in looks:
        rows, columns = look.transmission.shape
        left, top, right, bottom = bag_region(look.transmission)
        inside = np.zeros((rows, columns), bool)
        for threat in threats:
            if threat.box and threat.view == look.view:
                x, y, width, height = threat.box
                fx, fy = columns / look.columns, rows / look.rows
                inside[
                    max(0, round(y * fy)) : max(0, round((y + height) * fy)),
                    max(0, round(x * fx)) : max(0, round((x + width) * fx)),
                ] = True
        shares.append(float(inside[top:bottom, left:right].mean()))
    return float(np.mean(shares))
