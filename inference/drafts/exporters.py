"""What each exporter's metadata decides. Where it does not, nothing is guessed: `Undecided` lists what it could be.

Facts about the exporters come from their own exports and from their documentation: which keys they write, in which
order their rows lie, how their pictures are prepared. A tensor's shape only ever rules a reading out, never in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from drivers.errors import ModelError
from inference.drafts import tensors
from inference.drafts.draft import CUSTOMARY, DECODERS, Draft, Said, Table, Undecided, Wishes
from inference.drafts.export import Export
from inference.drafts.labels import labels

_GREY = 114 / 255
"""What letterboxing trainers pad with."""
_NOT_FITTED = "not fitted: `jaitf-edge model calibrate` does that"
_SOFTMAX = ("detr", "yolos", "table-transformer")
"""Architectures of Hugging Face whose last logit means no object; the others score each label by itself."""
_SIGMOID = ("conditional_detr", "deformable_detr", "rt_detr", "rt_detr_v2", "d_fine")
_SIGMOID_NOTE = "by model_type in config.json"


@dataclass(frozen=True, slots=True)
class Reading:
    """How an exporter's file is to be read; `decoder` None: its metadata does not say. `names` are its labels'."""

    exporter: str
    decoder: str | None
    output: Table
    image: Table
    names: list[str] | None = None
    names_source: str = ""
    licence: str = ""
    size: tuple[int, int] | None = None
    tensors: Mapping[str, str] = field(default_factory=dict)
    points: tuple[float, float] = (0.5, 0.25)
    points_source: str = _NOT_FITTED
    checks: tuple[str, ...] = ()


def draft(export: Export, wishes: Wishes) -> Draft:
    """Return the manifest that an export's own words and the person's wishes make.

    Raises Undecided where nobody says which decoder reads the answer, and ModelError where a wish does not fit the
    graph, or the graph is of a kind that no package can hold.
    """
    reading = _reading(export)
    decoder = _decoder(export, reading, wishes)
    if decoder != reading.decoder:
        reading = _as_wished(reading, decoder, wishes)
    inputs = tensors.inputs(export, reading.image, wishes.size, reading.size)
    output = {"decoder": Said(decoder, reading.exporter if decoder == reading.decoder else "--decoder")}
    output |= tensors.bind(export, decoder, {**reading.tensors, **wishes.tensors}) | reading.output
    room = tensors.room(export, output)
    found = labels(reading.names, reading.names_source, wishes.labels, room)
    if room is not None and room != len(found):
        raise ModelError(
            f"{export.path}: {len(found)} labels ({reading.names_source or '--labels'}), and {decoder} would read "
            f"{room} from its tensors: another decoder, or other labels"
        )
    normal, elevated = reading.points
    return Draft(
        exporter=reading.exporter,
        name=wishes.name or tensors.package_name(export.path.stem),
        licence=reading.licence,
        opset=export.opset,
        inputs=inputs,
        output=output,
        labels=found,
        normal=Said(normal, reading.points_source),
        elevated=Said(elevated, reading.points_source),
        checks=reading.checks,
    )


def _decoder(export: Export, reading: Reading, wishes: Wishes) -> str:
    if wishes.decoder is not None:
        if wishes.decoder not in DECODERS:
            raise ModelError(f"--decoder: there is no {wishes.decoder}; there are: {', '.join(DECODERS)}")
        return wishes.decoder
    if reading.decoder is None:
        could = tensors.could_be(export)
        raise Undecided(
            f"{export.path}: nothing in the file says how its answer is to be read; say it with --decoder",
            [reading.exporter, *tensors.described(export)],
            could or DECODERS,
        )
    if reading.decoder not in tensors.could_be(export):
        raise Undecided(
            f"{export.path}: its metadata ({reading.exporter}) means {reading.decoder}, and its tensors cannot be read "
            "so; say with --decoder how they are",
            [reading.exporter, *tensors.described(export)],
            tensors.could_be(export) or DECODERS,
        )
    return reading.decoder


def _as_wished(reading: Reading, decoder: str, wishes: Wishes) -> Reading:
    """Return a reading for a decoder that the person chose: what the file says of the picture stays."""
    image, output = _CUSTOMS[decoder]
    if decoder == "detr_logits":
        if wishes.activation is None:
            raise ModelError("--decoder detr_logits: say with --activation whether softmax or sigmoid makes the scores")
        output = output | _activation(wishes.activation, "--activation")
    return replace(reading, decoder=None, output=output, image=image | reading.image)


def _reading(export: Export) -> Reading:
    for recognise in _RECOGNISERS:
        if (reading := recognise(export)) is not None:
            return reading
    keys = ", ".join(sorted(export.metadata)) or "none"
    return Reading(f"no exporter known by metadata (keys: {keys}) or output names", None, {}, {})


def _ultralytics(export: Export) -> Reading | None:
    meta = export.metadata
    if not {"task", "stride", "names", "imgsz"} <= meta.keys():
        return None
    exporter = f"Ultralytics {meta.get('version', '')}".strip()
    if meta["task"] != "detect":
        raise ModelError(f"{export.path}: {exporter}, task {meta['task']}: only detect has boxes that are read here")
    names = export.literal("names")
    if isinstance(names, Mapping):
        names = [str(names[key]) for key in sorted(names)]
    if not isinstance(names, list) or not names:
        raise ModelError(f"{export.path}: the metadata's names are no list of labels: {meta['names'][:200]}")
    sides = export.literal("imgsz")
    size = (sides[0], sides[1]) if isinstance(sides, list) and [type(s) for s in sides] == [int, int] else None
    decoder, output, how = _ultralytics_rows(export, len(names))
    stretched = meta.get("head") == "RTDETRDecoder"
    image = {
        "colour": Said("gray" if meta.get("channels") == "1" else "rgb", "Ultralytics"),
        "resize": Said("stretch" if stretched else "letterbox", "Ultralytics"),
        "scale": Said(1.0, "white is 1: Ultralytics divides by 255"),
    }
    if not stretched:
        image["pad"] = Said(_GREY, "Ultralytics pads with 114")
    return Reading(
        exporter=f"{exporter}; {how}",
        decoder=decoder,
        output=output,
        image=image,
        names=[str(name) for name in names],
        names_source="names in the metadata",
        licence=meta.get("license", ""),
        size=size,
        checks=(f"the licence that the file states: {meta['license']}",) if meta.get("license") else (),
    )


def _ultralytics_rows(export: Export, count: int) -> tuple[str | None, Table, str]:
    """Return decoder, its settings, and the words that decided: the metadata's, for tensors share a shape."""
    meta = export.metadata
    arguments = export.literal("args")
    inside = isinstance(arguments, Mapping) and arguments.get("nms") is True
    corners = {"box_units": Said("px", "Ultralytics"), "nms": Said({"mode": "none"}, "done in the graph")}
    if meta.get("head") == "RTDETRDecoder":
        unit = {"box_units": Said("unit", "RTDETRDecoder"), "nms": Said({"mode": "none"}, "RTDETRDecoder needs none")}
        last = export.outputs[0].shape[-1] if len(export.outputs) == 1 and export.outputs[0].shape else None
        if last == 6 and count != 2:
            return "boxes_cxcywh_conf_cls", unit, "head RTDETRDecoder"
        if last == 4 + count and count != 2:
            layout = {"layout": Said("channels_last", "an earlier RTDETRDecoder")}
            return "yolo_raw", layout | unit, "head RTDETRDecoder, a score for each label"
        return None, {}, "head RTDETRDecoder, rows of one score or of one for each label"
    if meta.get("end2end") == "True":
        return "boxes_xyxy_conf_cls", corners, "end2end True"
    if inside:
        return "boxes_xyxy_conf_cls", corners, "args nms True"
    if meta.get("end2end") == "False" and isinstance(arguments, Mapping):
        raw = {
            "layout": Said("channels_first", "Ultralytics"),
            "box_units": Said("px", "Ultralytics"),
            "nms": Said({"mode": "per_class", "iou": 0.45}, "end2end False: overlaps are still in; iou is customary"),
        }
        return "yolo_raw", raw, "end2end False, nms not among args"
    return None, {}, "no end2end or args that tell raw rows from finished ones"


