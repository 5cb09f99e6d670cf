"""`jaitf-edge report` and `evidence dataset`: of a real ledger, in figures and as a folder."""

import asyncio
import json

import pytest

from drivers.clock import SystemClock
from edge.dispositions import Apply
from edge.down import Disposition
from edge.ledger import Ledger
from edge.nouns import Evidence, Hit
from tests.core import events, hit, record
from tests.pictures import FILES

CLOCK = SystemClock()


@pytest.fixture
def config(tmp_path):
    """A configuration whose ledger holds two hits: cocaine was found, and nothing."""
    data = tmp_path / "data"

    async def write():
        ledger = Ledger(data, events(), CLOCK, quota_bytes=10**9, keep_days=30, on_commit=lambda *_: None)
        ledger.start()
        for name, outcome in (("grey8.png", "seizure"), ("grey16.png", "nothing_found")):
            made: Hit = hit(CLOCK.now(), evidence=Evidence(FILES[name], "image/png"))
            await ledger.commit(record(made))
            words = {"disposition_id": name, "hit_id": made.hit_id, "outcome": outcome, "commodity": "cocaine"}
            words["quantity"] = {"value": 250, "unit": "GRM"}
            await ledger.commit(Apply(Disposition.model_validate(words), CLOCK))
        await ledger.close()

    (tmp_path / "devices").mkdir()
    (tmp_path / "edge.toml").write_text(
        f'[appliance]\nsite = "lfw"\nlane = "t1"\nid = "edge-01"\ndata_dir = "{data}"\n'
        '[console]\nurl = "mqtt://127.0.0.1:1"\n'
    )
    asyncio.run(write())
    return tmp_path


def test_a_report_for_people_and_for_programs(cli, config):
    ran = cli("report", "--config", config)
    assert ran.status == 0
    assert "50% (9% to 91%)" in ran.out
    assert "cocaine  1      0.25 KGM" in ran.out
    told = json.loads(cli("report", "--json", "--config", config).out)
    assert told["figures"]["found"] == 1
    empty = json.loads(cli("report", "--until", "2020-01-01", "--json", "--config", config).out)
    assert empty["figures"]["alarms"] == 0


def test_a_data_set_is_made_and_evaluated(cli, config, tmp_path):
    ran = cli("evidence", "dataset", "--out", tmp_path / "set", "--config", config)
    assert ran.out == f"{tmp_path / 'set'}: 1 with a find, 1 with nothing found\n"
    again = cli("evidence", "dataset", "--out", tmp_path / "set", "--config", config)
    assert (again.status, "never written over" in again.err) == (1, True)
    assert len(list((tmp_path / "set").glob("*.png"))) == 2


def test_a_ledger_that_is_not_there_is_said(cli, config):
    for path in (config / "data").glob("ledger*"):
        path.unlink()
    assert cli("report", "--config", config).status == 1
