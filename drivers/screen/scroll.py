"""How far a scrolling picture has moved: weighted least squares over every shift at once, by Fourier transform.

A frame is reduced to a signature: for each column and each of a few bands of rows, how much darker than the background
it is, and how its tint differs; where these say nothing, how much edge there is. Where d columns have come in at the
right, the new signature's column x shows what the old one's column x + d showed. Pixels behind a mask weigh nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
Plane = NDArray[np.floating[Any]]
Row = NDArray[np.float64]
Spectrum = NDArray[np.complex128]

BANDS = 16
#: An empty belt has less to see than this part of the most there could be.
EMPTY = 5e-4
#: Two frames agree where their squared difference is at most this part of what there is to see in both, ...
SAME = 0.08
#: ... or where so little differs that it may be the video's noise: of so many levels in each pixel.
NOISE_LEVELS = 5
#: Shifts whose error is as good as the best's but for noise are alike; the one nearest to the expected is taken.
ALIKE_RATIO, ALIKE = 1.25, 4e-6
#: A far shift is believed only where what both frames show is so much of what either does.
FAR_SHARE = 0.3
#: ... and where of the pixels that are no belt at most this part differs, by so much in any of B, G, R.
FAR_DIFFERS, FAR_LEVELS = 0.25, 48
#: Correlation of edges from which two pictures have the same drawing in other colours.
SAME_EDGES = 0.65


@dataclass(frozen=True, slots=True)
class Match:
    """How far the picture has moved, and how well what both frames show agrees: 0 is whole agreement.

    `light` and `tint` are parts of what there is to see; `found` says that the light agrees, `coloured` the tint too.
    """

    shift: int
    light: float
    tint: float
    found: bool
    coloured: bool


@dataclass(frozen=True, slots=True)
class _Channel:
    plain: Spectrum
    square: Spectrum
    energy: float


@dataclass(frozen=True, slots=True)
class Signature:
    """A frame, reduced to what its shift is found by."""

    light: _Channel
    tint: _Channel
    frame: Frame
    background: tuple[int, int, int]

    @property
    def columns(self) -> int:
        """The width of the frame."""
        return int(self.frame.shape[1])

    @property
    def energy(self) -> float:
        """How much there is to see: the sum of squares over bands and columns."""
        return self.light.energy

    @property
    def empty(self) -> bool:
        """Whether that is next to nothing."""
        return self.energy < EMPTY * BANDS * self.columns


@dataclass(slots=True)
class Scroller:
    """Makes signatures of frames of one size, `valid` telling which pixels count (bool [rows, columns])."""

    valid: NDArray[np.bool_]
    _weight: Plane = field(init=False)
    _weights: Spectrum = field(init=False)
    _overlap: Row = field(init=False)
    _length: int = field(init=False)
    _noise: float = field(init=False)

    def __post_init__(self) -> None:
        rows, columns = self.valid.shape
        self._noise = 2 * (NOISE_LEVELS / 255) ** 2 * BANDS / rows  # of the difference of two means over a band's rows
        self._length = cv2.getOptimalDFTSize(2 * columns)
        self._length += self._length % 2
        self._weight = _banded(self.valid.astype(np.float32))
        self._weights = self._spectrum(self._weight)
        self._overlap = np.maximum(self._lags(self._weights, self._weights), 1e-6)

    @property
    def columns(self) -> int:
        """The width of the frames."""
        return int(self.valid.shape[1])

    def signature(self, frame: Frame, background: tuple[int, int, int]) -> Signature:
        """Return the signature of a BGR frame on its background's colour (B, G, R).

        What is not valid in it must be 0 already, as `paint` leaves it.
        """
        fewer = _fewer_rows(frame)
        blue, green, red = (_banded(fewer[..., c].astype(np.float32)) for c in range(3))
        weight = np.maximum(self._weight, 1e-6)
        base = _luma(*background)
        light = (base - _luma(blue / weight, green / weight, red / weight)) / 255
        tint = ((red - blue) / weight - (background[2] - background[0])) / 255
        return Signature(self._channel(light), self._channel(tint), frame, background)

    def _edges(self, frame: Frame) -> Plane:
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        along = cv2.Sobel(grey, cv2.CV_16S, 1, 0, ksize=1)
        across = cv2.Sobel(grey, cv2.CV_16S, 0, 1, ksize=1)
        strength = cv2.addWeighted(cv2.convertScaleAbs(along), 0.5, cv2.convertScaleAbs(across), 0.5, 0)
        inner = cv2.erode(self.valid.astype(np.uint8), np.ones((3, 3), np.uint8))  # a mask's own edge is none
        banded = _banded((strength * inner).astype(np.float32)) / 255
        mean: Plane = banded - np.sum(banded * self._weight) / max(float(self._weight.sum()), 1e-6)
        return mean

    def _channel(self, plane: Plane) -> _Channel:
        weighted = plane * self._weight
        square = weighted * plane
        return _Channel(self._spectrum(weighted), self._spectrum(square), float(square.sum()))

    def _spectrum(self, plane: Plane) -> Spectrum:
        return np.fft.rfft(plane, self._length, axis=1)

    def _lags(self, first: Spectrum, second: Spectrum) -> Row:
        """Return sum over x and bands of first(x + d) second(x), for d from -(columns - 1) to columns - 1."""
        whole = np.fft.irfft(np.einsum("bk,bk->k", first, second.conj()), self._length)
        far = self.columns - 1
        return np.concatenate([whole[-far:], whole[: far + 1]])

    def match(self, old: Signature, new: Signature, expected: int, reach: int) -> Match:
        """Return the shift from `old` to `new`, of those within `reach` of the expected one.

        Not found where the error still falls beyond them: the picture has moved further.
        """
        far = self.columns - 1
        low, high = max(expected - reach, -far), min(expected + reach, far)
        span = slice(low + far, high + far + 1)
        differ, energy = self._compare(old.light, new.light)
        differ_tint, energy_tint = self._compare(old.tint, new.tint)
        errors = (differ + differ_tint) / self._overlap
        mean = errors[span]
        alike = np.flatnonzero(mean <= ALIKE_RATIO * mean.min() + ALIKE) + low
        shift = int(alike[np.argmin(np.abs(alike - expected))])
        at = shift + far
        light, tint = differ[at] / max(energy[at], 1e-9), differ_tint[at] / max(energy_tint[at], 1e-9)
        beside = errors[max(low + far - 1, 0) : high + far + 2]
        inside = reach == 0 or bool(mean.min() <= beside.min())
        found = inside and bool(light <= SAME or differ[at] / self._overlap[at] <= self._noise)
        coloured = bool(tint <= 2 * SAME or differ_tint[at] / self._overlap[at] <= 2 * self._noise)
        return Match(shift, float(light), float(tint), found, found and coloured)

    def match_far(self, old: Signature, new: Signature) -> Match:
        """Return the best shift anywhere at which enough of what both show overlaps; for a stream that had a gap.

        Not found where the error still falls towards a shift at which too little overlaps: then that may be the one.
        Nor where the pixels say otherwise: in bands of rows, two bags of much the same size and material look alike.
        """
        far = self.columns - 1
        differ, energy = self._compare(old.light, new.light)
        ratio = differ / np.maximum(energy, 1e-9)
        of_old = self._lags(old.light.square, self._weights)
        enough = (of_old >= FAR_SHARE * old.energy) | (energy - of_old >= FAR_SHARE * new.energy)
        if old.empty or new.empty or not enough.any():
            return Match(0, 1.0, 1.0, False, False)
        best = int(np.argmin(np.where(enough, ratio, np.inf)))
        beside = slice(max(best - 1, 0), best + 2)
        if ratio[beside].min() < ratio[best]:
            return Match(best - far, 1.0, 1.0, False, False)
        if not self.alike(old, new, best - far):
            return Match(best - far, 1.0, 1.0, False, False)
        return self.match(old, new, best - far, 0)

    def alike(self, old: Signature, new: Signature, shift: int) -> bool:
        """Return whether the pixels agree that both frames show behind no mask."""
        before = slice(max(shift, 0), self.columns + min(shift, 0))
        after = slice(max(-shift, 0), self.columns - max(shift, 0))
        both = self.valid[:, before] & self.valid[:, after]
        return not differ(old.frame[:, before], new.frame[:, after], both, new.background)

    def match_edges(self, old: Signature, new: Signature, expected: int, reach: int) -> tuple[int, float]:
        """Return the shift at which the edges agree best, and their correlation there, colours left aside."""
        far = self.columns - 1
        before, after = (self._channel(self._edges(each.frame)) for each in (old, new))
        cross = self._lags(before.plain, after.plain)
        ours = self._lags(before.square, self._weights)
        theirs = self._lags(self._weights, after.square)
        agreement = cross / np.sqrt(np.maximum(ours * theirs, 1e-12))
        low, high = max(expected - reach, -far), min(expected + reach, far)
        best = int(np.argmax(agreement[low + far : high + far + 1])) + low
        return best, float(agreement[best + far])

    def _compare(self, old: _Channel, new: _Channel) -> tuple[Row, Row]:
        energy = self._lags(old.square, self._weights) + self._lags(self._weights, new.square)
        return np.maximum(energy - 2 * self._lags(old.plain, new.plain), 0), np.maximum(energy, 0)


def differ(first: Frame, second: Frame, known: NDArray[np.bool_], background: tuple[int, int, int]) -> bool:
    """Return whether two pictures of one place show different things, as far as both are known and no belt."""
    first, second = np.ascontiguousarray(first), np.ascontiguousarray(second)
    solid = (_off(first, (*background, 0)) | _off(second, (*background, 0))) & known
    return int((_off(first, second) & solid).sum()) > FAR_DIFFERS * int(solid.sum())


def _off(first: Frame, second: Any) -> NDArray[np.bool_]:
    differs = cv2.absdiff(first, second)
    return np.asarray(cv2.max(cv2.max(differs[..., 0], differs[..., 1]), differs[..., 2]) > FAR_LEVELS, np.bool_)


def _fewer_rows(frame: Frame) -> Frame:
    """Return the frame with a few rows for each band: what is averaged in whole numbers first costs a tenth."""
    rows = min(4 * BANDS, frame.shape[0])
    return np.asarray(cv2.resize(frame, (frame.shape[1], rows), interpolation=cv2.INTER_AREA), np.uint8)


def _banded(plane: Plane) -> Plane:
    return np.asarray(cv2.resize(plane, (plane.shape[1], BANDS), interpolation=cv2.INTER_AREA), np.float32)


def _luma(blue: Plane | int, green: Plane | int, red: Plane | int) -> Plane:
    luma: Plane = np.asarray(0.114 * blue + 0.587 * green + 0.299 * red, np.float32)
    return luma
