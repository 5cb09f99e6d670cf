"""From a device's pixel values to X-ray transmission, 0 (opaque) to 1 (air), whatever the scanner's habits.

Scanners differ in which end of the values is air, how many bits they fill, where air lies (65535, 60000, 4095), whether
they store intensity or its logarithm, and whether they give raw values at all or somebody's colours. What the device
says is believed; what it does not say is taken from the picture: air is what surrounds the item and is even.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.contract import Picture, Polarity
from drivers.errors import ModelError

Plane = NDArray[np.float32]
Raw = NDArray[Any]

MIN_SIDE = 16
MAX_ASPECT = 50
WORK_SIDE = 1536
"""Pictures are judged at no more than this many pixels a side, whatever the device sends."""

_STATISTICS_SIDE = 256
_BORDER = 0.03
_MIN_RANGE = 0.01
_NOISE_RANGE = 2.5
_NOISE_SAMPLES = 65_536
_LEVELS = 4096
_TAIL = 0.001
_GLANCE = 8
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
_GREY_SPREAD = 0.02
_ORGANIC_GAMMA, _METAL_GAMMA = 1.2, 1.8


def pixels(picture: Picture) -> Raw:
    """Return a picture's values as they came: rows x columns, or rows x columns x 3 (RGB); not copied.

    Raises ModelError for a picture that is too small or too narrow to judge, or whose data are not as long as it says.
    """
    rows, columns = picture.rows, picture.columns
    if min(rows, columns) < MIN_SIDE:
        raise ModelError(f"the picture is too small to judge: {columns} x {rows} pixels")
    if max(rows, columns) > MAX_ASPECT * min(rows, columns):
        raise ModelError(f"the picture is too narrow to judge: {columns} x {rows} pixels")
    values = np.frombuffer(picture.data, np.uint8 if picture.bytes_per_value == 1 else "<u2")
    if picture.channels not in (1, 3) or values.size != rows * columns * picture.channels:
        raise ModelError(f"the picture's data do not make {columns} x {rows} pixels of {picture.channels} channels")
    return values.reshape((rows, columns) if picture.channels == 1 else (rows, columns, 3))


def reduced(values: Raw, side: int = WORK_SIDE) -> Raw:
    """Return `values` with their longer side cut down to `side` by averaging, or as they are where it is shorter."""
    rows, columns = values.shape[:2]
    factor = side / max(rows, columns)
    if factor >= 1:
        return values
    size = (max(1, round(columns * factor)), max(1, round(rows * factor)))
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA))


def transmission(picture: Picture, judged: bool = False) -> Plane:
    """Return a picture as transmission, at most WORK_SIDE a side; one that was `judged` is not searched for features.

    Raises ModelError for a picture that `pixels` refuses or that shows nothing: one value, saturated, or noise alone.
    """
    values = reduced(pixels(picture))
    # Judged before anything is scaled up: what is left of a dark or blank picture is noise, and would look like a bag.
    if float(np.ptp(values)) == 0:
        raise ModelError("the picture is featureless: all of one value")
    if values.ndim == 3:
        plane = from_colour(values, picture.bits, picture.polarity)
    else:
        plane = from_grey(values, picture.bits, picture.polarity, picture.logarithmic)
    if not judged:
        _demand_features(plane)
    return plane


def from_grey(values: Raw, bits: int, polarity: Polarity, logarithmic: bool) -> Plane:
    """Return grey values as transmission.

    T = I / I_air. Logarithmic values are made intensities first, the full scale taken for the logarithm of itself.
    """
    top = _full_scale(values, bits, logarithmic)
    # In place from here on: each of these planes is some megabytes, and the allocator keeps what was ever in use.
    rising = values.astype(np.float32)
    rising /= np.float32(top)
    if polarity is Polarity.UNKNOWN:
        polarity = guess_polarity(rising)
    if polarity is Polarity.AIR_LOW:
        np.subtract(1, rising, out=rising)
    if logarithmic:
        rising -= 1
        rising *= np.float32(np.log(top + 1))
        np.exp(rising, out=rising)
    rising /= np.float32(max(air_level(rising), 1 / top))
    return np.asarray(np.clip(rising, 0, 1, out=rising))


def from_colour(values: Raw, bits: int, polarity: Polarity) -> Plane:
    """Return a pseudo-colour picture as an estimate of its transmission: luminance, darkened where the hue says metal.

    A colour picture whose channels agree is a grey one. The estimate ranks well and measures badly: every maker
    has a palette of their own.
    """
    # Channel by channel: along a last axis of three NumPy is ten times as slow.
    top = np.float32(_full_scale(values, bits))
    colours: list[Plane] = [channel / top for channel in cv2.split(values)]
    if _is_grey(colours):
        return from_grey(values[..., 1], bits, polarity, logarithmic=False)
    if polarity is Polarity.UNKNOWN:
        polarity = guess_polarity(_luminance(colours))
    for channel in colours:
        if polarity is Polarity.AIR_LOW:
            np.subtract(1, channel, out=channel)
        channel /= np.float32(max(air_level(channel), 0.05))
        np.clip(channel, 0, 1, out=channel)
    red, green, blue = colours
    warm = np.maximum(red, green)
    metal = np.clip(3 * (blue - warm) / np.maximum(np.maximum(warm, blue), 1e-3), 0, 1)
    gamma = np.float32(_ORGANIC_GAMMA) + np.float32(_METAL_GAMMA - _ORGANIC_GAMMA) * metal
    return np.asarray(np.power(_luminance(colours), gamma), np.float32)


def _is_grey(colours: list[Plane]) -> bool:
    """Return whether channels agree: the 99th percentile of how far they lie apart is small."""
    red, green, blue = colours
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    # It lies between two of the values in their order; mostly both are on one side, which is counted, not sorted.
    below, place = int(np.count_nonzero(spread < np.float32(_GREY_SPREAD))), 0.99 * (spread.size - 1)
    if place < below <= place + 1:
        return float(np.percentile(spread, 99)) < _GREY_SPREAD
    return below > place


def _luminance(colours: list[Plane]) -> Plane:
    return np.asarray(sum(channel * share for channel, share in zip(colours, _LUMINANCE, strict=True)), np.float32)


def guess_polarity(values: Plane) -> Polarity:
    """Return which end of `values` is air: the end that the border lies at, or failing that most of the picture."""
    small = reduced(values, _STATISTICS_SIDE)
    low, high = np.percentile(small, (1, 99))
    if high <= low:
        return Polarity.AIR_HIGH
    border, whole = (float(np.median(v) - low) / float(high - low) for v in (_border(small), small))
    deciding = border if abs(border - 0.5) > 0.15 else whole
    return Polarity.AIR_HIGH if deciding >= 0.5 else Polarity.AIR_LOW


def air_level(rising: Plane) -> float:
    """Return the level of clear air in values that rise with intensity.

    It is the middle of the brightest even part; in a picture cut to the bag, the brightest part of the bag.
    """
    small = reduced(rising, _STATISTICS_SIDE)
    top = float(np.percentile(small, 99))
    return float(_median(small[small >= 0.95 * top])) if top > 0 else 0.0


def bag_region(plane: Plane) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom (half-open) of what is not air, with a margin; the whole picture where all is."""
    rows, columns = plane.shape
    small = reduced(plane, _STATISTICS_SIDE)
    clear = 1 - max(0.06, 3 * noise(small))
    mask = (cv2.blur(small, (3, 3)) < clear).astype(np.uint8)
    mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)))
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not ys.size:
        return 0, 0, columns, rows
    fy, fx = rows / small.shape[0], columns / small.shape[1]
    margin = 0.02 * max(rows, columns)
    left, top = max(0, int(xs[0] * fx - margin)), max(0, int(ys[0] * fy - margin))
    right, bottom = min(columns, int((xs[-1] + 1) * fx + margin)), min(rows, int((ys[-1] + 1) * fy + margin))
    if min(right - left, bottom - top) < MIN_SIDE:
        return 0, 0, columns, rows
    return left, top, right, bottom


