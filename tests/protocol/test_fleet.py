"""Many appliances on one real broker and one console: every hit is there, none twice."""

import contextlib
import json
import sqlite3
import subprocess
import sys

import pytest

from tests.core import until
from tests.unit.simulators.console.process import Console

pytestmark = pytest.mark.protocol


@pytest.mark.parametrize("workers", [1, 3])
async def test_every_hit_of_a_fleet_is_stored_once(broker, tmp_path, workers):
    console = Console(broker.url, tmp_path / "console.db", "--workers", str(workers)).ready()
    try:
        arguments = ["fleet", "--broker", broker.url, "--edges", "60", "--every-s", "1", "--seconds", "8", "--json"]
        ran = subprocess.run(
            [sys.executable, "-m", "simulators.cli", *arguments], capture_output=True, text=True, timeout=120
        )
        assert ran.returncode == 0, ran.stderr
        said = json.loads(ran.stdout)
        with contextlib.closing(sqlite3.connect(tmp_path / "console.db")) as db:

            def one(what):
                return db.execute(f"SELECT {what}").fetchone()[0]

            # Hits have receipts; what the appliances say as they go is on its way when they are gone.
            await until(lambda: one("count(*) FROM appliance WHERE state='stopped'") == 60)
            stored, edges = one("count(*) FROM hit"), one("count(DISTINCT edge) FROM hit")
            conflicts, missing = one("count(*) FROM conflict"), one("sum(missing) FROM ledger")
    finally:
        console.close()
    assert said["hits"] == said["received"] == stored > 60
    assert said["outstanding"] == conflicts == missing == 0
    assert edges == 60
