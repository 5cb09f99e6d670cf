"""`jaitf-sim xray`: scans of simulated bags, over DICOS or into an export folder; their truth on standard output."""

from __future__ import annotations

import json
import logging
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from simulators.xray.bag import SimScan
    from simulators.xray.wire import Identity

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Format(StrEnum):
    """What an export folder gets."""

    PNG = "png"
    JPEG = "jpeg"
    TIFF = "tiff"
    DICOS = "dicos"


_EPILOG = "Example: jaitf-sim xray --to 127.0.0.1:11112 --every-s 2 --count 10 --seed 7 --json"


@app.command(epilog=_EPILOG)
def xray(
    to: Annotated[str | None, typer.Option(help="HOST:PORT of the appliance's DICOS device")] = None,
    folder: Annotated[Path | None, typer.Option(help="write into this export folder and send nothing")] = None,
    ae_title: Annotated[str, typer.Option(help="AE title that is called")] = "EDGE",
    calling_ae_title: Annotated[str, typer.Option(help="AE title of the scanner")] = "SCANNER",
    every_s: Annotated[float, typer.Option(min=0, help="seconds from one bag to the next")] = 1.5,
    count: Annotated[int, typer.Option(min=0, help="stop after so many scans; 0: never")] = 0,
    seed: Annotated[int | None, typer.Option(min=0, help="of the bags; without it, other bags each time")] = None,
    threat_rate: Annotated[float, typer.Option(min=0, max=1, help="part of the bags with a threat")] = 0.3,
    threat: Annotated[str, typer.Option(help="kind of threat, or any")] = "any",
    dual: Annotated[bool, typer.Option("--dual", help="send low and high energy as two instances")] = False,
    file_format: Annotated[Format, typer.Option("--format", help="of the files in --folder")] = Format.PNG,
    labels: Annotated[bool, typer.Option("--labels", help="write the truth into labels.jsonl in --folder")] = False,
    paired: Annotated[bool, typer.Option("--paired", help="each bag twice: as it is, and with a threat in it")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a scan on standard output")] = False,
) -> None:
    """Simulate an X-ray scanner: packed bags, some with threats, stored over DICOS or written as files."""
    if (to is None) == (folder is None):
        raise typer.BadParameter("give either --to HOST:PORT or --folder DIR")
    if folder is None and (labels or paired):
        raise typer.BadParameter("--labels and --paired are for --folder")
    address = _address(to) if to else None
    from simulators.xray.threats import THREATS  # here, so that help and mistakes answer at once

    if threat != "any" and threat not in THREATS:
        raise typer.BadParameter(f"no threat {threat!r}; there are: {', '.join(THREATS)}")
    if folder is not None and labels:
        _make_for_labels(folder)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # what fails is said by this command
    run = _Run(secrets.randbelow(1 << 31) if seed is None else seed, threat_rate, threat, dual, as_json, stop)
    failed = (
        run.into_folder(folder, file_format, every_s, count, labels, paired)
        if folder
        else run.over_wire(address or ("", 0), ae_title, calling_ae_title, every_s, count)
    )
    raise typer.Exit(1 if failed else 0)


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 65536:
        raise typer.BadParameter(f"{text!r} is no HOST:PORT", param_hint="--to")
    return host.strip("[]") or "127.0.0.1", int(port)


def _make_for_labels(folder: Path) -> None:
    """Make the folder where there is none; refuse one that has labels already."""
    from simulators.xray.export import LABELS

    if (folder / LABELS).exists():
        raise typer.BadParameter(f"{folder / LABELS} is already there; labels need a folder of their own")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"{folder}: {error.strerror or error}", param_hint="--folder") from None


class _Run:
    def __init__(self, seed: int, rate: float, threat: str, dual: bool, as_json: bool, stop: threading.Event) -> None:
        import numpy

        self._rng = numpy.random.default_rng([seed, 0x5752])
        self._rate, self._threat, self._dual, self._json, self._stop = rate, threat, dual, as_json, stop
        self._seed = seed

    def _next(self, number: int) -> tuple[SimScan, Identity]:
        from simulators.xray.bag import make_scan
        from simulators.xray.wire import Identity

        threat = self._threat if self._rng.random() < self._rate else None
        return make_scan(self._seed * 1_000_003 + number, threat), Identity.make(self._rng, number)

    def _pair(self, number: int) -> list[tuple[SimScan, Identity]]:
        """Return one bag as it is and with a threat in it, under numbers of their own and one tag."""
        from simulators.xray.bag import make_scan
        from simulators.xray.wire import Identity

        who = Identity.make(self._rng, 2 * number - 1)
        seed = self._seed * 1_000_003 + number
        return [(make_scan(seed), who), (make_scan(seed, self._threat), who.next())]

    def over_wire(self, to: tuple[str, int], called: str, calling: str, every_s: float, count: int) -> bool:
        """Store scans until told to stop; true where any was not stored."""
        from simulators.xray.wire import Scanner, datasets, store_all

        scanner, failed = Scanner(*to, ae_title=called, calling_ae_title=calling), False
        try:
            for number in self._beats(every_s, count):
                scan, who = self._next(number)
                answers = store_all(scanner, datasets(scan, who, self._dual), self._stop.wait, _say)
                failed = failed or not all(a.ok for a in answers)
                self._tell(scan, who, status=max(a.status for a in answers), ms=round(sum(a.ms for a in answers), 1))
        finally:
            scanner.close()
        return failed

    def into_folder(
        self, folder: Path, form: Format, every_s: float, count: int, labels: bool = False, paired: bool = False
    ) -> bool:
        """Write scans, each under a hidden name first and renamed when whole; true where any was not written."""
        from simulators.xray.export import label, write

        for number in self._beats(every_s, count):
            for scan, who in self._pair(number) if paired else [self._next(number)]:
                started = time.monotonic()
                try:
                    paths = write(folder, form.value, scan, who, self._dual)
                    if labels:
                        label(folder, paths, scan, who)
                except OSError as error:
                    _say(f"{folder}: {error.strerror or error}")
                    return True
                self._tell(scan, who, file=str(paths[-1]), ms=round((time.monotonic() - started) * 1e3, 1))
        return False

    def _beats(self, every_s: float, count: int) -> Iterator[int]:
        """Yield 1, 2, 3 ... at the belt's pace."""
        number, due = 0, time.monotonic()
        while not self._stop.is_set() and (not count or number < count):
            number += 1
            yield number
            due = max(due + every_s, time.monotonic() - every_s)
            if not count or number < count:
                self._stop.wait(max(due - time.monotonic(), 0))

    def _tell(self, scan: SimScan, who: Identity, **more: object) -> None:
        threats = [{"label": t.label, "category": t.category, "kind": t.kind, "box": list(t.box)} for t in scan.truth]
        if self._json:
            line = {"scan_id": who.scan_uid, "bag_tag": who.bag_tag, "bag": scan.bag, "threats": threats, **more}
            print(json.dumps(line), flush=True)  # noqa: T201  # the command's output
            return
        what = ", ".join(f"{t['kind']} at {tuple(t['box'])}" for t in threats) or "nothing"
        tail = " ".join(f"{key} {value:#06x}" if key == "status" else f"{key} {value}" for key, value in more.items())
        print(f"{who.bag_tag}  {scan.bag:<9} {what}  {tail}", flush=True)  # noqa: T201  # the command's output


def _say(text: str) -> None:
    print(f"jaitf-sim xray: {text}", file=sys.stderr, flush=True)  # noqa: T201  # the command's output
