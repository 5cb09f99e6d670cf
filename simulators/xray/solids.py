"""Solids, wires and plates, and how much of each a ray crosses: exact thickness in any pose, no mesh.

Three kinds of part make every thing in a bag. A `Piece` is a convex solid (planes, an ellipsoid or a cylinder), perhaps
with holes; along a ray it is one interval, so its thickness is a subtraction. A `Wire` is a line in space with a round
section, spread over the pixels it shades. A `Plate` is a flat raster (cloth, a circuit board) that is foreshortened
by its pose, its mass kept. Lengths are millimetres; x is across the belt, y along it, z towards the X-ray source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from simulators.xray.physics import Maps, Material

Array = NDArray[np.float32]
Matrix = NDArray[np.float64]
_FAR = np.float32(1e6)


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


@dataclass(slots=True)
class Canvas:
    """Where parts are drawn: maps [4, rows, columns], `px_mm` a pixel, from `view` 0 (above) or 1 (the side).

    The fan of rays starts `source_mm` above the belt's middle: things off the middle are seen at a slant, things near
    the source larger.
    """

    maps: Maps
    px_mm: float
    view: int = 0
    source_mm: float = 900.0

    @staticmethod
    def blank(rows: int, columns: int, px_mm: float, view: int = 0, source_mm: float = 900.0) -> Canvas:
        """Return an empty canvas."""
        return Canvas(np.zeros((4, rows, columns), np.float32), px_mm, view, source_mm)

    def draw(self, parts: Sequence[Part], fine: int = 2) -> tuple[Array, tuple[int, int]] | None:
        """Add parts, in the world's millimetres; return the part of a mm-thick picture they shade and its corner.

        The picture is the total thickness in mm, and the corner (row, column) of its first pixel. None where the
        parts lie outside the canvas. `fine` is how many rays a pixel has each way.
        """
        parts = self._seen(parts)
        window = self._window(parts)
        if window is None:
            return None
        top, left, rows, columns = window
        patch = np.zeros((4, rows * fine, columns * fine), np.float32)
        total = np.zeros(patch.shape[1:], np.float32)
        grid = _Grid(left, top, self.px_mm / fine, self.px_mm, self.maps.shape[2], self.maps.shape[1])
        for part in parts:
            _add(part, grid, patch, total)
        if fine > 1:
            total = cv2.resize(total, (columns, rows), interpolation=cv2.INTER_AREA)
        target = self.maps[:, top : top + rows, left : left + columns]
        for i in range(4):
            if patch[i].any():
                small = cv2.resize(patch[i], (columns, rows), interpolation=cv2.INTER_AREA) if fine > 1 else patch[i]
                target[i] += small
        return total, (top, left)

    def _seen(self, parts: Sequence[Part]) -> list[Part]:
        out = list(parts)
        if self.view:
            out = moved(out, turn=rotation(pitch=-np.pi / 2))
        centre = np.mean([np.mean(p.points, axis=0) if isinstance(p, Wire) else p.at for p in out], axis=0)
        slant = np.arctan2(centre[0], self.source_mm)
        about = moved(out, -centre)
        larger = self.source_mm / max(self.source_mm - centre[2], self.source_mm / 3)
        place = np.array([centre[0] * larger, centre[1], centre[2]])
        return moved(about, place, rotation(pitch=-slant))

    def _window(self, parts: Sequence[Part]) -> tuple[int, int, int, int] | None:
        low, high = np.full(2, np.inf), np.full(2, -np.inf)
        for part in parts:
            a, b = part.bounds()
            low, high = np.minimum(low, a[:2]), np.maximum(high, b[:2])
        rows, columns = self.maps.shape[1:]
        middle = np.array([columns, rows]) / 2
        first = np.floor(low / self.px_mm + middle).astype(int) - 1
        last = np.ceil(high / self.px_mm + middle).astype(int) + 1
        first, last = np.maximum(first, 0), np.minimum(last, [columns, rows])
        if (last <= first).any():
            return None
        return int(first[1]), int(first[0]), int(last[1] - first[1]), int(last[0] - first[0])


@dataclass(frozen=True, slots=True)
class _Grid:
    left: int
    top: int
    step_mm: float
    px_mm: float
    columns: int
    rows: int

    def column(self, x: float) -> float:
        """Return the fine pixel in which x lies."""
        return ((x / self.px_mm + self.columns / 2) - self.left) * self.px_mm / self.step_mm - 0.5

    def row(self, y: float) -> float:
        return ((y / self.px_mm + self.rows / 2) - self.top) * self.px_mm / self.step_mm - 0.5

    def x(self, columns: NDArray[np.intp]) -> Array:
        return (((columns + 0.5) * self.step_mm / self.px_mm + self.left - self.columns / 2) * self.px_mm).astype(
            np.float32
        )

    def y(self, rows: NDArray[np.intp]) -> Array:
        return (((rows + 0.5) * self.step_mm / self.px_mm + self.top - self.rows / 2) * self.px_mm).astype(np.float32)


def _add(part: Part, grid: _Grid, patch: Array, total: Array) -> None:
    corner = _corner(part, grid, total.shape)
    if corner is None:
        return
    thickness = {Piece: _piece_shadow, Wire: _wire_shadow, Plate: _plate_shadow}[type(part)](part, grid, corner)
    _deposit(thickness, part.material, patch, total, (corner.start_row, corner.start))


@dataclass(frozen=True, slots=True)
class _Window:
    """Fine pixels from (start_row, start) up to (stop_row, stop)."""

    start_row: int
    stop_row: int
    start: int
    stop: int


def _corner(part: Part, grid: _Grid, shape: tuple[int, ...]) -> _Window | None:
    low, high = part.bounds()
    start_row, stop_row = max(int(grid.row(low[1])) - 1, 0), min(int(np.ceil(grid.row(high[1]))) + 2, shape[0])
    start, stop = max(int(grid.column(low[0])) - 1, 0), min(int(np.ceil(grid.column(high[0]))) + 2, shape[1])
    return _Window(start_row, stop_row, start, stop) if stop_row > start_row and stop > start else None


def _deposit(thickness: Array, made_of: Material, patch: Array, total: Array, corner: tuple[int, int]) -> None:
    rows = slice(corner[0], corner[0] + thickness.shape[0])
    columns = slice(corner[1], corner[1] + thickness.shape[1])
    for i, per_mm in enumerate(made_of.per_mm):
        if per_mm > 1e-6:
            patch[i, rows, columns] += thickness * np.float32(per_mm)
    total[rows, columns] += thickness


def _piece_shadow(piece: Piece, grid: _Grid, window: _Window) -> Array:
    x = grid.x(np.arange(window.start, window.stop))[None, :]
    y = grid.y(np.arange(window.start_row, window.stop_row))[:, None]
    enter, leave = _interval(piece, x, y)
    thickness = np.maximum(leave - enter, 0)
    for hole in piece.holes:
        into, out = _interval(hole, x, y)
        thickness -= np.maximum(np.minimum(out, leave) - np.maximum(into, enter), 0)
    return np.maximum(thickness, 0)


def _interval(piece: Piece, x: Array, y: Array) -> tuple[Array, Array]:
    dx, dy = x - np.float32(piece.at[0]), y - np.float32(piece.at[1])
    z = np.float32(piece.at[2])
    if piece.planes is not None:
        enter, leave = _between_planes(piece.planes, piece.turn, dx, dy)
    else:
        enter, leave = _round(piece, dx, dy)
    return enter + z, leave + z


def _between_planes(planes: Matrix, turn: Matrix, dx: Array, dy: Array) -> tuple[Array, Array]:
    enter, leave = np.full(np.broadcast_shapes(dx.shape, dy.shape), -_FAR), None
    leave = np.full_like(enter, _FAR)
    for (nx, ny, nz), d in zip(planes[:, :3] @ turn.T, planes[:, 3], strict=True):
        if abs(nz) < 1e-6:
            leave = np.where((dx * np.float32(nx) + dy * np.float32(ny)) <= np.float32(d), leave, -_FAR)
            continue
        at = dx * np.float32(-nx / nz) + (np.float32(d / nz) - dy * np.float32(ny / nz))
        if nz > 0:
            np.minimum(leave, at, out=leave)
        else:
            np.maximum(enter, at, out=enter)
    return enter, leave


def _round(piece: Piece, dx: Array, dy: Array) -> tuple[Array, Array]:
    own = piece.turn.T / np.array(piece.half)[:, None]  # into its own frame, where it is a unit ball or cylinder
    axes = (0, 1) if piece.round == "cylinder" else (0, 1, 2)
    a, b, c = np.float32(0), np.float32(0), np.float32(-1)
    for i in axes:
        start = dx * np.float32(own[i, 0]) + dy * np.float32(own[i, 1])
        along = np.float32(own[i, 2])
        a, b, c = a + along * along, b + start * along, c + start * start
    if a < 1e-9:
        inside = c <= 0
        enter, leave = np.where(inside, -_FAR, _FAR), np.where(inside, _FAR, -_FAR)
    else:
        root = np.sqrt(np.maximum(b * b - a * c, 0)) / a
        middle = -b / a
        enter, leave = middle - root, middle + root
    if piece.round == "cylinder":
        caps = np.array([[0, 0, 1, piece.half[2]], [0, 0, -1, piece.half[2]]])
        above, below = _between_planes(caps, piece.turn, dx, dy)
        enter, leave = np.maximum(enter, above), np.minimum(leave, below)
    return enter, leave


def _wire_shadow(wire: Wire, grid: _Grid, window: _Window) -> Array:
    steps = np.diff(wire.points, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    each = np.maximum(np.ceil(lengths / (grid.step_mm * 0.95)).astype(int), 1)
    segment = np.repeat(np.arange(len(steps)), each)
    within = (np.arange(len(segment)) - np.repeat(np.cumsum(each) - each, each) + 0.5) / each[segment]
    points = wire.points[segment] + steps[segment] * within[:, None]
    flat = np.linalg.norm(steps[segment, :2], axis=1) + 1e-9
    normal = np.stack([-steps[segment, 1], steps[segment, 0]], axis=1) / flat[:, None]
    across = max(int(np.ceil(2 * wire.radius / (grid.step_mm * 0.95))), 1)
    offsets = (np.arange(across) + 0.5) / across * 2 - 1
    profile = np.sqrt(np.maximum(1 - offsets**2, 0))
    if wire.bore > 0:
        profile = profile - np.sqrt(np.maximum((wire.bore / wire.radius) ** 2 - offsets**2, 0))
    section = np.pi * (wire.radius**2 - wire.bore**2)
    volume = (lengths / each)[segment][:, None] * section * (profile / profile.sum())[None, :]
    x = points[:, 0, None] + normal[:, 0, None] * offsets * wire.radius
    y = points[:, 1, None] + normal[:, 1, None] * offsets * wire.radius
    shape = (window.stop_row - window.start_row, window.stop - window.start)
    return _splat(grid.column(x) - window.start, grid.row(y) - window.start_row, volume / grid.step_mm**2, shape)


def _splat(column: Matrix, row: Matrix, amount: Matrix, shape: tuple[int, ...]) -> Array:
    """Spread amounts over the four pixels around each point."""
    rows, columns = shape
    column, row, amount = column.ravel(), row.ravel(), amount.ravel()
    keep = (column >= 0) & (row >= 0) & (column < columns - 1) & (row < rows - 1)
    if not keep.all():
        column, row, amount = column[keep], row[keep], amount[keep]
    j, i = column.astype(np.int32), row.astype(np.int32)
    part_x, part_y = column - j, row - i
    at = i * columns + j
    weights = ((1 - part_x) * (1 - part_y), part_x * (1 - part_y), (1 - part_x) * part_y, part_x * part_y)
    where = np.concatenate([at, at + 1, at + columns, at + columns + 1])
    out = np.bincount(where, np.concatenate([amount * weight for weight in weights]), rows * columns)
    return out.reshape(rows, columns).astype(np.float32)


def _plate_shadow(plate: Plate, grid: _Grid, window: _Window) -> Array:
    rows, columns = plate.thickness.shape
    scale = plate.px_mm / grid.step_mm
    flat = plate.turn[:2, :2] * scale
    area = abs(np.linalg.det(flat))
    least = 0.12 * scale * scale
    if area < least:  # edge on: as steep as a raster can be shown
        flat = flat + np.eye(2) * 0.12 * scale
        area = max(abs(np.linalg.det(flat)), least)
    centre = np.array([grid.column(plate.at[0]) - window.start, grid.row(plate.at[1]) - window.start_row])
    shift = centre - flat @ np.array([(columns - 1) / 2, (rows - 1) / 2])
    move = np.hstack([flat, shift[:, None]])
    size = (window.stop - window.start, window.stop_row - window.start_row)
    picture = cv2.warpAffine(plate.thickness, move, size, flags=cv2.INTER_LINEAR)
    return picture * np.float32(scale * scale / area)
