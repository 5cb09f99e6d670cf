"""A scan stored by C-STORE until its hit is at a subscriber, beside preprocessing and bare ONNX Runtime."""

from __future__ import annotations

import random
import time
from pathlib import Path

from benchmarks import box
from benchmarks.ears import Ears, Missing, is_up, receipts
from benchmarks.floor import Floor
from benchmarks.harness import Bar, Row, Say, Spread
from benchmarks.scanner import Bag, Scanner, bags
from drivers.ports import free_port

KINDS = 24
SCANS, SCANS_SHORT = 200, 20
TURNS = 4
GAP_S = 0.05
HIT_S = 20.0

DEVICE = """\
driver = "dicos"
model = "baggage"
[settings]
listen = "127.0.0.1:{port}"
ae_title = "EDGE"
"""


def rows(folder: Path, short: bool, say: Say) -> list[Row]:
    """Return the row."""
    count = SCANS_SHORT if short else SCANS
    say(f"{KINDS} simulated bags")
    kinds = bags(folder / "bags", 8 if short else KINDS)
    with box.broker(folder) as broker_port:
        port = free_port()
        config = box.configure(folder / "edge", broker_port, {"xray-1": DEVICE.format(port=port)})
        ears = Ears(broker_port, f"{box.UP}/#", on_message=receipts(box.DOWN))
        with ears, box.appliance(config) as process:
            ears.wait(is_up("xray-1"), 30)
            with Scanner(port) as scanner:
                lane = Lane(folder, scanner, ears)
                alarming = [bag for bag in kinds if lane.hit_s(bag) is not None]
                say(f"{count} scans of the {len(alarming)} bags that raise an alarm, and as many of the floor, in turn")
                floor, took = Floor(alarming), list[float]()
                cpu_s = 0.0
                for _ in range(TURNS):
                    before = box.cost(process.pid)
                    took += lane.measured(alarming, count // TURNS)
                    cpu_s += box.cost(process.pid).cpu_s - before.cpu_s
                    floor.measure(count // TURNS)
    ours, beside = Spread.of(took), Spread.of(floor.whole_s)
    cpu_ms = [1e3 * each / ours.n for each in (cpu_s, floor.cpu_s)]
    return [
        Row(
            "scan",
            "scan stored by C-STORE until hit at a subscriber, 832 x 640, 16 bit",
            f"{ours.ms()}; {cpu_ms[0]:.0f} ms of processor time",
            f"preprocessing + bare ONNX Runtime: {beside.ms()}; {cpu_ms[1]:.0f} ms of processor time",
            "floor + 25 ms at p50, + 60 ms at p99",
            (
                Bar("over the floor at p50, ms", (ours.p50 - beside.p50) * 1e3, 25),
                Bar("over the floor at p99, ms", (ours.p99 - beside.p99) * 1e3, 60),
            ),
            "from the first byte that the scanner sends to the hit, signed, on the disk with its evidence;"
            f" {ours.n} scans",
            {"ours": ours, "floor": beside, "bare_onnxruntime": Spread.of(floor.run_s), "cpu_ms": cpu_ms},
        )
    ]


class Lane:
    def __init__(self, folder: Path, scanner: Scanner, ears: Ears) -> None:
        self._file = folder / "scan.dcs"
        self._scanner = scanner
        self._ears = ears
        self._chance = random.Random(3)

    def hit_s(self, bag: Bag) -> float | None:
        """Store a bag, and return how long it took until its hit came; None for a bag that raises none.

        Raises Missing where not even a verdict comes.
        """
        self._file.write_bytes(bag.data)
        before, began_s = len(self._ears.heard), time.monotonic()
        if (status := self._scanner.store(self._file)) != 0:
            raise Missing(f"C-STORE was answered {status:#06x}")
        verdict = self._ears.wait(
            lambda heard: "/up/verdict/" in heard.topic and heard.json["scan_id"] == bag.scan_id, HIT_S, before
        )
        if verdict.json["decision"] != "alarm":
            return None
        hit = self._ears.wait(
            lambda heard: "/up/hit/" in heard.topic and heard.json["data"]["item"]["scan_id"] == bag.scan_id,
            HIT_S,
            before,
        )
        return hit.at_s - began_s

    def measured(self, kinds: list[Bag], count: int) -> list[float]:
        """Return how long each scan took, with a moment's rest between."""
        took = []
        for number in range(count):
            time.sleep(GAP_S)
            taken_s = self.hit_s(kinds[number % len(kinds)].again(self._chance))
            if taken_s is None:
                raise Missing("a bag that raised an alarm before raises none now")
            took.append(taken_s)
        return took
