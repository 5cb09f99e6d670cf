"""A device does not pay for the others' libraries, and a lane without pictures for no picture's."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

HEAVY = ["PIL", "cryptography", "cv2", "imagecodecs", "numpy", "onnxruntime", "pydicom", "pynetdicom", "requests"]

#: What each driver's own process loads of these before its device has said a word; those not named nothing at all: all
#: that they need is there before the fork.
ITS_OWN = {
    "dicos": {"PIL", "numpy", "pydicom", "pynetdicom", "requests"},
    "folder": {"numpy", "cv2"},
    "linescan": {"numpy"},
    "screen": {"numpy", "cv2"},
}

_DEVICES = """
import json, os, sys, tomllib
from edge.supervisor import nursery
from drivers import registry
nursery._prepare(registry.built_in())
threads = len(os.listdir("/proc/self/task"))
before = set(sys.modules)
heavy = lambda: [name for name in HEAVY if name in sys.modules]
print(json.dumps(["nursery", heavy()]), flush=True)
print(json.dumps(["threads", [threads]]), flush=True)
for name, info in registry.built_in().items():
    if os.fork() == 0:
        settings = registry.settings_class(info).model_validate(tomllib.loads(info.example)["settings"])
        registry.make(info, settings)
        late = sorted(set(sys.modules) - before) if not info.pictures else []
        print(json.dumps([name, heavy() + late]), flush=True)
        os._exit(0)
    os.wait()
"""
_ANOTHER_LANE = """
import json, sys
from edge.supervisor import nursery
nursery._prepare(["llrp", "llrp", "dicos", "somebodys-own"])
drivers = ("drivers.llrp.driver", "drivers.modbus.driver", "drivers.dicos.driver")
print(json.dumps(["nursery", [name for name in drivers if name in sys.modules]]))
"""
_BROKEN = """
import json, sys
sys.modules["pymodbus"] = None
from edge.supervisor import nursery
nursery._prepare(["llrp", "modbus", "scale"])
drivers = ("drivers.llrp.driver", "drivers.modbus.driver", "drivers.scale.driver")
print(json.dumps(["nursery", [name for name in drivers if name in sys.modules]]))
"""
_CORE = """
import json, sys
import edge.daemon, edge.cli.run, edge.config.load
print(json.dumps(["core", [name for name in HEAVY if name in sys.modules]]))
"""
#: How many objects the collector still looks at once the core is ready, and once a driver of pictures is made.
_CORE_AT_WORK = """
import edge.config.load, edge.daemon, edge.trial
from edge.cli import run
from types import SimpleNamespace as Some
import gc, json
async def serve(loaded, ready):
    ready()
    print(json.dumps(["core", [len(gc.get_objects())]]))
edge.trial.recover = lambda folder: None
edge.config.load.load = lambda folder: Some(appliance=Some(site="s", id="e"), page_off="", devices=[])
edge.daemon.serve = serve
run._serve(None)
"""
_DEVICE_AT_WORK = """
import gc, json, socket, threading
from drivers import host, wire
ours, cores = socket.socketpair()
settings = {"listen": "127.0.0.1:0"}
start = wire.Start(device="x", driver="dicos", settings=settings, state_dir="/nonexistent", window=1)
cores.sendall(b"".join(wire.encode(start)))
def look():
    cores.recv(1)  # its greeting: the driver is made
    print(json.dumps(["device", [len(gc.get_objects())]]), flush=True)
    cores.close()
threading.Thread(target=look).start()
host.serve(ours)
"""
_PAGE = """
import json, sys
import edge.web.__main__
print(json.dumps(["page", [name for name in [*HEAVY, "edge.ledger.ledger"] if name in sys.modules]]))
"""


def loaded(program: str) -> dict[str, set[str]]:
    words = [sys.executable, "-c", f"HEAVY = {HEAVY!r}\n{program}"]
    said = subprocess.run(words, check=True, capture_output=True, text=True, timeout=120).stdout
    return {name: set(found) for name, found in map(json.loads, said.splitlines())}


def test_a_devices_process_loads_its_own_libraries_alone():
    found = loaded(_DEVICES)
    assert found.pop("nursery") == set(), "what the devices' parent loads, every device pays for"
    assert found.pop("threads") == {1}, "a fork takes no other thread along, and its locks for ever"
    assert len(found) > 10
    assert {name: libraries for name, libraries in found.items() if libraries} == ITS_OWN


def test_a_lanes_drivers_of_readings_are_loaded_once_for_all_and_no_other_lanes():
    assert loaded(_ANOTHER_LANE) == {"nursery": {"drivers.llrp.driver"}}


def test_a_driver_whose_library_is_missing_is_no_other_devices_loss():
    assert loaded(_BROKEN) == {"nursery": {"drivers.llrp.driver", "drivers.scale.driver"}}


def test_the_core_of_a_lane_without_pictures_loads_nothing_of_pictures():
    assert loaded(_CORE) == {"core": {"cryptography"}}


def test_the_page_loads_nothing_of_pictures_signatures_or_of_writing_the_ledger():
    assert loaded(_PAGE) == {"page": set()}


@pytest.mark.parametrize("program", [_CORE_AT_WORK, _DEVICE_AT_WORK])
def test_what_is_there_to_stay_is_not_looked_at_with_each_scan_again(program):
    """Some ten thousands of objects, which took tens of milliseconds of the scan at hand every few hundred scans."""
    ((_, objects),) = loaded(program).items()
    assert max(objects) < 10_000
