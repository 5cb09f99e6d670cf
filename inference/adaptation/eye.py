"""The shipped network with its last layer taken off: pictures in, features out, and any last layer put on in NumPy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.errors import ModelError
from inference import onnxedit
from inference.decoders import Decoded, decode
from inference.insertion import Mask, Shot
from inference.look import look_at
from inference.manifest import Segmentation
from inference.package import MODEL, Package
from inference.prepare import Placement, prepare
from inference.runtime import Runtime
from inference.training.scenes import GROUPS

Floats = NDArray[np.float32]

FEATURES, WEIGHT, BIAS = "features", "out.weight", "out.bias"
_THIN_OUT = 2
_MOST_A_GROUP, _SAMPLE = 64, 16


@dataclass(frozen=True, slots=True)
class Head:
    """The last layer: `weight` [groups, channels], `bias` [groups]."""

    weight: Floats
    bias: Floats

    def into(self, model: bytes) -> bytes:
        """Return the graph with this last layer."""
        weight = self.weight[:, :, None, None].astype(np.float32)
        return onnxedit.with_weights(model, {WEIGHT: weight, BIAS: self.bias.astype(np.float32)})


@dataclass(frozen=True, slots=True)
class Seen:
    """What the network made of a picture: features [channels, rows, columns], and where the picture lies in them."""

    features: Floats
    placement: Placement


class Eye:
    """A package's network up to its features. Blocking; one thread at a time."""

    def __init__(self, package: Package, threads: int) -> None:
        """Open it. Raises ModelError for a package that is not made for this."""
        spec = package.manifest.output
        self.package = package
        self.shipped = _last_layer(package)
        labels = [label.name for label in package.manifest.labels]
        named = len(labels) == len(GROUPS) and all(group in label for group, label in zip(GROUPS, labels, strict=True))
        if (
            not isinstance(spec, Segmentation)
            or spec.activation != "sigmoid"
            or spec.background is not None
            or not named
            or len(self.shipped.bias) != len(GROUPS)
        ):
            raise ModelError(
                f"{package.path} cannot be adapted: it does not map the default model's groups,"
                f" {', '.join(GROUPS)}, by a sigmoid each"
            )
        self.alarming = np.array([label.alarm for label in package.manifest.labels])
        self._spec = spec
        graph = onnxedit.with_output(package.model, FEATURES)
        self._runtime = Runtime(replace(package, files={**package.files, MODEL: graph}), threads)
        self._runtime.outputs = [*self._runtime.outputs, FEATURES]

    def see(self, shot: Shot) -> Seen:
        """Return what the network makes of a view. Raises ModelError where it cannot be judged."""
        feeds, placement = prepare(look_at(shot.pictures()), self.package.manifest.inputs)
        return Seen(np.asarray(self._runtime.run(feeds)[FEATURES][0], np.float32), placement)

    def judge(self, seen: Seen, head: Head) -> Decoded:
        """Return what the package would say with another last layer."""
        logits = np.tensordot(head.weight, seen.features, 1) + head.bias[:, None, None]
        return decode(self.package.manifest, {self._spec.logits: logits[None]}, seen.placement, 1.0)

    def places(self, seen: Seen, mask: Mask | None = None) -> Floats:
        """Return the features of places in the picture, [places, channels], within `mask` of the view where given.

        Each is the mean over the window that the decoder smooths scores over; every second place each way is there.
        Without a mask only the places that speak for a threat most, by group, stay, and a sample of the others.
        """
        size = (self._spec.smooth, self._spec.smooth)
        smooth = np.asarray(cv2.blur(np.ascontiguousarray(seen.features.transpose(1, 2, 0)), size), np.float32)
        thin = np.s_[1::_THIN_OUT, 1::_THIN_OUT]
        found = smooth[thin][self._inside(seen, mask)[thin]]
        return found if mask is not None else self._telling(found)

    def _telling(self, places: Floats) -> Floats:
        if len(places) <= _MOST_A_GROUP:
            return places
        logits = places @ self.shipped.weight[self.alarming].T
        strongest = np.argpartition(logits, -_MOST_A_GROUP, axis=0)[-_MOST_A_GROUP:]
        kept = np.zeros(len(places), np.bool_)
        kept[strongest.ravel()] = True
        kept[::_SAMPLE] = True
        return places[kept]

    def _inside(self, seen: Seen, mask: Mask | None) -> Mask:
        rows, columns = seen.features.shape[1:]
        height, width = self.package.manifest.image.size
        place = seen.placement
        x = (np.arange(columns) + 0.5) * width / columns
        y = (np.arange(rows) + 0.5) * height / rows
        left, top, right, bottom = place.used
        inside = ((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))[None, :]
        if mask is None:
            return np.asarray(inside, np.bool_)
        own_x = (x - place.offset[0]) / place.scale[0] + place.origin[0]
        own_y = (y - place.offset[1]) / place.scale[1] + place.origin[1]
        at_x = np.clip(own_x, 0, mask.shape[1] - 1).astype(np.intp)
        at_y = np.clip(own_y, 0, mask.shape[0] - 1).astype(np.intp)
        return np.asarray(inside & mask[np.ix_(at_y, at_x)], np.bool_)


def _last_layer(package: Package) -> Head:
    try:
        weight, bias = onnxedit.weights(package.model, WEIGHT), onnxedit.weights(package.model, BIAS)
    except ModelError as error:
        raise ModelError(
            f"{package.path} cannot be adapted: its graph has no tensor {FEATURES!r} with a last layer"
            f" {WEIGHT}, {BIAS} over it: {error}"
        ) from error
    if weight.ndim != 4 or weight.shape[2:] != (1, 1) or bias.shape != weight.shape[:1]:
        raise ModelError(f"{package.path} cannot be adapted: {WEIGHT} is {list(weight.shape)}, not a 1x1 convolution")
    return Head(weight[:, :, 0, 0], bias)