def _anomalib(export: Export) -> Reading | None:
    names = {tensor.name for tensor in export.outputs}
    if not names & {"pred_score", "anomaly_map"}:
        return _anomalib_1(export)
    return Reading(
        exporter="anomalib 2 (outputs pred_score, anomaly_map)",
        decoder="anomaly",
        output={},
        image={
            "colour": Said("rgb", "anomalib"),
            "resize": Said("stretch", "anomalib resizes and normalises in the graph"),
            "scale": Said(1.0, "white is 1"),
        },
        names=["anomaly"],
        names_source="anomalib",
        points=(0.5, 0.4),
        points_source="anomalib makes 0.5 of its own threshold",
        checks=("anomalib's exports have scored otherwise than its checkpoints: compare a picture with the trainer's",),
    )


def _anomalib_1(export: Export) -> Reading | None:
    said = export.beside.get("metadata.json", {})
    keys = ("image_threshold", "min", "max")
    if not all(isinstance(said.get(key), int | float) for key in keys) or len(export.outputs) != 1:
        return None
    threshold, low, high = (float(said[key]) for key in keys)
    source = "image_threshold, min and max in metadata.json"
    norm = _find(said.get("transform"), "mean", "std") or {}
    image = {"colour": Said("rgb", "anomalib"), "resize": Said("stretch", "anomalib")}
    if norm:
        image |= {key: Said([float(v) for v in norm[key]], "transform in metadata.json") for key in ("mean", "std")}
    return Reading(
        exporter="anomalib 1 (metadata.json)",
        decoder="anomaly",
        output={
            "normalise": Said({"minimum": low, "maximum": high, "threshold": threshold}, source),
        },
        image=image,
        names=["anomaly"],
        names_source="anomalib",
        tensors={"map": export.outputs[0].name},
        points=(0.5, 0.4),
        points_source="0.5 is image_threshold",
        checks=() if norm else ("metadata.json names no mean and std: anomalib 1 has them outside of the graph",),
    )


