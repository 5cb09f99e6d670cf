"""`jaitf-edge model`: what packages are there, is one intact, how fast does it judge."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drivers.errors import ModelError
from edge.cli import model_adapt, model_calibrate, model_evaluate, model_import, output

if TYPE_CHECKING:
    from drivers.contract import Picture
    from inference.manifest import Manifest
    from inference.package import Package

app = typer.Typer(no_args_is_help=True, epilog="Example: jaitf-edge model list")

PackageArgument = Annotated[str, typer.Argument(metavar="PKG", help="A built-in name, a folder or a zip.")]


@app.callback()
def top() -> None:
    """Look after model packages."""


@app.command("list", epilog="Example: jaitf-edge model list --json")
def list_packages(json: output.JsonOption = False) -> None:
    """List the packages that come with the appliance; a damaged one is named, and the exit status is 1."""
    from inference.package import built_in

    rows, broken = [], False
    for name in built_in():
        try:
            manifest = _read(name).manifest
            row = {"name": name, "version": manifest.version, "summary": manifest.summary, "problem": None}
        except ModelError as error:
            row = {"name": name, "version": None, "summary": "", "problem": str(error)}
            broken = True
        if json:
            output.json_line(row)
        rows.append((name, row["version"] or "-", output.one_line(row["problem"] or row["summary"] or "")))
    if not json:
        output.table(("name", "version", "summary"), rows)
    if broken:
        raise typer.Exit(1)


@app.command(epilog="Example: jaitf-edge model info baggage")
def info(
    package: PackageArgument = "baggage",
    card: Annotated[bool, typer.Option("--card", help="Print the whole card.")] = False,
    json: output.JsonOption = False,
) -> None:
    """Say what a package is: its labels, its operating points, its input and its files. Runs nothing of it."""
    found = _read(package)
    if json:
        output.json_line(_facts(found) | ({"card": found.card} if card else {}))
        return
    facts = _facts(found)
    for key in ("name", "version", "summary", "licence", "sha256", "opset", "decoder", "path", "signed_by"):
        if facts[key] is not None and facts[key] != "":
            output.line(f"{key:<10} {output.one_line(str(facts[key]))}")
    points = facts["operating_points"]
    output.line(f"{'alarms':<10} from {points['normal']:g} on; elevated: from {points['elevated']:g} on")
    for given in facts["inputs"]:
        output.line(f"{'input':<10} " + ", ".join(f"{k} {v}" for k, v in given.items() if v is not None))
    for label in facts["labels"]:
        harmless = "" if label["alarm"] else " (never alarms)"
        output.line(f"{'label':<10} {label['name']} [{label['category']}]{harmless}")
    if card:
        output.line("")
        output.line(found.card.rstrip())


@app.command(epilog="Example: jaitf-edge model verify ./our-model.zip")
def verify(
    package: PackageArgument = "baggage",
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Public keys (PEM): one of them must have signed it.")
    ] = None,
    json: output.JsonOption = False,
) -> None:
    """Check all of a package: hashes, signature, opset, tensors, and its golden scans on this machine."""
    from inference import load

    try:
        model = load(_place(package), 1, keys)
    except ModelError as error:
        if not json:
            raise
        output.json_line({"package": package, "ok": False, "problem": str(error)})
        raise typer.Exit(1) from error
    golden = len(model.manifest.golden)
    if json:
        output.json_line({"package": package, "ok": True, "problem": None, "golden": golden, "sha256": model.sha256})
        return
    output.line(f"ok: {model.name} {model.version}, {len(model.manifest.files)} files, {golden} golden scans")


@app.command(epilog="Example: jaitf-edge model sign ./our-model --key signer.pem")
def sign(
    package: Annotated[Path, typer.Argument(metavar="PKG", help="A package's folder.")],
    key: Annotated[Path, typer.Option(metavar="FILE", help="An Ed25519 private key (PEM), without a password.")],
) -> None:
    """Sign a package: `[inference] model_keys_file` makes signatures of listed keys a condition for judging."""
    from inference.trust import sign as sign_package

    try:
        kid = sign_package(package, key.read_bytes())
    except OSError as error:
        raise ModelError(f"{error.filename}: {error.strerror}") from error
    output.line(f"signed: {package}, by {kid}")


@app.command(epilog="Example: jaitf-edge model bench baggage --threads 2 --scans 200 --json")
def bench(
    package: PackageArgument = "baggage",
    threads: Annotated[int, typer.Option(min=0, max=256, help="Threads a judgement; 0: as many as cores.")] = 0,
    scans: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many judgements are timed.")] = 100,
    files: Annotated[
        list[Path] | None, typer.Option("--file", metavar="FILE", help="Judge these files in turn; else golden scans.")
    ] = None,
    json: output.JsonOption = False,
) -> None:
    """Time judgements as the appliance makes them, preparing the pictures included; reading files is not."""
    from inference import load
    from inference.runtime import cores

    started = time.perf_counter()
    model = load(_place(package), threads)
    load_ms = (time.perf_counter() - started) * 1000
    work = [_pictures(file) for file in files] if files else model.golden_scans()
    for pictures in work:
        model.judge(pictures)
    before = _rss_bytes()
    times = [model.judge(work[number % len(work)]).ms for number in range(scans)]
    times.sort()
    result: dict[str, Any] = {
        "model": {"name": model.name, "version": model.version},
        "threads": threads or cores(),
        "scans": scans,
        "pixels": [[p.columns, p.rows] for pictures in work for p in pictures][:16],
        "load_ms": round(load_ms, 1),
        **{f"p{q}_ms": round(times[min(scans - 1, scans * q // 100)], 1) for q in (50, 95, 99)},
        "max_ms": round(times[-1], 1),
        "rss_bytes": _rss_bytes(),
        "rss_growth_bytes": _rss_bytes() - before,
    }
    if json:
        output.json_line(result)
        return
    output.line(f"{model.name} {model.version}, {result['threads']} threads, {scans} scans")
    output.line("  ".join(f"{name} {result[f'{name}_ms']:.1f} ms" for name in ("p50", "p95", "p99", "max", "load")))
    output.line(f"memory {result['rss_bytes'] / 1e6:.0f} MB, {result['rss_growth_bytes'] / 1e6:+.1f} MB while judging")


app.command("evaluate", epilog=model_evaluate.EPILOG)(model_evaluate.evaluate)
app.command("import", epilog=model_import.EPILOG)(model_import.import_model)
app.command("adapt", epilog=model_adapt.EPILOG)(model_adapt.adapt)
app.command("calibrate", epilog=model_calibrate.EPILOG)(model_calibrate.calibrate)


def _place(package: str) -> str | Path:
    return Path(package) if "/" in package else package


def _read(package: str) -> Package:
    from inference.package import find, read

    return read(find(_place(package)))


def _facts(package: Package) -> dict[str, Any]:
    manifest: Manifest = package.manifest
    return {
        "name": manifest.name,
        "version": manifest.version,
        "summary": manifest.summary,
        "licence": manifest.licence,
        "path": str(package.path),
        "sha256": package.sha256,
        "opset": manifest.opset,
        "decoder": manifest.output.decoder,
        "inputs": [given.model_dump(mode="json") for given in manifest.inputs],
        "labels": [label.model_dump(mode="json") for label in manifest.labels],
        "operating_points": manifest.operating_points.model_dump(),
        "golden": len(manifest.golden),
        "files": {name: len(data) for name, data in sorted(package.files.items())},
        "signed_by": manifest.signature.kid if manifest.signature else None,
    }


def _pictures(file: Path) -> tuple[Picture, ...]:
    from edge.cli.inspect import read_scan

    scan = read_scan(file)
    if not scan.pictures:
        raise ModelError(f"{file}: {scan.problem or 'there is no picture in the file'}")
    return scan.pictures


def _rss_bytes() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)
