"""`jaitf-sim bodyscanner`: a simulated body scanner, by its reports on persons over DICOS or by its relay contacts."""

from __future__ import annotations

import json
import logging
import secrets
import signal
import sys
import threading
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_EPILOG = "Example: jaitf-sim bodyscanner --to 127.0.0.1:11113 --every-s 5 --alarm-rate 0.3 --seed 7 --json"


@app.command(epilog=_EPILOG)
def bodyscanner(
    to: Annotated[str | None, typer.Option(help="HOST:PORT of the appliance's DICOS device")] = None,
    contacts: Annotated[
        str | None, typer.Option(help="HOST:PORT to serve relay contacts on over Modbus/TCP, and no reports")
    ] = None,
    ae_title: Annotated[str, typer.Option(help="AE title that is called")] = "EDGE",
    calling_ae_title: Annotated[str, typer.Option(help="AE title of the scanner")] = "BODYSCAN",
    every_s: Annotated[float, typer.Option(min=0, help="seconds from one person to the next")] = 6.0,
    count: Annotated[int, typer.Option(min=0, help="stop after so many persons; 0: never")] = 0,
    seed: Annotated[int | None, typer.Option(min=0, help="of the passages; without it, others each time")] = None,
    alarm_rate: Annotated[float, typer.Option(min=0, max=1, help="part of the persons with an anomaly")] = 0.2,
    abort_rate: Annotated[float, typer.Option(min=0, max=1, help="part of the scans that come to nothing")] = 0.02,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="try to store a picture of each person too, which must be refused")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a passage on standard output")] = False,
) -> None:
    """Simulate a body scanner: each passage is a report with zones, stored over DICOS; its truth on standard output.

    With --contacts it is a scanner that only has relays: the map of the Modbus profile bodyscanner-contacts.
    """
    if contacts is not None and to is None:
        from simulators.modbus.cli import Profile, modbus

        modbus(listen=contacts, profile=Profile("bodyscanner-contacts"), every_s=every_s, as_json=as_json)
        return
    if to is None or contacts is not None:
        raise typer.BadParameter("give either --to HOST:PORT or --contacts HOST:PORT")
    host, colon, port = to.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 65_536:
        raise typer.BadParameter(f"{to!r} is no HOST:PORT", param_hint="--to")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # what fails is said by this command
    from simulators.bodyscanner import wire  # here, so that help and mistakes answer at once
    from simulators.bodyscanner.model import BodyScanner
    from simulators.xray.wire import Scanner, store_all

    peer = (host.strip("[]") or "127.0.0.1", int(port))
    titles = {"ae_title": ae_title, "calling_ae_title": calling_ae_title}
    scanner = Scanner(*peer, **titles, sop_class=wire.TDR)
    imager = Scanner(*peer, **titles, sop_class=wire.AIT_2D) if pictures else None
    people = BodyScanner(secrets.randbelow(1 << 31) if seed is None else seed, alarm_rate, abort_rate)
    failed, done = False, 0
    try:
        while not stop.is_set() and (not count or done < count):
            passage, done = people.next(), done + 1
            stored = store_all(scanner, [wire.report(passage)], stop.wait, _say)[-1]
            failed = failed or not stored.ok
            told = {
                "passage": passage.number,
                "decision": passage.decision.lower(),
                "zones": sorted(anomaly.zone for anomaly in passage.anomalies),
                "status": stored.status,
            }
            if imager:
                told["picture_taken"] = imager.store(wire.picture(passage.number)).ok
            sys.stdout.write(json.dumps(told) + "\n" if as_json else _line(told))
            sys.stdout.flush()
            if count and done >= count:
                break
            stop.wait(every_s)
    finally:
        scanner.close()
        if imager:
            imager.close()
    raise typer.Exit(1 if failed else 0)


def _line(told: dict[str, object]) -> str:
    zones = told["zones"]
    where = ", ".join(zones) if isinstance(zones, list) and zones else "nothing"
    return f"passage {told['passage']}: {told['decision']}, {where}; status {told['status']}\n"


def _say(text: str) -> None:
    sys.stderr.write(f"jaitf-sim bodyscanner: {text}\n")