def _hugging_face(export: Export) -> Reading | None:
    config = export.beside.get("config.json", {})
    kind = config.get("model_type")
    names = config.get("id2label")
    if export.output("logits") is None or export.output("pred_boxes") is None:
        return None
    activation = "softmax" if kind in _SOFTMAX else "sigmoid" if kind in _SIGMOID else None
    known = [str(names[key]) for key in sorted(names, key=_number)] if isinstance(names, Mapping) else None
    image, size, checks = _preprocessor(export)
    return Reading(
        exporter=f"Hugging Face {kind} (config.json)" if kind else "outputs logits and pred_boxes, no config.json",
        decoder="detr_logits" if activation else None,
        output=_CUSTOMS["detr_logits"][1] | (_activation(activation, _SIGMOID_NOTE) if activation else {}),
        image=image,
        names=known,
        names_source="id2label in config.json",
        size=size,
        checks=checks,
    )


def _preprocessor(export: Export) -> tuple[Table, tuple[int, int] | None, tuple[str, ...]]:
    """Return the picture's preparation as preprocessor_config.json has it, its size, and what to check."""
    said = export.beside.get("preprocessor_config.json")
    if said is None:
        return (
            {"colour": Said("rgb", CUSTOMARY)},
            None,
            ("no preprocessor_config.json beside the file: check mean, std",),
        )
    source = "preprocessor_config.json"
    image: Table = {"colour": Said("rgb", "Hugging Face")}
    factor = float(said.get("rescale_factor", 1 / 255)) if said.get("do_rescale", True) else 1.0
    image["scale"] = Said(255 * factor, f"rescale_factor in {source}")
    mean = said.get("image_mean") if said.get("do_normalize", True) else None
    if mean is not None:
        image["mean"] = Said([float(v) for v in mean], f"image_mean in {source}")
        image["std"] = Said([float(v) for v in said.get("image_std", [1.0] * len(mean))], f"image_std in {source}")
    size = said.get("size")
    if isinstance(size, Mapping) and {"height", "width"} <= size.keys():
        image["resize"] = Said("stretch", f"size in {source}")
        return image, (int(size["height"]), int(size["width"])), ()
    image |= {
        "resize": Said("letterbox", f"size in {source} keeps the picture's shape"),
        "anchor": Said("top_left", "Hugging Face pads to the right and below"),
    }
    if mean is not None:
        image["pad"] = Said(sum(map(float, mean)) / len(mean) / (255 * factor), "zero once mean is taken off")
    return image, None, (f"{source} lets each picture have a size of its own; a package has one",)