def noise(plane: Plane) -> float:
    """Return the standard deviation of a plane's pixel noise, from the median of its second differences.

    Of a large plane every so many rows are taken: that is some ten thousand differences, as good as all.
    """
    plane = plane[:: max(1, plane.size // _NOISE_SAMPLES)]
    second = plane[:, 2:] - 2 * plane[:, 1:-1] + plane[:, :-2]
    # 0.6745: median of |x| of a unit normal; sqrt(6): the second difference of unit noise.
    return float(_median(np.abs(second))) / (0.6745 * 6**0.5)


def _median(values: Plane) -> np.float32:
    """Return what `np.median` does of values that are all numbers; that looks for NaN too, and takes 15 times as long.

    For one place alone NumPy's partition has vector instructions.
    """
    flat, middle = values.ravel(), values.size // 2
    parted = np.partition(flat, middle)
    return parted[middle] if flat.size % 2 else np.mean((parted[:middle].max(), parted[middle]), dtype=np.float32)


def _demand_features(plane: Plane) -> None:
    smooth = np.asarray(cv2.blur(plane, (3, 3)))
    deviation = noise(plane)
    if _spans(smooth, max(_MIN_RANGE, _NOISE_RANGE * deviation)):
        return
    # By counting: to sort half a million values takes longer than all else that is done to a picture here.
    low, high = _extent(smooth)
    if high - low < _MIN_RANGE:
        raise ModelError("the picture is featureless: nothing but one level")
    if high - low < _NOISE_RANGE * deviation:
        raise ModelError("the picture is featureless: nothing but noise")


def _extent(smooth: Plane) -> tuple[float, float]:
    """Return the levels that a thousandth of a plane lies at or below, and at or above; to a 4096th."""
    counts = np.cumsum(cv2.calcHist([smooth], [0], None, [_LEVELS], [0, 1 + 1 / _LEVELS]))
    low, high = (int(np.searchsorted(counts, share * smooth.size)) / _LEVELS for share in (_TAIL, 1 - _TAIL))
    return low, high


def _spans(smooth: Plane, wanted: float) -> bool:
    """Return whether a plane's levels lie further apart than `wanted`, for sure; False where only `_extent` can tell.

    Some of its rows say about where its ends are, and of the rest it is counted that enough lies beyond: that takes a
    sixth of the time, and nearly every picture is done with.
    """
    low, high = _extent(np.ascontiguousarray(smooth[::_GLANCE]))
    inside = (high - low - wanted) / 4
    if inside <= 2 / _LEVELS:
        return False
    enough = _TAIL * smooth.size
    below, above = low + inside, high - inside
    return bool(np.count_nonzero(smooth < below) > enough and np.count_nonzero(smooth > above) > enough)


def _full_scale(values: Raw, bits: int, logarithmic: bool = False) -> float:
    """Return the value of a full pixel: what the device says, or the format that a 16-bit container really holds.

    The logarithm of a light bag fills no more than a quarter of its scale, so there the guess is more careful.
    """
    if bits == 16:
        most = int(values.max())
        bits = next(b for b in ((12, 16) if logarithmic else (8, 10, 12, 14, 16)) if most < 1 << b)
    return float((1 << bits) - 1)


def _border(values: Plane) -> Plane:
    width = max(1, round(_BORDER * min(values.shape)))
    inner = (slice(width, -width), slice(width, -width))
    outside = np.ones(values.shape, bool)
    outside[inner] = False
    return values[outside]
