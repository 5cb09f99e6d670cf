"""A six-device lane: memory and processor while nothing passes; scans a second while many do, and memory then."""

from __future__ import annotations

import contextlib
import math
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import box
from benchmarks.ears import Ears, Heard, is_up
from benchmarks.floor import Floor
from benchmarks.harness import Bar, Row, Say, Spread, slope
from benchmarks.scan import DEVICE
from benchmarks.scanner import Bag, bags, storing
from drivers.ports import free_port

IDLE_S, IDLE_SHORT_S = 20.0, 4.0
SETTLE_S = 8.0
KINDS = 24
SCANS = 10_000
LOAD_S, LOAD_SHORT_S = 300.0, 6.0
SCANNERS = 2
ROUND = 500
"""Scans that a scanner stores over one association."""
SAMPLE_S = 1.0
LOOK_S = 0.05
WARM_UP = 150
FLOOR_RUNS = 100
SLOPE_MB = 0.5
SHARE_OF_BARE = 0.9
FILLED = 2_000
"""By so many scans is full what holds a fixed number of things: 500 scores, 500 lines of the log, SQLite's pages, 4.7
MB; but for the names of the last 4,096 objects that a scanner stored, 1 MB. What grows from there on grows for ever."""
PAUSE_S, REST_S = 8.0, 45.0
"""After the last scan: what is free is given back after 5 s, and what the model works in after 30 s."""

_MODBUS = 'driver = "modbus"\n[settings]\nurl = "tcp://127.0.0.1:{port}"\n'
_POINT = '[[settings.points]]\nname = "walk-through"\ntable = "holding"\naddress = 0\nalarm = "on_change"\n'
_LLRP = 'driver = "llrp"\n[settings]\nurl = "tcp://127.0.0.1:{port}"\n'
_CODES = 'driver = "codereader"\n[settings]\nurl = "tcp://127.0.0.1:{port}"\n'
#: The lane of config/examples/passenger: what simulates each device, and its device file.
_SERVED = {
    "portal-1": ("counter {} counter_hz=0", _MODBUS + _POINT),
    "body-1": ("bodyscanner {} every_s=100000", _MODBUS + 'profile = "bodyscanner-contacts"\n'),
    "k9-1": ("tagreader {} bag_s=0 team=0", _LLRP),
    "tags-1": ("tagreader {} bag_s=0 team=0", _LLRP),
    "pass-1": ("passes {} every_s=100000", _CODES),
}


def rows(folder: Path, short: bool, say: Say) -> list[Row]:
    """Return the three rows."""
    kinds = bags(folder / "bags", 8 if short else KINDS)
    with box.broker(folder) as broker_port, _served() as ports:
        files = {name: text.format(port=ports[name]) for name, (_, text) in _SERVED.items()}
        dicos = free_port()
        config = box.configure(folder / "edge", broker_port, files | {"xray-1": DEVICE.format(port=dicos)})
        heard = _Heard()
        with Ears(broker_port, f"{box.UP}/#", on_message=heard.hear) as ears, box.appliance(config) as process:
            for name in (*_SERVED, "xray-1"):
                ears.wait(is_up(name), 30)
            ears.forget()
            idle_s = IDLE_SHORT_S if short else IDLE_S
            say(f"six devices, nothing passes, for {idle_s:.0f} s")
            time.sleep(SETTLE_S)
            before = box.cost(process.pid)
            time.sleep(idle_s)
            after = box.cost(process.pid)
            parts = box.by_process(process.pid)
            load = _Load(folder, dicos, kinds, heard, process)
            say("scans as fast as they are taken")
            load.run(_seconds(short), SCANS, say)
    say("bare ONNX Runtime in a loop")
    floor = Floor(kinds)
    floor.measure(20 if short else FLOOR_RUNS)
    return [_memory(before, parts, load), _idle(before, after), _sustained(load, floor)]


def _seconds(short: bool) -> float:
    """Return for how long scans are stored at most; a long run stores them all."""
    if short:
        return LOAD_SHORT_S
    return math.inf if os.environ.get("JAITF_BENCH_LONG") else LOAD_S


class _Heard:
    """Counts verdicts; keeps nothing."""

    def __init__(self) -> None:
        self.verdicts = 0
        self.hits = 0

    def hear(self, ears: Ears, heard: Heard) -> None:
        self.verdicts += "/up/verdict/" in heard.topic
        if "/up/hit/" in heard.topic:
            self.hits += 1
            start = heard.payload.find(b'"hit_id":"') + 10
            hit_id = heard.payload[start : start + 36]
            ears.client.publish(f"{box.DOWN}/receipt", b'{"hit_id":"%s","rev":0}' % hit_id, qos=1)


