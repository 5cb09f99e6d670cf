"""Draws docs/scan-flame.svg: where the core's time goes while scans come in, by py-spy (`pip install py-spy`).

    .venv/bin/python -m benchmarks.flame [--seconds 30]

Stripped libraries have no names for their functions, so each of their calls is shown as the Python line that makes it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from html import escape
from pathlib import Path

from benchmarks import box
from benchmarks.ears import Ears, is_up, receipts
from benchmarks.harness import ROOT
from benchmarks.scan import DEVICE, Lane
from benchmarks.scanner import Bag, Scanner, bags
from drivers.ports import free_port

TARGET = ROOT / "docs" / "scan-flame.svg"
RATE_HZ = 200
TITLE = "The core while scans come in one after the other: time by function, what waits left out"
WIDTH_PX, ROW_PX, HEAD_PX, CHARACTER_PX = 1200, 17, 30, 6.2
#: Functions that only wait where they are the last of a stack, and frames that are the same above every thread's own.
WAITING = {
    *("Ledger._gather", "EpollSelector.select", "ThreadedChildWatcher._do_waitpid", "_worker", "Hand._run"),
    *("Client._loop", "BaseEventLoop._run_once"),
}
FRAMING = re.compile(
    r"\((threading|typer/|asyncio/(runners|events|base_events)|edge/cli/|concurrent/)|^<module>|^all$|^process "
)
COLOURS = {"(edge/": "#f4a261", "(inference/": "#e76f51", "(drivers/": "#e9c46a", "": "#a8c5da"}


def main() -> int:
    """Draw it; 1 where there is no py-spy."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flame", description=__doc__)
    parser.add_argument("--seconds", type=int, default=30)
    seconds = parser.parse_args().seconds
    beside = Path(sys.executable).with_name("py-spy")
    spy = str(beside) if beside.exists() else shutil.which("py-spy")
    if spy is None:
        print("py-spy is not installed: pip install py-spy", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="jaitf-bench-") as name:
        raw = Path(name) / "flame.txt"
        _record(Path(name), spy, seconds, raw)
        TARGET.write_text(drawn(raw.read_text()))
    print(f"written: {TARGET.relative_to(ROOT)}, {TARGET.stat().st_size // 1024} KiB")
    return 0


def _record(folder: Path, spy: str, seconds: int, raw: Path) -> None:
    kinds = bags(folder / "bags", 16)
    with box.broker(folder) as broker_port:
        port = free_port()
        config = box.configure(folder / "edge", broker_port, {"xray-1": DEVICE.format(port=port)})
        ears = Ears(broker_port, f"{box.UP}/#", on_message=receipts(box.DOWN))
        with ears, box.appliance(config) as process:
            ears.wait(is_up("xray-1"), 60)
            over = threading.Event()
            scans = threading.Thread(target=_scan, args=(folder, port, ears, kinds, over), daemon=True)
            scans.start()
            words = ["--duration", str(seconds), "--rate", str(RATE_HZ), "--function", "--format", "raw"]
            subprocess.run([spy, "record", *words, "--output", str(raw), "--pid", str(process.pid)], check=True)
            over.set()
            scans.join(60)


def _scan(folder: Path, port: int, ears: Ears, kinds: list[Bag], over: threading.Event) -> None:
    with Scanner(port) as scanner:
        lane = Lane(folder, scanner, ears)
        alarming = [bag for bag in kinds if lane.hit_s(bag) is not None]
        while not over.is_set():
            lane.measured(alarming, 1)


Tree = dict[str, tuple[int, "Tree"]]


def drawn(raw: str) -> str:
    """Return py-spy's collapsed stacks as a flame graph, without what only waits, and without paths."""
    tree: Tree = {}
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if frames[-1].partition(" (")[0] in WAITING:
            continue
        _add(tree, [frame for frame in frames if not FRAMING.search(frame)], int(count))
    total, depth = sum(count for count, _ in tree.values()), _depth(tree)
    height = HEAD_PX + depth * ROW_PX
    boxes = "".join(_boxes(tree, 0.0, 0, WIDTH_PX / total, total))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {height}" font-family="sans-serif"'
        f' font-size="11"><rect width="100%" height="100%" fill="#fff"/><text x="8" y="18" font-size="14">{TITLE}'
        f"</text>{boxes}</svg>\n"
    )


def _add(tree: Tree, frames: list[str], count: int) -> None:
    for frame in frames:
        before, inner = tree.get(frame, (0, {}))
        tree[frame] = (before + count, inner)
        tree = inner


def _depth(tree: Tree) -> int:
    return 1 + max(map(_depth, (inner for _, inner in tree.values())), default=-1) if tree else 0


def _boxes(tree: Tree, left: float, level: int, px: float, total: int) -> Iterator[str]:
    for frame, (count, inner) in sorted(tree.items(), key=lambda item: -item[1][0]):
        width = count * px
        if width >= 1:
            colour = next(colour for start, colour in COLOURS.items() if start in frame)
            name, top = escape(frame.partition(" (")[0]), HEAD_PX + level * ROW_PX
            told = f"{escape(frame)}: {count / total:.1%}"
            yield f'<g><title>{told}</title><rect x="{left:.1f}" y="{top}" width="{width - 0.5:.1f}"'
            yield f' height="{ROW_PX - 1}" fill="{colour}"/>'
            if (fits := int(width / CHARACTER_PX)) > 3:
                shown = name if len(name) <= fits else name[: fits - 1] + "…"
                yield f'<text x="{left + 2:.1f}" y="{top + 12}">{shown}</text>'
            yield "</g>"
            yield from _boxes(inner, left, level + 1, px, total)
        left += width


if __name__ == "__main__":
    sys.exit(main())
