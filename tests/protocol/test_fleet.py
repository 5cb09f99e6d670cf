"""Many appliances on one real broker and one console: every hit is there, none twice."""

import json
import sqlite3
import subprocess
import sys

import pytest

from tests.unit.simulators.console.process import Console

pytestmark = pytest.mark.protocol


def test_every_hit_of_a_fleet_is_stored_once(broker, tmp_path):
    console = Console(broker.url, tmp_path / "console.db")
    try:
        arguments = ["fleet", "--broker", broker.url, "--edges", "60", "--every-s", "2", "--seconds", "6", "--json"]
        ran = subprocess.run(
            [sys.executable, "-m", "simulators.cli", *arguments], capture_output=True, text=True, timeout=120
        )
        assert ran.returncode == 0, ran.stderr
        said = json.loads(ran.stdout)
        with sqlite3.connect(tmp_path / "console.db") as db:
            (stored,) = db.execute("SELECT count(*) FROM hit").fetchone()
            (edges,) = db.execute("SELECT count(DISTINCT edge) FROM hit").fetchone()
            (conflicts,) = db.execute("SELECT count(*) FROM conflict").fetchone()
            (stopped,) = db.execute("SELECT count(*) FROM appliance WHERE state='stopped'").fetchone()
    finally:
        console.close()
    assert said["hits"] == said["received"] == stored > 60
    assert said["outstanding"] == conflicts == 0
    assert edges > 50 and stopped == 60
