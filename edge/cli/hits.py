"""`jaitf-edge hits`."""

from __future__ import annotations

import json as jsonlib
from enum import StrEnum
from typing import Annotated, Any

import typer

from edge.cli import output

app = typer.Typer()

_DAMAGED: dict[str, Any] = {"severity": "?", "threats": [{"label": "(damaged: see doctor)"}]}


class State(StrEnum):
    """Where a hit is on its way."""

    QUEUED = "queued"
    SENT = "sent"
    RECEIVED = "received"


@app.command(epilog="Example: jaitf-edge hits --state queued --json")
def hits(
    state: Annotated[State | None, typer.Option(help="Only the hits in this state.")] = None,
    config: output.ConfigOption = None,
    json: output.JsonOption = False,
) -> None:
    """List the hits in the ledger, oldest first; works beside a running appliance."""
    from edge.config.load import data_dir_of, find
    from edge.ledger.reader import Reader

    reader = Reader(data_dir_of(find(config)))
    rows = []
    for row in reader.hits(state.value if state else None):
        event = _event(row.pop("payload"))
        if json:
            output.json_line({**row, "event": event})
        else:
            data = event["data"] if event else _DAMAGED
            labels = ", ".join(threat["label"] for threat in data["threats"])
            way = f"{row['state']} (set aside: {row['set_aside']})" if row["set_aside"] else row["state"]
            rows.append((str(row["seq"]), row["committed_at"], row["device"], data["severity"], way, labels))
    reader.close()
    if not json:
        output.table(("seq", "committed", "device", "severity", "state", "threats"), rows)


def _event(payload: bytes) -> dict[str, Any] | None:
    """Return a hit as published, None where the disk no longer holds what was written: the other rows still count."""
    try:
        event: dict[str, Any] = jsonlib.loads(payload)
    except ValueError:
        return None
    return event
