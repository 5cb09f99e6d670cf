"""`model.toml`: everything that a stranger's model needs said so that it runs without code of its own.

Nothing is ever guessed from a tensor's shape: three exporters share `[1, 300, 6]` and mean different things by it.
"""

from __future__ import annotations

import tomllib
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from drivers.contract import Category, Energy, Polarity
from drivers.errors import ModelError

MAX_SIDE = 4096
MAX_LABELS = 1000
Score = Annotated[float, Field(ge=0, le=1)]
TensorName = Annotated[str, Field(min_length=1, max_length=200)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._/-]*$", max_length=200)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Role(StrEnum):
    """What an input is for."""

    IMAGE = "image"
    ORIG_SIZE = "orig_size"
    MASK = "mask"


class Colour(StrEnum):
    """What the channels of an image input hold.

    `rgb`, `bgr` and `gray` are what a screen would show; `transmission` is linear X-ray intensity (air 1, opaque 0) as
    one channel, and `hi_lo` the same as two: high energy, low energy (the same twice where there is one energy).
    """

    RGB = "rgb"
    BGR = "bgr"
    GRAY = "gray"
    TRANSMISSION = "transmission"
    HI_LO = "hi_lo"

    @property
    def channels(self) -> int:
        """How many channels there are."""
        return {Colour.RGB: 3, Colour.BGR: 3, Colour.HI_LO: 2}.get(self, 1)


class Resize(StrEnum):
    """How a picture of another shape becomes the input's: distorted, padded, or its middle cut out."""

    STRETCH = "stretch"
    LETTERBOX = "letterbox"
    CROP = "crop"


class ImageInput(_Table):
    """The tensor that takes the picture.

    `size` is rows, columns. `region` `bag` cuts the item out of its clear surroundings first, which gives bags of
    different scanners one scale. A white pixel becomes `scale`; then `mean` is taken off and `std` divided by.
    `pad` is the letterbox's filling before that, 0..1.
    """

    role: Literal[Role.IMAGE] = Role.IMAGE
    name: TensorName
    layout: Literal["nchw", "nhwc"] = "nchw"
    dtype: Literal["float32", "float16", "uint8"] = "float32"
    colour: Colour
    size: tuple[Annotated[int, Field(ge=16, le=MAX_SIDE)], Annotated[int, Field(ge=16, le=MAX_SIDE)]]
    resize: Resize
    anchor: Literal["centre", "top_left"] = "centre"
    pad: Score = 1.0
    region: Literal["picture", "bag"] = "picture"
    scale: Annotated[float, Field(gt=0)] = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[Annotated[float, Field(gt=0)], ...] = ()

    @model_validator(mode="after")
    def _one_a_channel(self) -> ImageInput:
        for key in ("mean", "std"):
            if (given := len(getattr(self, key))) not in (0, self.colour.channels):
                raise ValueError(f"{key} has {given} values, colour {self.colour} has {self.colour.channels} channels")
        return self

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The tensor's shape."""
        rows, columns = self.size
        channels = self.colour.channels
        return (1, channels, rows, columns) if self.layout == "nchw" else (1, rows, columns, channels)


class SizeInput(_Table):
    """The tensor that takes the picture's own size, in the order the exporter chose."""

    role: Literal[Role.ORIG_SIZE]
    name: TensorName
    dtype: Literal["int64", "int32", "float32"] = "int64"
    order: Literal["wh", "hw"]


class MaskInput(_Table):
    """The tensor that says which input pixels are picture (1) and which padding (0): [1, rows, columns]."""

    role: Literal[Role.MASK]
    name: TensorName
    dtype: Literal["int64", "int32", "float32", "bool"] = "int64"


Input = Annotated[ImageInput | SizeInput | MaskInput, Field(discriminator="role")]


class Nms(_Table):
    """Non-maximum suppression: of boxes that overlap by more than `iou`, the strongest stays."""

    mode: Literal["none", "per_class", "all"] = "none"
    iou: Annotated[float, Field(gt=0, lt=1)] = 0.5


class _Boxes(_Table):
    box_units: Literal["px", "unit"]
    box_frame: Literal["input", "orig"] = "input"
    nms: Nms = Nms()


class Segmentation(_Table):
    """Scores of each label at each place, [1, labels, rows, columns], of any stride; label k is channel k.

    `background` is the channel that means nothing; `min_area` (input pixels) drops specks; the score of a place is
    the mean of the `smooth` x `smooth` cells around it. A box holds the connected cells that reach `box_share` of the
    threshold, around one that reaches it.
    """

    decoder: Literal["segmentation"]
    logits: TensorName
    activation: Literal["sigmoid", "softmax", "none"] = "sigmoid"
    background: Annotated[int, Field(ge=0)] | None = None
    smooth: Annotated[int, Field(ge=1, le=63)] = 1
    box_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    min_area: Annotated[float, Field(ge=0)] = 0.0


class Normalise(_Table):
    """The threshold and range by which anomalib 1 makes 0.5 of the threshold: (x - threshold) / (max - min) + 0.5."""

    minimum: float
    maximum: float
    threshold: float

    @model_validator(mode="after")
    def _range(self) -> Normalise:
        if self.maximum <= self.minimum:
            raise ValueError("maximum must be above minimum")
        return self


class Anomaly(_Table):
    """What anomalib exports: a score of the picture, [1], a map of it, [1, 1, rows, columns], or both.

    Without a score the map's maximum is it. Boxes are drawn around what reaches the threshold in the map.
    """

    decoder: Literal["anomaly"]
    score: TensorName | None = None
    map: TensorName | None = None
    normalise: Normalise | None = None
    min_area: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _something(self) -> Anomaly:
        if self.score is None and self.map is None:
            raise ValueError("names neither a score nor a map")
        return self


