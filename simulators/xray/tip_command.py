"""`jaitf-sim tip`: puts a simulated threat into a picture of an ordinary bag, as the scanner would have shown it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_EPILOG = "Example: jaitf-sim tip bag.png --threat pistol --out bag-with-pistol.png --seed 4 --json"


@app.command(epilog=_EPILOG)
def tip(
    picture: Annotated[Path, typer.Argument(help="a display's colour picture of a bag (PNG, JPEG, TIFF)")],
    out: Annotated[Path, typer.Option(help="where the picture with the threat goes")],
    threat: Annotated[str, typer.Option(help="kind of threat")] = "pistol",
    px_mm: Annotated[float, typer.Option(min=0.05, max=20, help="millimetres a pixel")] = 0.9,
    seed: Annotated[int, typer.Option(min=0, help="of the threat's form, pose and place")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="the truth as one JSON object on standard output")] = False,
) -> None:
    """Project a simulated threat into a benign picture: attenuations add, and metal keeps metal's colour."""
    import cv2
    import numpy as np

    from simulators.xray.threats import THREATS
    from simulators.xray.tip import bag_region, into_colour, make_insert

    if threat not in THREATS:
        raise typer.BadParameter(f"no threat {threat!r}; there are: {', '.join(THREATS)}", param_hint="--threat")
    bag = cv2.imread(str(picture), cv2.IMREAD_COLOR) if picture.is_file() else None
    if bag is None:
        typer.echo(f"jaitf-sim tip: {picture}: no picture that can be read", err=True)
        raise typer.Exit(1)
    rgb = cv2.cvtColor(bag, cv2.COLOR_BGR2RGB)
    try:
        insert = make_insert(np.random.default_rng(seed), threat, *rgb.shape[:2], px_mm, bag_region(rgb))
        done = cv2.imwrite(str(out), cv2.cvtColor(into_colour(rgb, insert), cv2.COLOR_RGB2BGR))
    except (ValueError, cv2.error) as error:
        typer.echo(f"jaitf-sim tip: {error}", err=True)
        raise typer.Exit(1) from None
    if not done:
        typer.echo(f"jaitf-sim tip: {out}: could not be written", err=True)
        raise typer.Exit(1)
    truth = insert.truth
    told = {"file": str(out), "label": truth.label, "category": truth.category, "kind": truth.kind, "box": truth.box}
    typer.echo(json.dumps(told) if as_json else f"{out}: {truth.kind} at {truth.box}")
