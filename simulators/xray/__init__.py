"""A simulated X-ray scanner: packed bags as physics, scanned, coloured, and sent over DICOS."""

from simulators.xray.bag import Scene, SimScan, Thing, Truth, make_scan, make_scene, make_views, render, scan
from simulators.xray.palette import Look
from simulators.xray.threats import THREATS

__all__ = [
    "THREATS",
    "Look",
    "Scene",
    "SimScan",
    "Thing",
    "Truth",
    "make_scan",
    "make_scene",
    "make_views",
    "render",
    "scan",
]
