"""`jaitf-edge evidence`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from edge.cli import output

app = typer.Typer(
    no_args_is_help=True,
    help="Export evidence packages, and verify them.",
    epilog="Example: jaitf-edge evidence verify hit.zip",
)


@app.command(epilog="Example: jaitf-edge evidence export 019d3c6e-7a51-7c1e-b1a0-5f0c7d6f2c11 --out hit.zip")
def export(
    hit_id: Annotated[str, typer.Argument(metavar="HIT_ID", help="The hit; `jaitf-edge hits` lists them.")],
    out: Annotated[Path, typer.Option(help="The package to write; never written over.")],
    config: output.ConfigOption = None,
    json: output.JsonOption = False,
) -> None:
    """Write the evidence package of a hit; works beside a running appliance."""
    from drivers.clock import SystemClock
    from edge.config.load import data_dir_of, find
    from edge.evidence import export as export_package

    manifest = export_package(data_dir_of(find(config)), hit_id, out, SystemClock())
    if json:
        output.json_line(manifest)
    else:
        output.line(f"{out}: {len(manifest['files'])} files, signed by key {manifest['key_fingerprint']}")


@app.command(epilog="Example: jaitf-edge evidence verify hit.zip --key 3f0a...")
def verify(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="A package; without one, the chain of this appliance's ledger."),
    ] = None,
    key: Annotated[str | None, typer.Option(help="The fingerprint that the key must have (`doctor` shows it).")] = None,
    config: output.ConfigOption = None,
    json: output.JsonOption = False,
) -> None:
    """Check an evidence package, on any machine, or the ledger's chain on the appliance. Exit status 1: it fails."""
    from edge.evidence import Finding
    from edge.evidence import verify as verify_package

    if file is not None:
        findings = verify_package(file, key)
    else:
        from edge.config.load import data_dir_of, find
        from edge.evidence.agree import disagreements
        from edge.evidence.rows import bad_signatures, broken_links, changed_files, unburied, wrong_acts

        data_dir = data_dir_of(find(config))
        findings = [Finding(False, problem) for problem in broken_links(data_dir)]
        findings = findings or [Finding(True, "the ledger's chain is whole")]
        apart = [Finding(False, problem) for problem in disagreements(data_dir)]
        findings += apart or [Finding(True, "the tables say what the chains say")]
        forged = [Finding(False, problem) for problem in bad_signatures(data_dir)]
        findings += forged or [Finding(True, "every signed hit carries this appliance's signature")]
        acts = [Finding(False, problem) for problem in wrong_acts(data_dir)]
        findings += acts or [Finding(True, "the chain of what was done about hits is whole")]
        changed = [Finding(False, problem) for problem in (*changed_files(data_dir), *unburied(data_dir))]
        findings += changed or [Finding(True, "every evidence file is as committed, or has its tombstone")]
    for finding in findings:
        if json:
            output.json_line({"ok": finding.ok, "what": finding.what})
        else:
            output.line(f"{'ok  ' if finding.ok else 'FAIL'}  {output.one_line(finding.what)}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command(epilog="Example: jaitf-edge evidence dataset --out labelled/ --since 2026-11-01")
def dataset(
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to make; never written over.")],
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The first day (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day (UTC).")] = None,
    config: output.ConfigOption = None,
    json: output.JsonOption = False,
) -> None:
    """Make a labelled folder of what officers have said about hits, for `model evaluate` and the next training.

    Only alarms are in it: it says how often they are right, not what is missed. Who made it is logged.
    """
    from drivers.clock import SystemClock
    from edge.config.load import data_dir_of, find
    from edge.evidence.dataset import make

    start = since.replace(tzinfo=UTC) if since else datetime(1970, 1, 1, tzinfo=UTC)
    end = until.replace(tzinfo=UTC) + timedelta(days=1) if until else datetime(9999, 1, 1, tzinfo=UTC)
    first, last = (min(int(at.timestamp()) * 1_000_000_000, 2**63 - 1) for at in (start, end))
    made = make(data_dir_of(find(config)), out, first, last, SystemClock())
    if json:
        output.json_line({"threats": made.threats, "benign": made.benign, "left_out": made.left_out})
        return
    output.line(f"{out}: {made.threats} with a find, {made.benign} with nothing found")
    for why, count in made.left_out.items():
        output.line(f"left out: {count} {why}")