class _Load:
    """Scanners that store without a pause, each over an association of its own, and what the lane makes of it."""

    def __init__(self, folder: Path, port: int, kinds: list[Bag], heard: _Heard, process: box.Process) -> None:
        self.stored = self.refused = 0
        self.per_s = 0.0
        self.cpu_ms = self.beside_ms = 0.0
        self.pause_mb = self.rest_mb = 0.0
        self.memory: list[tuple[float, float]] = []
        self.anonymous: list[tuple[float, float]] = []
        self._port, self._files = port, _written(folder / "stored", kinds)
        self._heard, self._process = heard, process
        self._over = threading.Event()
        self._lock = threading.Lock()

    def run(self, seconds: float, scans: int, say: Say) -> None:
        """Store until so many scans are through, or for so long where that is sooner."""
        threads = [threading.Thread(target=self._scan, args=(number,), daemon=True) for number in range(SCANNERS)]
        for thread in threads:
            thread.start()
        began_s, began = time.monotonic(), 0
        cost, all_s = box.cost(self._process.pid), box.cpu_s_of_all()
        told_s = began_s
        while not self._done(began_s, seconds, scans):
            time.sleep(SAMPLE_S)
            now = box.cost(self._process.pid)
            through = self._heard.verdicts
            if through < WARM_UP and seconds > LOAD_SHORT_S:
                began, cost, all_s = through, now, box.cpu_s_of_all()
            else:
                self.memory.append((through, now.pss_bytes / 1e6))
                self.anonymous.append((through, now.anonymous_bytes / 1e6))
            if now.at_s - told_s > 30:
                told_s = now.at_s
                say(f"{through} scans, {now.pss_bytes / 1e6:.0f} MB")
        end, through = box.cost(self._process.pid), self._heard.verdicts
        self.stored = through
        self.per_s = (through - began) / (end.at_s - cost.at_s)
        self.cpu_ms = 1e3 * (end.cpu_s - cost.cpu_s) / max(1, through - began)
        self.beside_ms = 1e3 * (box.cpu_s_of_all() - all_s) / max(1, through - began) - self.cpu_ms
        self._over.set()
        for thread in threads:
            thread.join(30)
        time.sleep(PAUSE_S)
        self.pause_mb = self.rest_mb = box.cost(self._process.pid).pss_bytes / 1e6
        if seconds > LOAD_SHORT_S:
            time.sleep(REST_S - PAUSE_S)
            self.rest_mb = box.cost(self._process.pid).pss_bytes / 1e6

    def _done(self, began_s: float, seconds: float, scans: int) -> bool:
        return self._heard.verdicts >= scans or time.monotonic() - began_s >= seconds

    def _scan(self, number: int) -> None:
        chance = random.Random(number)
        while not self._over.is_set():
            scanner = storing(self._port, chance.choices(self._files, k=ROUND))
            try:
                while not self._over.wait(LOOK_S) and scanner.status is None:
                    pass
                self.refused += bool(scanner.status)
            finally:
                scanner.stop()


def _written(folder: Path, kinds: list[Bag]) -> list[Path]:
    folder.mkdir()
    files = [folder / f"{number}.dcs" for number in range(len(kinds))]
    for file, bag in zip(files, kinds, strict=True):
        file.write_bytes(bag.data)
    return files


@contextlib.contextmanager
def _served() -> Iterator[dict[str, int]]:
    """Run the simulated devices but the scanner, and yield their ports."""
    ports = {name: free_port() for name in _SERVED}
    words = [["--serve", what.format(f"127.0.0.1:{ports[name]}")] for name, (what, _) in _SERVED.items()]
    with box.simulated("lane", *[word for pair in words for word in pair]) as process:
        ends = time.monotonic() + box.START_S
        while process.objects() < len(_SERVED):
            if time.monotonic() > ends:
                raise box.NotUp(f"the simulated lane is not up; it said: {process.tail()}")
            time.sleep(0.05)
        yield ports


