"""How fast the X-ray simulator is on one core: bags drawn, scanned and coloured a second.

Run as `OMP_NUM_THREADS=1 python benchmarks/xray_simulator.py [--scenes N] [--looks N]`.
"""

from __future__ import annotations

import argparse
import time

import cv2
import numpy as np

from simulators.xray import Look, make_scene, scan
from simulators.xray.bag import render


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--looks", type=int, default=10)
    parser.add_argument("--px", type=int, default=512)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    make_scene(0)
    started = time.process_time()
    scenes = [make_scene(seed, "any", args.px, args.px) for seed in range(1, args.scenes + 1)]
    drawn = time.process_time()
    rng = np.random.default_rng(1)
    for scene in scenes:
        for look in range(args.looks):
            render(scan(scene, look), Look.random(rng))
    coloured = time.process_time()
    samples = args.scenes * args.looks
    print(f"{args.px} px: {args.scenes / (drawn - started):.1f} bags drawn a second")
    print(f"{args.px} px: {samples / (coloured - drawn):.1f} scanned and coloured a second")
    whole = coloured - started
    print(f"{args.px} px: {samples / whole:.1f} samples a second in all, {args.looks} of each bag")


if __name__ == "__main__":
    main()
