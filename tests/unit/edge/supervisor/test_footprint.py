"""A device does not pay for the others' libraries, and a lane without pictures for no picture's."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ["PIL", "cryptography", "cv2", "imagecodecs", "numpy", "onnxruntime", "pydicom", "pynetdicom", "requests"]

#: What each driver's own process loads of these before its device has said a word; those not named, nothing.
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
nursery._prepare()
heavy = lambda: [name for name in HEAVY if name in sys.modules]
print(json.dumps(["nursery", heavy()]), flush=True)
for name, info in registry.built_in().items():
    if os.fork() == 0:
        settings = registry.settings_class(info).model_validate(tomllib.loads(info.example)["settings"])
        registry.make(info, settings)
        print(json.dumps([name, heavy()]), flush=True)
        os._exit(0)
    os.wait()
"""
_CORE = """
import json, sys
import edge.daemon, edge.cli.run, edge.config.load
print(json.dumps(["core", [name for name in HEAVY if name in sys.modules]]))
"""


def loaded(program: str) -> dict[str, set[str]]:
    words = [sys.executable, "-c", f"HEAVY = {HEAVY!r}\n{program}"]
    said = subprocess.run(words, check=True, capture_output=True, text=True, timeout=50).stdout
    return {name: set(found) for name, found in map(json.loads, said.splitlines())}


def test_a_devices_process_loads_its_own_libraries_alone():
    found = loaded(_DEVICES)
    assert found.pop("nursery") == set(), "what the devices' parent loads, every device pays for"
    assert len(found) > 10
    assert {name: libraries for name, libraries in found.items() if libraries} == ITS_OWN


def test_the_core_of_a_lane_without_pictures_loads_nothing_of_pictures():
    assert loaded(_CORE) == {"core": {"cryptography"}}
