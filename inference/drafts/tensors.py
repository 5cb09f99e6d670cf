"""A graph's tensors against what decoders and manifests ask of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drivers.errors import ModelError
from inference.drafts.draft import CUSTOMARY, Said, Table
from inference.drafts.export import Export, Tensor

_IMAGE_TYPES = ("float32", "float16", "uint8")
_CHANNELS = (1, 3)
_SIZE_NAMES = ("orig_target_sizes", "orig_size", "orig_image_size", "original_size")
_MASK_NAMES = ("pixel_mask", "mask")


def inputs(
    export: Export, image: Table, wished: tuple[int, int] | None, said: tuple[int, int] | None
) -> tuple[Table, ...]:
    """Return the tables of the inputs: the picture as `image` has it, and any size or mask beside it.

    For a graph that takes any size: `wished` (rows, columns) by the person, else `said` by the metadata. Raises
    ModelError for an input that a package cannot feed.
    """
    pictures = [tensor for tensor in export.inputs if len(tensor.shape) == 4]
    if len(pictures) != 1:
        raise ModelError(f"{export.path}: {len(pictures)} inputs could take the picture, one is wanted")
    picture = pictures[0]
    if picture.dtype not in _IMAGE_TYPES:
        raise ModelError(f"input {picture}: a picture is fed as one of {', '.join(_IMAGE_TYPES)}")
    if picture.shape[0] not in (None, 1):
        raise ModelError(
            f"input {picture}: exported for a batch of {picture.shape[0]}; one picture is judged at a time"
        )
    table = _image(picture, image, wished, said)
    return tuple(table if tensor is picture else _other(tensor) for tensor in export.inputs)


def _image(tensor: Tensor, image: Table, wished: tuple[int, int] | None, said: tuple[int, int] | None) -> Table:
    last = tensor.shape[1] not in _CHANNELS and tensor.shape[3] in _CHANNELS
    channels = tensor.shape[3] if last else tensor.shape[1]
    table: Table = {
        "role": Said("image"),
        "name": Said(tensor.name, "the graph"),
        "layout": Said("nhwc" if last else "nchw", "the graph" if channels else CUSTOMARY),
        "dtype": Said(tensor.dtype, "the graph"),
        "size": _size(tensor, tensor.shape[1:3] if last else tensor.shape[2:], wished, said),
        **({"scale": Said(255.0, "the input is uint8")} if tensor.dtype == "uint8" else {}),
        **image,
    }
    if channels == 1:
        table["colour"] = Said("gray", "the graph has one channel; transmission is the other way to fill it")
    return table


def _size(
    tensor: Tensor, sides: tuple[int | None, ...], wished: tuple[int, int] | None, said: tuple[int, int] | None
) -> Said:
    rows, columns = sides
    if rows is not None and columns is not None:
        if wished is not None and wished != (rows, columns):
            raise ModelError(f"--size: input {tensor} takes {rows}x{columns} and nothing else")
        return Said([rows, columns], "rows, columns; the graph")
    if wished is None and said is None:
        raise ModelError(f"input {tensor} takes any size: say with --size ROWSxCOLUMNS which it was trained with")
    source = "--size" if wished is not None else "the metadata"
    return Said(list(wished or said or ()), f"rows, columns; the graph takes any, {source} has this")


def _other(tensor: Tensor) -> Table:
    if tensor.name in _SIZE_NAMES:
        order = Said("wh", "width, height, as RT-DETR has it: check with a picture that is not square")
        return {"role": Said("orig_size"), "name": Said(tensor.name), "dtype": Said(tensor.dtype), "order": order}
    if tensor.name in _MASK_NAMES:
        return {"role": Said("mask"), "name": Said(tensor.name, "the graph"), "dtype": Said(tensor.dtype)}
    raise ModelError(f"input {tensor}: no package feeds it; the picture, its size and its mask are what there is")


@dataclass(frozen=True, slots=True)
class _Reads:
    """The tensors that a decoder reads: its keys with the names that exporters use, and what shape can be so read."""

    keys: dict[str, tuple[str, ...]]
    fits: Callable[[tuple[Tensor, ...]], bool]
    needs_all: bool = True


def _rows(*widths: int) -> Callable[[tuple[Tensor, ...]], bool]:
    """Return a check for one output of rows, of one of the widths."""
    return lambda outputs: any(_sides(t, 3) and (not t.shape or t.shape[-1] in (None, *widths)) for t in outputs)


def _sides(tensor: Tensor, count: int) -> bool:
    # A graph may leave even the number of dimensions open: then there are none.
    return len(tensor.shape) in (count, 0)


def _boxes_of_four(outputs: tuple[Tensor, ...]) -> bool:
    return any(_sides(t, 3) and (not t.shape or t.shape[-1] in (None, 4)) for t in outputs)


def _score_or_map(tensor: Tensor) -> bool:
    if len(tensor.shape) == 4:
        return tensor.shape[1] in (None, 1)
    return len(tensor.shape) < 2 or (len(tensor.shape) == 2 and tensor.shape[1] in (None, 1))


_READS: dict[str, _Reads] = {
    "segmentation": _Reads({"logits": ("logits",)}, lambda outputs: any(_sides(t, 4) for t in outputs)),
    "anomaly": _Reads(
        {"score": ("pred_score",), "map": ("anomaly_map",)},
        lambda outputs: any(_score_or_map(t) for t in outputs),
        needs_all=False,
    ),
    "yolo_raw": _Reads({"output": ("output0", "output")}, lambda outputs: any(_sides(t, 3) for t in outputs)),
    "boxes_xyxy_conf_cls": _Reads({"output": ("output0", "output")}, _rows(6)),
    "boxes_cxcywh_conf_cls": _Reads({"output": ("output0", "output")}, _rows(6)),
    "detr_logits": _Reads(
        {"logits": ("logits", "pred_logits"), "boxes": ("pred_boxes", "boxes")},
        lambda outputs: len(outputs) > 1 and _boxes_of_four(outputs),
    ),
    "labels_boxes_scores": _Reads(
        {"labels": ("labels",), "boxes": ("boxes",), "scores": ("scores",)},
        lambda outputs: len(outputs) > 2 and _boxes_of_four(outputs),
    ),
    "yolox_grid": _Reads({"output": ("output", "output0")}, lambda outputs: any(_sides(t, 3) for t in outputs)),
}


def could_be(export: Export) -> list[str]:
    """Return the decoders that the outputs' shapes do not rule out."""
    return [name for name, reads in _READS.items() if reads.fits(export.outputs)]


