"""A simulated X-ray scanner: packed bags as physics, scanned, coloured, and sent over DICOS."""

from simulators.xray.bag import Scene, SimScan, Thing, Truth, make_scan, make_scene, make_views, render, scan
from simulators.xray.palette import Look
from simulators.xray.threats import THREATS
from simulators.xray.tip import KINDS, Insert, bag_region, into_colour, into_counts, likely_look, make_insert

__all__ = [
    "KINDS",
    "THREATS",
    "Insert",
    "Look",
    "Scene",
    "SimScan",
    "Thing",
    "Truth",
    "bag_region",
    "into_colour",
    "into_counts",
    "likely_look",
    "make_insert",
    "make_scan",
    "make_scene",
    "make_views",
    "render",
    "scan",
]
