"""A new driver, filled in as the document says, stands its trials: `drivers check` grades it gold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drivers.scaffold import Like
from drivers.scaffold.make import make
from tests.fills import FILLS
from tests.newdriver import blocks, fill, installed, run


@pytest.mark.conformance
@pytest.mark.timeout(300)
@pytest.mark.parametrize("like", [Like.SERIAL_LINES, Like.TCP_FRAMES, Like.PICTURES])
def test_a_new_driver_is_gold(like: Like, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    make("hall-gate", like, folder)
    for path, text in FILLS.get(like, blocks()).items():
        if "profile" not in path:
            fill(folder, path, text)
    installed(folder, "hall-gate")
    ran = run(folder, "edge", "drivers", "check", "hall-gate", "--json")
    *trials, end = map(json.loads, ran.stdout.splitlines())
    assert [(trial["trial"], trial["reason"]) for trial in trials if not trial["ok"]] == []
    assert (ran.returncode, end["grade"], end["faults"]) == (0, "gold", 0)
    assert end["trials"] == len(trials) >= 11
