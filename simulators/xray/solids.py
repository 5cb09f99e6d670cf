"""Solids, wires and plates: what every thing in a bag is made of, and how to turn, move and shape them.

A `Piece` is a convex solid (planes, an ellipsoid or a cylinder), perhaps with holes; a `Wire` is a line in space with a
round section; a `Plate` is a flat raster (cloth, a circuit board). Lengths are millimetres; x is across the belt, y
along it, z towards the X-ray source. `canvas` draws their shadows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from simulators.xray.physics import Material

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Piece:
    """A convex solid about `at`, turned by `turn` (columns are its own axes), within `half` of its centre.

    Either `planes` (normal and offset: n.x <= d), or, where those are None, an ellipsoid or (`round` "cylinder") an
    elliptic cylinder along its own z with the half axes of `half`.
    """

    half: tuple[float, float, float]
    material: Material
    planes: Matrix | None = None
    round: str = "ellipsoid"
    at: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn: Matrix = field(default_factory=lambda: np.eye(3))
    holes: tuple[Piece, ...] = ()

    def bounds(self) -> tuple[Matrix, Matrix]:
        """Return the corners [3] of the box around it."""
        reach = np.abs(self.turn) @ np.array(self.half)
        return np.array(self.at) - reach, np.array(self.at) + reach


@dataclass(frozen=True, slots=True)
class Wire:
    """A line through `points` [n, 3] with a round section of `radius` (outside) and `bore` (inside)."""

    points: Matrix
    radius: float
    material: Material
    bore: float = 0.0

    def bounds(self) -> tuple[Matrix, Matrix]:
        """Return the corners [3] of the box around it."""
        return self.points.min(axis=0) - self.radius, self.points.max(axis=0) + self.radius


@dataclass(frozen=True, slots=True)
class Plate:
    """A flat raster of thickness in mm, `px_mm` a pixel, about `at`."""

    thickness: Array
    material: Material
    px_mm: float
    at: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn: Matrix = field(default_factory=lambda: np.eye(3))

    def bounds(self) -> tuple[Matrix, Matrix]:
        """Return the corners [3] of the box around it."""
        reach = np.abs(self.turn) @ np.array([side * self.px_mm / 2 for side in (*self.thickness.shape[::-1], 0)])
        return np.array(self.at) - reach, np.array(self.at) + reach


Part = Piece | Wire | Plate


def rotation(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Matrix:
    """Return the matrix that rolls about x, then pitches about y, then yaws about z; radians."""
    cz, sz, cy, sy, cx, sx = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    return about_z @ about_y @ about_x


ALONG_X = rotation(pitch=np.pi / 2)
ALONG_Y = rotation(roll=-np.pi / 2)


def box(
    x: float, y: float, z: float, material: Material, at: Sequence[float] = (0, 0, 0), turn: Matrix | None = None
) -> Piece:
    """Return a box of these sides."""
    half = (x / 2, y / 2, z / 2)
    planes = np.array(
        [
            [1, 0, 0, half[0]],
            [-1, 0, 0, half[0]],
            [0, 1, 0, half[1]],
            [0, -1, 0, half[1]],
            [0, 0, 1, half[2]],
            [0, 0, -1, half[2]],
        ]
    )
    return _piece(half, material, planes, "", at, turn)


def ball(
    x: float, y: float, z: float, material: Material, at: Sequence[float] = (0, 0, 0), turn: Matrix | None = None
) -> Piece:
    """Return an ellipsoid of these diameters."""
    return _piece((x / 2, y / 2, z / 2), material, None, "ellipsoid", at, turn)


def cylinder(
    diameter: float,
    length: float,
    material: Material,
    at: Sequence[float] = (0, 0, 0),
    turn: Matrix | None = None,
    bore: float = 0.0,
    floor: float = 0.0,
    flat: float = 1.0,
) -> Piece:
    """Return a cylinder along its own z; with `bore` a tube, closed by floors of `floor`; `flat` squeezes its y."""
    half = (diameter / 2, diameter / 2 * flat, length / 2)
    piece = _piece(half, material, None, "cylinder", at, turn)
    if bore <= 0:
        return piece
    wall = (diameter - bore) / 2
    inside = replace(piece, half=(bore / 2, max(half[1] - wall, 0.1), max(length / 2 - floor, 0.1)))
    return replace(piece, holes=(inside,))


def prism(
    outline: Sequence[Sequence[float]],
    thickness: float,
    material: Material,
    at: Sequence[float] = (0, 0, 0),
    turn: Matrix | None = None,
    taper: float = 0.0,
) -> Piece:
    """Return a convex outline, counter-clockwise, extruded along z; `taper` is the slope of its sides (0: upright)."""
    points = np.asarray(outline, float)
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (low + high) / 2
    points = points - middle
    turn = np.eye(3) if turn is None else turn
    at = np.asarray(at, float) + turn @ np.array([middle[0], middle[1], 0.0])
    edges = np.roll(points, -1, axis=0) - points
    normals = np.stack([edges[:, 1], -edges[:, 0]], axis=1)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    offsets = (normals * points).sum(axis=1)
    # Above and below the middle plane sides lean inwards alike, as on a ground blade.
    sides = []
    for sign in (1, -1) if taper else (0,):
        lean = np.full((len(points), 1), sign * taper)
        sides.append(np.hstack([normals, lean, offsets[:, None]]))
    caps = np.array([[0, 0, 1, thickness / 2], [0, 0, -1, thickness / 2]])
    half = (high - low) / 2
    return _piece((half[0], half[1], thickness / 2), material, np.vstack([*sides, caps]), "", at, turn)


def outline(
    points: Sequence[Sequence[float]],
    thickness: float,
    material: Material,
    at: Sequence[float] = (0, 0, 0),
    turn: Matrix | None = None,
) -> list[Piece]:
    """Return any simple outline, extruded along z, as convex prisms side by side."""
    return [prism(part, thickness, material, at, turn) for part in convex_parts(np.asarray(points, float))]


def _piece(
    half: Sequence[float],
    material: Material,
    planes: Matrix | None,
    kind: str,
    at: Sequence[float],
    turn: Matrix | None,
) -> Piece:
    x, y, z = (float(v) for v in at)
    return Piece(
        (float(half[0]), float(half[1]), float(half[2])),
        material,
        planes,
        kind,
        (x, y, z),
        np.eye(3) if turn is None else turn,
    )


def moved(parts: Sequence[Part], at: Sequence[float] = (0, 0, 0), turn: Matrix | None = None) -> list[Part]:
    """Return the parts turned about the origin and then moved."""
    turn = np.eye(3) if turn is None else turn
    shift = np.asarray(at, float)
    out: list[Part] = []
    for part in parts:
        if isinstance(part, Wire):
            out.append(replace(part, points=part.points @ turn.T + shift))
            continue
        x, y, z = (float(v) for v in turn @ np.asarray(part.at) + shift)
        if isinstance(part, Piece) and part.holes:
            holes = tuple(h for h in moved(part.holes, at, turn) if isinstance(h, Piece))
            part = replace(part, holes=holes)
        out.append(replace(part, at=(x, y, z), turn=turn @ part.turn))
    return out


def convex_parts(points: Matrix) -> list[Matrix]:
    """Return a simple polygon as convex ones: ear clipping, then neighbours joined where that stays convex."""
    if _area(points) < 0:
        points = points[::-1]
    ring, parts = list(range(len(points))), []
    while len(ring) > 3:
        for i in range(len(ring)):
            a, b, c = ring[i - 1], ring[i], ring[(i + 1) % len(ring)]
            if _is_ear(points, ring, a, b, c):
                parts.append([a, b, c])
                ring.pop(i)
                break
        else:
            break  # what is left crosses itself: kept as it is
    parts.append(ring)
    return [points[part] for part in _joined(points, parts)]


def _area(points: Matrix) -> float:
    nxt = np.roll(points, -1, axis=0)
    return float((points[:, 0] * nxt[:, 1] - points[:, 1] * nxt[:, 0]).sum() / 2)


def _cross(a: Matrix, b: Matrix, c: Matrix) -> float:
    return float((b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0]))


def _is_ear(points: Matrix, ring: list[int], a: int, b: int, c: int) -> bool:
    pa, pb, pc = points[a], points[b], points[c]
    if _cross(pa, pb, pc) <= 1e-9:
        return False
    others = points[[i for i in ring if i not in (a, b, c)]]
    inside = np.ones(len(others), bool)
    for p, q in ((pa, pb), (pb, pc), (pc, pa)):
        inside &= (q[0] - p[0]) * (others[:, 1] - p[1]) - (q[1] - p[1]) * (others[:, 0] - p[0]) > -1e-9
    return not inside.any()


def _joined(points: Matrix, parts: list[list[int]]) -> list[list[int]]:
    joined = True
    while joined:
        joined = False
        for i in range(len(parts)):
            for j in range(i + 1, len(parts)):
                both = _glued(parts[i], parts[j])
                if both and _is_convex(points[both]):
                    parts = [*(p for k, p in enumerate(parts) if k not in (i, j)), both]
                    joined = True
                    break
            if joined:
                break
    return parts


def _glued(one: list[int], two: list[int]) -> list[int] | None:
    for i, a in enumerate(one):
        b = one[(i + 1) % len(one)]
        for j, c in enumerate(two):
            if c == b and two[(j + 1) % len(two)] == a:
                rest = two[j + 2 :] + two[:j] if j + 2 <= len(two) else two[1:j]
                return [*one[: i + 1], *rest, *one[i + 1 :]]
    return None


def _is_convex(points: Matrix) -> bool:
    before, after = np.roll(points, 1, axis=0), np.roll(points, -1, axis=0)
    return all(_cross(a, b, c) > -1e-6 for a, b, c in zip(before, points, after, strict=True))


def ring(radius: float, squeeze: float = 1.0, turns: float = 1.0, rise: float = 0.0) -> Matrix:
    """Return points on a circle, an ellipse or a helix about z."""
    angle = np.linspace(0, 2 * np.pi * turns, max(int(26 * turns), 12))
    return np.stack(
        [radius * np.cos(angle), radius * squeeze * np.sin(angle), rise * (angle / (2 * np.pi) - turns / 2)], 1
    )


def shifted(points: Matrix, x: float, y: float, z: float) -> Matrix:
    """Return points moved."""
    return points + np.array([x, y, z])


def smooth(points: Matrix, steps: int = 12) -> Matrix:
    """Return a smooth line through points (Catmull-Rom)."""
    padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    out = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        out.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.vstack([*out, points[-1:]])
