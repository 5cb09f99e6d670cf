"""Many appliances on one real broker and one console: every hit is there, none twice."""

import asyncio
import contextlib
import json
import sqlite3
import sys

import pytest

from tests.core import DEADLINE_S, until
from tests.unit.simulators.console.process import Console

pytestmark = pytest.mark.protocol
EDGES = 60


@pytest.mark.parametrize("workers", [1, 3])
async def test_every_hit_of_a_fleet_is_stored_once(broker, tmp_path, workers):
    console = Console(broker.url, tmp_path / "console.db", "--workers", str(workers)).ready()
    try:
        arguments = [
            "fleet",
            "--broker",
            broker.url,
            "--edges",
            str(EDGES),
            "--every-s",
            "1",
            "--settle-s",
            "120",
            "--json",
        ]
        pipe = asyncio.subprocess.PIPE
        ran = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "simulators.cli", *arguments), stdout=pipe, stderr=pipe
        )
        with contextlib.closing(sqlite3.connect(tmp_path / "console.db")) as db:

            def one(what):
                return db.execute(f"SELECT {what}").fetchone()[0]

            await until(lambda: one("count(DISTINCT edge) FROM hit") == EDGES and one("count(*) FROM hit") > 2 * EDGES)
            ran.terminate()
            out, err = await asyncio.wait_for(ran.communicate(), DEADLINE_S)
            assert ran.returncode == 0, err
            said = json.loads(out)
            # Hits have receipts; what the appliances say as they go is on its way when they are gone.
            await until(lambda: one("count(*) FROM appliance WHERE state='stopped'") == EDGES)
            stored = one("count(*) FROM hit")
            conflicts, missing = one("count(*) FROM conflict"), one("sum(missing) FROM ledger")
    finally:
        console.close()
    assert said["hits"] == said["received"] == stored
    assert said["outstanding"] == conflicts == missing == 0
