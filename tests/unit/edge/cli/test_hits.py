"""`jaitf-edge hits` beside the ledger: every row, even one whose bytes the disk has lost."""

import asyncio
import json
import sqlite3

import pytest

from edge.ledger import Ledger
from tests.core import FakeClock, events, reading_hit, record


@pytest.fixture
def config(tmp_path):
    """A configuration whose ledger holds three hits, the second one damaged."""

    async def write():
        clock = FakeClock()
        ledger = Ledger(data, events(), clock, quota_bytes=10**9, keep_days=30, on_commit=lambda *_: None)
        ledger.start()
        for _ in range(3):
            await ledger.commit(record(reading_hit(clock.now())))
        await ledger.close()

    data = tmp_path / "data"
    (tmp_path / "devices").mkdir()
    (tmp_path / "edge.toml").write_text(
        f'[appliance]\nsite = "lfw"\nlane = "t1"\nid = "edge-01"\ndata_dir = "{data}"\n'
        '[console]\nurl = "mqtt://127.0.0.1:1"\n'
    )
    asyncio.run(write())
    with sqlite3.connect(data / "ledger.db") as db:
        db.execute("UPDATE hit SET payload = x'7bbbbb', received_ns = 1 WHERE seq = 2")
    db.close()
    return tmp_path


def test_json_is_one_line_a_hit_and_a_damaged_one_has_no_event(cli, config):
    ran = cli("hits", "--json", "--config", config)
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.status == 0
    assert [(row["seq"], row["state"], row["event"] is None) for row in rows] == [
        (1, "queued", False),
        (2, "received", True),
        (3, "queued", False),
    ]


def test_only_the_hits_of_a_state(cli, config):
    ran = cli("hits", "--state", "received", "--json", "--config", config)
    assert [json.loads(line)["seq"] for line in ran.out.splitlines()] == [2]


def test_the_table_says_which_one_is_damaged(cli, config):
    ran = cli("hits", "--config", config)
    assert ran.status == 0
    assert ran.out.count("damaged") == 1


def test_a_ledger_is_read_though_a_device_file_is_wrong(cli, config):
    (config / "devices" / "io-1.toml").write_text('driver = "modbus\n')
    ran = cli("hits", "--config", config)
    assert ran.status == 0 and len(ran.out.splitlines()) == 4, ran.err
    (config / "edge.toml").write_text("[appliance]\n")
    assert cli("hits", "--config", config).status == 2
