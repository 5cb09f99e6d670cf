"""The demo's lanes: a table. Their configurations are the examples in config/examples; here is what simulates whom."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources

_ADDRESS = re.compile(r'^(url = "tcp://|listen = ")[^"]*"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SimulatedDevice:
    """One device: its name in the configuration, and what `jaitf-sim` is told.

    A `served` device listens, in the one process of `jaitf-sim lane`, before the appliance starts. Any other is a
    program of its own that calls the appliance, once that has the device up; `{port}` is the device's port and `{seed}`
    the demo's seed.
    """

    name: str
    served: str = ""
    program: tuple[str, ...] = ()


def _xray(*arguments: str) -> SimulatedDevice:
    where = ("xray", "--to", "127.0.0.1:{port}", "--ae-title", "EDGE")
    return SimulatedDevice("xray-1", program=(*where, *arguments, "--seed", "{seed}"))


LANES = {
    "passenger": (
        _xray("--every-s", "1.5", "--threat-rate", "0.4"),
        SimulatedDevice("portal-1", "counter counter_hz=0.15"),
        SimulatedDevice("body-1", "bodyscanner every_s=2.5"),
        SimulatedDevice("k9-1", "tagreader bag_s=0 button_s=11"),
        SimulatedDevice("tags-1", "tagreader bag_s=1.5 team=0"),
        SimulatedDevice("pass-1", "passes every_s=4"),
    ),
    "cargo": (
        _xray("--every-s", "3", "--threat-rate", "0.4"),
        SimulatedDevice("rpm-1", "rpm every_s=6 gamma=0.5 speed=2"),
        SimulatedDevice("scale-1", "scale parcel_s=5 around_kg=30 heavy_every=3"),
        SimulatedDevice("codes-1", "labels every_s=5 around_kg=30"),
        SimulatedDevice("k9-1", "tagreader bag_s=0 button_s=11"),
    ),
    "post": (
        _xray("--every-s", "1.5", "--threat-rate", "0.3"),
        SimulatedDevice("scale-1", "scale parcel_s=4 around_kg=2 heavy_every=3"),
        SimulatedDevice("codes-1", "parcels every_s=4"),
        SimulatedDevice("k9-1", "tagreader bag_s=0 button_s=11"),
    ),
}


def configuration(lane: str) -> dict[str, str]:
    """Return the files of a lane's example by their paths."""
    root = resources.files("config") / "examples" / lane
    names = ["edge.toml", "teams.toml", *(f"devices/{device.name}.toml" for device in LANES[lane])]
    return {name: (root / name).read_text() for name in names}


def readdressed(device_file: str, port: int) -> str:
    """Return a device's file with the address of a simulated device on this machine in the place of the real one."""
    return _ADDRESS.sub(lambda found: f'{found[1]}127.0.0.1:{port}"', device_file)