class YoloRaw(_Boxes):
    """[1, 4 + labels, places]: centre x, centre y, width, height, then a probability of each label."""

    decoder: Literal["yolo_raw"]
    output: TensorName
    layout: Literal["channels_first", "channels_last"] = "channels_first"


class BoxesXyxyConfCls(_Boxes):
    """[1, rows, 6]: left, top, right, bottom, score, label number."""

    decoder: Literal["boxes_xyxy_conf_cls"]
    output: TensorName


class BoxesCxcywhConfCls(_Boxes):
    """[1, rows, 6]: centre x, centre y, width, height, score, label number."""

    decoder: Literal["boxes_cxcywh_conf_cls"]
    output: TensorName


class DetrLogits(_Boxes):
    """Logits [1, queries, labels (+ background)] and boxes [1, queries, 4] as centre x, centre y, width, height."""

    decoder: Literal["detr_logits"]
    logits: TensorName
    boxes: TensorName
    activation: Literal["softmax", "sigmoid"]
    background: int | None = None
    """The logit that means no object, counted from the end where negative."""


class LabelsBoxesScores(_Boxes):
    """Label numbers [1, rows], boxes [1, rows, 4] as left, top, right, bottom, and scores [1, rows]."""

    decoder: Literal["labels_boxes_scores"]
    labels: TensorName
    boxes: TensorName
    scores: TensorName


class YoloxGrid(_Boxes):
    """[1, cells, 5 + labels] per stride, undecoded: offset x, y in cells, log width, height, objectness, labels."""

    decoder: Literal["yolox_grid"]
    output: TensorName
    strides: tuple[Annotated[int, Field(ge=1, le=256)], ...] = (8, 16, 32)


Output = Annotated[
    Segmentation
    | Anomaly
    | YoloRaw
    | BoxesXyxyConfCls
    | BoxesCxcywhConfCls
    | DetrLogits
    | LabelsBoxesScores
    | YoloxGrid,
    Field(discriminator="decoder"),
]


class Label(_Table):
    """A label, by its place in the model's output. One with `alarm = false` is known and harmless: it never scores."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    category: Category
    alarm: bool = True


class OperatingPoints(_Table):
    """From which score on there is an alarm: normally, and for an item that risk assessment asks to look at."""

    normal: Annotated[float, Field(gt=0, le=1)]
    elevated: Annotated[float, Field(gt=0, le=1)]

    @model_validator(mode="after")
    def _stricter(self) -> OperatingPoints:
        if self.elevated > self.normal:
            raise ValueError("elevated is the stricter point: it cannot lie above normal")
        return self


class GoldenPicture(_Table):
    """One picture of a golden scan: a PNG, 8 or 16 bit, grey or RGB."""

    file: FileName
    view: Annotated[int, Field(ge=0, lt=16)] = 0
    energy: Energy = Energy.SINGLE
    polarity: Polarity = Polarity.AIR_HIGH


class Golden(_Table):
    """A scan whose outcome is known: the model's output tensors (`outputs`, NPZ, for one view) and its score.

    Each value may differ by `atol` + `rtol` x its size, the score by `score_tolerance`.
    """

    pictures: Annotated[tuple[GoldenPicture, ...], Field(min_length=1, max_length=16)]
    outputs: FileName
    score: Score
    atol: Annotated[float, Field(ge=0)] = 1e-3
    rtol: Annotated[float, Field(ge=0)] = 1e-3
    score_tolerance: Annotated[float, Field(gt=0, le=0.2)] = 0.02


class Signature(_Table):
    """Whose key signed the manifest, by its fingerprint; the signature itself is `model.toml.sig`."""

    kid: Annotated[str, Field(max_length=128)]


class Manifest(_Table):
    """The whole of `model.toml`."""

    format: Literal[1]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=63)]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+([-+][0-9A-Za-z.-]+)?$", max_length=63)]
    summary: Annotated[str, Field(max_length=300)] = ""
    licence: Annotated[str, Field(max_length=100)] = ""
    opset: Annotated[int, Field(ge=7, le=30)]
    inputs: Annotated[tuple[Input, ...], Field(min_length=1, max_length=4)]
    output: Output
    labels: Annotated[tuple[Label, ...], Field(min_length=1, max_length=MAX_LABELS)]
    operating_points: OperatingPoints
    golden: Annotated[tuple[Golden, ...], Field(min_length=1, max_length=32)]
    files: dict[FileName, Sha256]
    signature: Signature | None = None

    @model_validator(mode="after")
    def _whole(self) -> Manifest:
        if sum(i.role is Role.IMAGE for i in self.inputs) != 1:
            raise ValueError("inputs: exactly one has the role image")
        if len({i.name for i in self.inputs}) != len(self.inputs):
            raise ValueError("inputs: two have the same name")
        if not any(label.alarm for label in self.labels):
            raise ValueError("labels: none of them ever alarms")
        return self

    @property
    def image(self) -> ImageInput:
        """The input that takes the picture."""
        return next(i for i in self.inputs if isinstance(i, ImageInput))


def parse(text: bytes) -> Manifest:
    """Return the manifest that `text` (TOML) holds. Raises ModelError naming every key at fault."""
    try:
        return Manifest.model_validate(tomllib.loads(text.decode("utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"model.toml: {error}") from None
    except ValidationError as error:
        wrong = [
            f"{'.'.join(map(str, e['loc'])) or 'manifest'}: {e['msg']}"
            for e in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise ModelError(f"model.toml: {'; '.join(wrong)}") from None