def _rtdetr(export: Export) -> Reading | None:
    if {tensor.name for tensor in export.outputs} != {"labels", "boxes", "scores"}:
        return None
    image, output = _CUSTOMS["labels_boxes_scores"]
    return Reading(
        exporter="RT-DETR or D-FINE (outputs labels, boxes, scores)",
        decoder="labels_boxes_scores",
        output=output,
        image=image,
        checks=("the order of width and height is RT-DETR's (wh): check with a picture that is not square",),
    )


_RECOGNISERS: tuple[Callable[[Export], Reading | None], ...] = (_ultralytics, _anomalib, _hugging_face, _rtdetr)

_LETTERBOX = {"colour": Said("rgb", CUSTOMARY), "resize": Said("letterbox", CUSTOMARY), "pad": Said(_GREY, CUSTOMARY)}
_STRETCH = {"colour": Said("rgb", CUSTOMARY), "resize": Said("stretch", CUSTOMARY)}
_PX, _UNIT = {"box_units": Said("px", CUSTOMARY)}, {"box_units": Said("unit", CUSTOMARY)}
_SUPPRESS = {"nms": Said({"mode": "per_class", "iou": 0.45}, CUSTOMARY)}
_CUSTOMS: dict[str, tuple[Table, Table]] = {
    "segmentation": (_STRETCH, {"activation": Said("sigmoid", CUSTOMARY)}),
    "anomaly": (_STRETCH, {}),
    "yolo_raw": (_LETTERBOX, _PX | _SUPPRESS),
    "boxes_xyxy_conf_cls": (_LETTERBOX, _PX),
    "boxes_cxcywh_conf_cls": (_STRETCH, _UNIT),
    "detr_logits": (_STRETCH, _UNIT),
    "labels_boxes_scores": (_STRETCH, _PX | {"box_frame": Said("orig", "boxes come in pixels of the size given")}),
    "yolox_grid": (
        _LETTERBOX
        | {
            "colour": Said("bgr", CUSTOMARY),
            "scale": Said(255.0, CUSTOMARY),
            "anchor": Said("top_left", CUSTOMARY),
        },
        _PX | _SUPPRESS,
    ),
}
"""How pictures and boxes are for each decoder where nobody says otherwise: (image input, output)."""


def _activation(name: str, source: str) -> Table:
    if name not in ("softmax", "sigmoid"):
        raise ModelError(f"--activation: softmax or sigmoid, not {name}")
    background = {"background": Said(-1, "the last logit means no object")} if name == "softmax" else {}
    return {"activation": Said(name, source)} | background


def _find(value: Any, *keys: str) -> dict[str, Any] | None:
    """Return the first object anywhere in `value` that has all the keys, each a list."""
    if isinstance(value, dict):
        if all(isinstance(value.get(key), list) for key in keys):
            return value
        value = list(value.values())
    if isinstance(value, list):
        return next((found for part in value if (found := _find(part, *keys)) is not None), None)
    return None


def _number(key: str) -> tuple[int, str]:
    return (int(key), "") if key.isdigit() else (1 << 30, key)
