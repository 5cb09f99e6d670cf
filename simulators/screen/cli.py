"""`jaitf-sim screen`: an operator's screen over RTSP or as a video file; its truth on standard output."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)

AHEAD_S = 10.0

_EPILOG = "Example: jaitf-sim screen --listen 127.0.0.1:8554 --act pause:20:5 --act invert:30:4 --json"


@app.command(epilog=_EPILOG)
def screen(
    listen: Annotated[
        str | None, typer.Option(help="127.0.0.1:PORT for RTSP; port 0: a free one, which is printed")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="write this video file (.mp4) and serve nothing")] = None,
    fps: Annotated[int, typer.Option(min=1, max=60, help="pictures a second")] = 12,
    px_s: Annotated[float, typer.Option(min=10, max=2000, help="how fast the belt moves, pixels a second")] = 200.0,
    scale: Annotated[float, typer.Option(min=0.25, max=2, help="the screen's size, 1 being 1280 x 720")] = 1.0,
    moves: Annotated[str, typer.Option(help="left, right, up or down")] = "left",
    threat_rate: Annotated[float, typer.Option(min=0, max=1, help="part of the bags with a threat")] = 0.3,
    act: Annotated[
        list[str] | None,
        typer.Option(help="ACT:AT_S:FOR_S, again and again: pause, reverse, zoom, invert, grey, menu, freeze, lost"),
    ] = None,
    count: Annotated[int, typer.Option(min=0, help="so many bags; 0: without end")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="the same seed, the same bags")] = 1,
    seconds: Annotated[float, typer.Option(min=0, help="stop after so long; 0: never (--file: 60)")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a line on standard output")] = False,
) -> None:
    """Simulate an operator's screen: bags scroll through it, and the operator does what operators do."""
    if (listen is None) == (file is None):
        raise typer.BadParameter("give either --listen 127.0.0.1:PORT or --file VIDEO.mp4")
    if moves not in ("left", "right", "up", "down"):
        raise typer.BadParameter(f"{moves!r} is none of left, right, up, down", param_hint="--moves")
    port = _port(listen) if listen else 0
    from simulators.screen.model import Layout, Screen  # here, so that help and mistakes answer at once

    shown = Screen(
        seed=seed,
        px_s=px_s,
        layout=Layout(moves=moves).scaled(scale),
        script=tuple(_event(text) for text in act or ()),
        threat_rate=threat_rate,
        count=count,
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        if file is not None:
            _write(shown, file, fps, seconds or 60.0, as_json, stop)
        else:
            _serve(shown, port, fps, seconds, as_json, stop)
    except (OSError, RuntimeError) as error:
        sys.stderr.write(f"jaitf-sim screen: {error}\n")
        raise typer.Exit(1) from None


def _port(text: str) -> int:
    host, _, port = text.rpartition(":")
    if host not in ("127.0.0.1", "localhost") or not port.isdigit() or int(port) > 65_535:
        raise typer.BadParameter(f"{text!r} is not 127.0.0.1:PORT", param_hint="--listen")
    return int(port)


def _event(text: str):
    from simulators.screen.model import Act, Event

    try:
        act, at_s, for_s = text.split(":")
        return Event(Act(act), float(at_s), float(for_s))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not ACT:AT_S:FOR_S", param_hint="--act") from None


def _tell(words: dict, plain: str, as_json: bool) -> None:
    sys.stdout.write((json.dumps(words) if as_json else plain) + "\n")
    sys.stdout.flush()


class _Truth:
    """Tells of each bag once the whole of it has come onto the screen."""

    def __init__(self, shown, as_json: bool) -> None:
        self._shown, self._json, self._told = shown, as_json, 0

    def tell(self, at_s: float) -> None:
        right = self._shown.position(at_s) + self._shown.along
        for bag in self._shown.bags[self._told :]:
            truth = bag.truth()
            if bag.start + truth["box"][2] > right:
                return
            self._told += 1
            what = ", ".join(str(t["kind"]) for t in truth["threats"]) or "nothing"
            words = {**truth, "whole_at_s": round(at_s, 3), "at": time.time(), "simulated": True}
            _tell(words, f"{at_s:7.2f} s  bag {bag.number}  {truth['bag']:<9} {what}", self._json)


def _write(shown, file: Path, fps: int, seconds: float, as_json: bool, stop: threading.Event) -> None:
    import cv2

    video = cv2.VideoWriter(str(file), cv2.VideoWriter_fourcc(*"mp4v"), fps, shown.layout.size)
    if not video.isOpened():
        raise RuntimeError(f"{file}: no video can be written there")
    truth = _Truth(shown, as_json)
    try:
        for at_s, picture in shown.frames(fps, seconds):
            if stop.is_set():
                break
            video.write(picture)
            truth.tell(at_s)
    finally:
        video.release()


def _moments(fps: int, seconds: float, stop: threading.Event) -> Iterator[float]:
    """Yield the time since the start, `fps` times a second."""
    started = time.monotonic()
    number = 0
    while not stop.is_set() and not (seconds and number / fps >= seconds):
        yield time.monotonic() - started
        number += 1
        stop.wait(max(started + number / fps - time.monotonic(), 0))


def _prepare(shown, stop: threading.Event) -> None:
    started = time.monotonic()
    while not stop.wait(0.1):
        shown.prepare(time.monotonic() - started + AHEAD_S)


def _serve(shown, port: int, fps: int, seconds: float, as_json: bool, stop: threading.Event) -> None:
    from simulators.screen.rtsp import RtspServer

    server = RtspServer(shown.layout.size, fps, port)
    preparing = threading.Thread(target=_prepare, args=(shown, stop), daemon=True)
    try:
        words = {"listening": server.url, "pid": server.pid, "settings": shown.layout.settings(), "simulated": True}
        _tell(words, f"simulated screen on {server.url}", as_json)
        truth = _Truth(shown, as_json)
        preparing.start()
        for at_s in _moments(fps, seconds, stop):
            if not server.alive:
                raise RuntimeError("the RTSP server has ended")
            server.show(shown.picture(at_s))
            truth.tell(at_s)
    finally:
        stop.set()
        server.close()
        if preparing.is_alive():
            preparing.join(5.0)