def _memory(idle: box.Cost, parts: dict[str, float], load: _Load) -> Row:
    behind = [(scans, mb) for scans, mb in load.memory if scans >= FILLED]
    own = [(scans, mb) for scans, mb in load.anonymous if scans >= FILLED]
    enough = len(behind) > 2 and behind[-1][0] - behind[0][0] >= FILLED
    grown, error = (1000 * each for each in slope(behind)) if enough else (0.0, 0.0)
    own_grown, own_error = (1000 * each for each in slope(own)) if enough else (0.0, 0.0)
    scans, end_mb = load.memory[-1] if load.memory else (0, idle.pss_bytes / 1e6)
    said = f"{grown:+.2f} MB per 1,000 scans (standard error {error:.2f})" if enough else "too few for a slope"
    return Row(
        "lane",
        "memory of a six-device lane (PSS, all processes)",
        f"{idle.pss_bytes / 1e6:.0f} MB idle, {load.rest_mb:.0f} MB at rest after {scans:,.0f} scans,"
        f" {load.pause_mb:.0f} MB in a pause of {PAUSE_S:.0f} s, {end_mb:.0f} MB amid them; {said}",
        "-",
        "at most 300 MB, slope nil",
        (
            Bar("idle, MB", idle.pss_bytes / 1e6, 300),
            Bar("after the scans, MB", load.rest_mb, 300),
            Bar("MB per 1,000 scans", grown, SLOPE_MB)
            if enough
            else Bar("scans for a slope", scans, 2 * FILLED, at_most=False),
        ),
        "idle: "
        + ", ".join(f"{name.removeprefix('jaitf-edge-')} {mb:.0f}" for name, mb in parts.items())
        + f"; nil: under {SLOPE_MB} MB per 1,000 scans, of the straight line through {len(behind)} samples behind"
        f" the first {FILLED:,} scans, by which what is bounded in number is full; of it {own_grown:+.2f} (standard"
        f" error {own_error:.2f}) is no file's, and the rest code, which is shared among all who have it mapped;"
        f" at rest: {REST_S:.0f} s after the last scan",
        {"idle_mb": parts, "samples": load.memory, "anonymous": load.anonymous},
    )


def _idle(before: box.Cost, after: box.Cost) -> Row:
    share = after.share_since(before)
    return Row(
        "lane",
        "processor of an idle six-device lane",
        f"{share:.1%} of a core",
        "-",
        "at most 3 % of a core",
        (Bar("share of a core", share, 0.03),),
        "two Modbus devices are polled all the while, every 20 and every 50 ms",
        {"share": share},
    )


def _sustained(load: _Load, floor: Floor) -> Row:
    bare_per_s = 1 / Spread.of(floor.run_s).p50
    fed_per_s = 1 / Spread.of(floor.whole_s).p50
    feed_ms, graph_ms = (1e3 * each for each in floor.least_cpu_s(len(floor.run_s)))
    cores = len(os.sched_getaffinity(0))
    at_bar_ms = 1e3 * cores / (SHARE_OF_BARE * bare_per_s)
    return Row(
        "lane",
        "scans a second through the whole lane, sustained",
        f"{load.per_s:.1f}; {load.cpu_ms:.0f} ms of processor time a scan",
        f"bare ONNX Runtime in a loop {bare_per_s:.1f}; with preprocessing {fed_per_s:.1f}",
        f"at least {SHARE_OF_BARE} of bare",
        (Bar("of bare", load.per_s / bare_per_s, SHARE_OF_BARE, at_most=False),),
        f"{load.stored:,} scans stored by {SCANNERS} scanners (dcmtk), {load.refused} refused; scanners, broker and"
        " subscriber share the cores with the lane, and bare ONNX Runtime has them to itself. Of processor time a scan"
        f" takes {load.cpu_ms:.1f} ms in the lane, and {load.beside_ms:.1f} ms in scanners, broker, subscriber and this"
        f" measuring; at {SHARE_OF_BARE} of bare {cores} cores have {at_bar_ms:.1f} ms for both. The graph alone, with"
        f" one thread and all of a core's cache, takes {graph_ms:.1f} ms of them, and what it is fed {feed_ms:.1f} ms:"
        f" {at_bar_ms - graph_ms - feed_ms:.1f} ms are left to take a scan in, to draw, sign and keep it, and to tell"
        " of it",
        {
            "per_s": load.per_s,
            "bare_per_s": bare_per_s,
            "fed_per_s": fed_per_s,
            "cpu_ms": load.cpu_ms,
            "beside_ms": load.beside_ms,
            "graph_cpu_ms": graph_ms,
            "feed_cpu_ms": feed_ms,
            "at_bar_ms": at_bar_ms,
        },
    )
