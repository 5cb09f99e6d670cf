"""Many appliances on one real broker and one console: every hit is there, none twice."""

import json
import sqlite3
import subprocess
import sys

import pytest

from tests.unit.simulators.console.process import Console

pytestmark = pytest.mark.protocol


@pytest.mark.parametrize("workers", [1, 3])
def test_every_hit_of_a_fleet_is_stored_once(broker, tmp_path, workers):
    console = Console(broker.url, tmp_path / "console.db", "--workers", str(workers)).ready()
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
            (missing,) = db.execute("SELECT sum(missing) FROM ledger").fetchone()
            (stopped,) = db.execute("SELECT count(*) FROM appliance WHERE state='stopped'").fetchone()
    finally:
        console.close()
    assert said["hits"] == said["received"] == stored > 60
    assert said["outstanding"] == conflicts == missing == 0
    assert edges > 50 and stopped == 60
