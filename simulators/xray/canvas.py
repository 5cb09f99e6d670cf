"""The shadows of solids, wires and plates: how many millimetres of each a ray crosses, drawn as material maps.

A convex solid is one interval along a ray, so its thickness is a subtraction, and a hole's a smaller one. A wire's
volume is spread over the pixels that it shades. A plate is foreshortened with its mass kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from simulators.xray.physics import Maps, Material
from simulators.xray.solids import Array, Matrix, Part, Piece, Plate, Wire, moved, rotation

_FAR = np.float32(1e6)


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