def bind(export: Export, decoder: str, wished: Mapping[str, str]) -> Table:
    """Return the output's name for each of a decoder's keys: as wished, by its usual name, or the only one there is.

    Raises ModelError where that leaves a key open.
    """
    reads = _READS[decoder]
    if strange := sorted(wished.keys() - reads.keys.keys()):
        raise ModelError(f"--tensor: {decoder} reads {', '.join(reads.keys)}, not {', '.join(strange)}")
    table: Table = {}
    for key, usual in reads.keys.items():
        if key in wished:
            if export.output(wished[key]) is None:
                raise ModelError(f"--tensor {key}={wished[key]}: {_outputs(export)}")
            table[key] = Said(wished[key], "--tensor")
        elif known := next((name for name in usual if export.output(name)), None):
            table[key] = Said(known, "the output's own name")
        elif len(reads.keys) == 1 and len(export.outputs) == 1:
            table[key] = Said(export.outputs[0].name, "the only output")
    missing = [key for key in reads.keys if key not in table]
    if missing and (reads.needs_all or not table):
        raise ModelError(f"which output is {' and which is '.join(missing)}? Say --tensor KEY=NAME; {_outputs(export)}")
    return table


def room(export: Export, output: Table) -> int | None:
    """Return how many labels the decoder would read from the tensors; None where the graph leaves that open."""
    decoder = output["decoder"].value
    first = output["layout"].value == "channels_first" if "layout" in output else True
    key, axis, others = {
        "segmentation": ("logits", 1, 0),
        "yolo_raw": ("output", 1 if first else -1, 4),
        "detr_logits": ("logits", -1, int("background" in output)),
        "yolox_grid": ("output", -1, 5),
    }.get(decoder, ("", 0, 0))
    tensor = export.output(output[key].value) if key else None
    if tensor is None or len(tensor.shape) < 3 or tensor.shape[axis] is None:
        return None
    return (tensor.shape[axis] or 0) - others


def described(export: Export) -> list[str]:
    """Return the graph's tensors and metadata, a line each."""
    return [
        *(f"input {tensor}" for tensor in export.inputs),
        *(f"output {tensor}" for tensor in export.outputs),
        *(f"metadata {key}: {value[:100]}" for key, value in sorted(export.metadata.items())),
        *(f"beside the file: {name}" for name in export.beside),
    ]


def package_name(stem: str) -> str:
    """Return a file's name as a package's: lower-case letters, digits, '-' and '_'."""
    return re.sub(r"[^a-z0-9_-]+", "-", stem.lower()).strip("-_")[:63] or "imported"


def _outputs(export: Export) -> str:
    return f"there are: {'; '.join(map(str, export.outputs))}"
