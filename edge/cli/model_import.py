"""`jaitf-edge model import`: a package from a stranger's ONNX file, and what to look at before trusting it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drivers.errors import ModelError
from edge.cli import output

if TYPE_CHECKING:
    from drivers.contract import Picture
    from inference.drafts.draft import Undecided, Wishes
    from inference.drafts.export import Export
    from inference.drafts.proof import Judged

EPILOG = """\b
What the exporter's metadata decides is taken (Ultralytics, anomalib, Hugging Face, RT-DETR).
Nothing is guessed from a tensor's shape: where the file does not say how its answer is to be
read, the command lists what it could be and asks for --decoder.
If the drawing shows that a value is wrong, mend it in PKG/model.toml and import again:
jaitf-edge model import FILE --out PKG --replace --draft PKG/model.toml

\b
Example: jaitf-edge model import best.onnx --out ./our-detector --overlay bag.png
"""
WRONG_USE = 2
_CHECKS = (
    "the drawing: boxes lie on the things they name; if not, decoder, box_units or resize are wrong",
    "colour, scale, mean and std: as the model was trained",
    "each label's category, and which labels are harmless (alarm = false)",
    "the operating points: not fitted before `jaitf-edge model calibrate`",
    "how good it is: `jaitf-edge model evaluate` on a labelled folder",
)


def import_model(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An ONNX file.")],
    out: Annotated[Path, typer.Option(metavar="PKG", help="The package to write: a folder, or a zip by its name.")],
    decoder: Annotated[str | None, typer.Option(help="How the answer is read, where the file does not say.")] = None,
    activation: Annotated[str | None, typer.Option(help="For detr_logits: softmax or sigmoid.")] = None,
    labels: Annotated[
        str | None, typer.Option(help="NAME[:CATEGORY],... or a file of such lines; CATEGORY may be harmless.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="ROWSxCOLUMNS", help="Of the picture, where the graph takes any.")
    ] = None,
    tensor: Annotated[
        list[str] | None, typer.Option(metavar="KEY=NAME", help="Which output is the decoder's logits, boxes, ...")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The package's name; else made of the file's.")] = None,
    draft: Annotated[
        Path | None, typer.Option(metavar="TOML", help="A manifest mended by hand, in place of a drafted one.")
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(metavar="PICTURE", help="Judge this picture for the drawing; else a rough bag.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the package that is there.")] = False,
    json: output.JsonOption = False,
) -> None:
    """Make a package of a stranger's ONNX file, and draw what it finds, for a person to confirm."""
    from inference.drafts import export as exports
    from inference.drafts import make, proof
    from inference.drafts.draft import Wishes

    wishes = Wishes(decoder, activation, _labels(labels), _size(size), _tensors(tensor), name)
    if draft is not None and wishes != Wishes():
        raise typer.BadParameter("says all that the other options say: give it alone", param_hint="--draft")
    pictures = None if overlay is None else _pictures(overlay)
    export = exports.read(file)
    head, exporter, checks = _drafted(export, wishes, json) if draft is None else _mended(draft)
    model = make.make(export, head, exporter, out, replace)
    seen = proof.judged(model, pictures or model.golden_scans()[0])
    drawing = _draw(out, proof.png(seen.drawn))
    result = {
        "package": str(out),
        "model": {"name": model.name, "version": model.version, "sha256": model.sha256},
        "exporter": exporter,
        "decoder": model.manifest.output.decoder,
        "labels": [label.model_dump(mode="json") for label in model.manifest.labels],
        "overlay": str(drawing),
        "score": round(seen.judgement.score, 6),
        "findings": 0 if seen.weak else len(seen.judgement.findings),
        "doubts": proof.doubts(model),
        "checks": [*_CHECKS, *checks],
    }
    if json:
        output.json_line(result)
    else:
        _tell(result, seen)


def _drafted(export: Export, wishes: Wishes, json: bool) -> tuple[str, str, tuple[str, ...]]:
    """Return the drafted manifest, its exporter, and what to check; ask and end where the file leaves it open."""
    from inference.drafts.draft import Undecided
    from inference.drafts.exporters import draft

    try:
        drafted = draft(export, wishes)
    except Undecided as error:
        _ask(error, json)
        raise typer.Exit(WRONG_USE) from error
    return drafted.toml(), drafted.exporter, drafted.checks


def _mended(draft: Path) -> tuple[str, str, tuple[str, ...]]:
    from inference.drafts.make import without_answers

    return without_answers(_text(draft)), "a manifest mended by hand", ()


def _ask(error: Undecided, json: bool) -> None:
    if json:
        output.json_line({"problem": str(error), "found": error.found, "candidates": error.candidates})
        return
    output.note(f"jaitf-edge: {output.one_line(str(error))}")
    for line in error.found:
        output.note(f"  {output.one_line(line)}")
    output.note(f"It could be: {', '.join(error.candidates)}")


def _tell(result: dict[str, Any], seen: Judged) -> None:
    from rich.console import Console
    from rich.text import Text

    output.line(f"{result['package']}: {result['model']['name']} {result['model']['version']}, {result['exporter']}")
    output.line(f"read by {result['decoder']}, {len(result['labels'])} labels")
    judgement = seen.judgement
    found = (
        f"nothing from {judgement.threshold:g} on, the {len(judgement.findings)} strongest are drawn"
        if seen.weak
        else f"{len(judgement.findings)} findings from {judgement.threshold:g} on"
    )
    output.line(f"{result['overlay']}: score {judgement.score:.3f}, {found}")
    console = Console(highlight=False, soft_wrap=True)
    for doubt in result["doubts"]:
        console.print(Text(f"doubtful: {doubt}", style="yellow"))
    output.line("To check:")
    for number, check in enumerate(result["checks"], 1):
        output.line(f"  {number}. {check}")


def _draw(out: Path, data: bytes) -> Path:
    """Write the drawing beside the package: inside, only what the manifest names may lie."""
    path = out.with_name(f"{out.name}.overlay.png")
    try:
        path.write_bytes(data)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    return path


def _pictures(file: Path) -> Sequence[Picture]:
    from edge.cli.inspect import read_scan

    try:
        scan = read_scan(file)
    except OSError as error:
        raise ModelError(f"{file}: {error.strerror or error}") from error
    if not scan.pictures:
        raise ModelError(f"{file}: {scan.problem or 'there is no picture in the file'}")
    return scan.pictures


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{file}: {getattr(error, 'strerror', None) or error}") from error


def _labels(given: str | None) -> tuple[str, ...]:
    if given is None:
        return ()
    lines = _text(Path(given)).splitlines() if Path(given).is_file() else given.split(",")
    return tuple(line.strip() for line in lines if line.strip())


def _size(given: str | None) -> tuple[int, int] | None:
    if given is None:
        return None
    if (sides := re.fullmatch(r"(\d{1,5})x(\d{1,5})", given)) is None:
        raise typer.BadParameter(f"{given} is no ROWSxCOLUMNS", param_hint="--size")
    return int(sides[1]), int(sides[2])


def _tensors(given: Sequence[str] | None) -> dict[str, str]:
    pairs = [text.partition("=") for text in given or ()]
    if wrong := [key for key, equals, value in pairs if not (key and equals and value)]:
        raise typer.BadParameter(f"{wrong[0]} is no KEY=NAME", param_hint="--tensor")
    return {key: value for key, _, value in pairs}
