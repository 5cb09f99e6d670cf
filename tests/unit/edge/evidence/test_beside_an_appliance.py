"""The checks beside an appliance that goes on: what it commits between two looks into its ledger is no disagreement."""

import asyncio
import sqlite3

import pytest

from drivers.clock import SystemClock
from edge.dispositions import Apply
from edge.down import Disposition
from edge.evidence import rows
from edge.evidence.agree import disagreements
from edge.evidence.rows import broken_links, changed_files, unburied, wrong_acts
from edge.ledger import Ledger, Mark
from edge.signing import SigningKey
from tests.core import FakeClock, events, record, scan_hit, until

DAY_S = 86_400


class Beside(sqlite3.Connection):
    """A reader's connection: before each of its looks but the first, the appliance has gone on."""

    goes_on = staticmethod(lambda: None)
    looks = 0

    def execute(self, sql, *values):
        if sql.startswith("SELECT"):
            self.looks += 1
            if self.looks > 1:
                self.goes_on()
        return super().execute(sql, *values)


@pytest.fixture
async def ledger(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.ledger.ledger.IDLE_S", 0.01)
    key = SigningKey.of(tmp_path)
    made = Ledger(tmp_path, events(), FakeClock(), quota_bytes=10**9, keep_days=30, on_commit=lambda *_: None, key=key)
    made.start()
    for _ in range(3):
        await made.commit(record(scan_hit(made.room.clock.now())))
    yield made
    await made.close()


def seizure(hit_id, number):
    words = {"disposition_id": f"d-{number}", "hit_id": hit_id, "outcome": "nothing_found"}
    return Apply(Disposition.model_validate(words), SystemClock())


async def found(check, ledger, monkeypatch, goes_on):
    """Return what a check finds while the appliance goes on."""
    loop, real = asyncio.get_running_loop(), sqlite3.connect

    def connect(*given, **how):
        return real(*given, **how, factory=Beside)

    monkeypatch.setattr(Beside, "goes_on", lambda _: asyncio.run_coroutine_threadsafe(goes_on(), loop).result(60))
    monkeypatch.setattr("edge.ledger.store.sqlite3.connect", connect)
    return await asyncio.to_thread(lambda: list(check(ledger.folder)))


@pytest.mark.parametrize("check", [disagreements, wrong_acts, broken_links, unburied])
async def test_what_is_said_and_found_meanwhile(check, ledger, monkeypatch):
    hits = [scan_hit(ledger.room.clock.now()) for _ in range(20)]
    went_on = []

    async def goes_on():
        if hits:
            went_on.append(hits.pop())
            await ledger.commit(record(went_on[-1]))
            await ledger.commit(seizure(went_on[-1].hit_id, len(hits)))

    assert await found(check, ledger, monkeypatch, goes_on) == []
    assert went_on


@pytest.mark.parametrize("check", [unburied, changed_files])
async def test_what_is_purged_meanwhile(check, ledger, monkeypatch):
    ledger.mark(Mark(received=[1, 2, 3], proven=[1, 2, 3]))
    evidence = ledger.folder / "evidence"
    await until(lambda: ledger._asked.empty() and not ledger._marks)
    real, went_on = rows.hashlib.file_digest, []

    async def goes_on():
        went_on.append(True)
        ledger.room.clock.advance(31 * DAY_S)
        await until(lambda: not list(evidence.glob("*/*")))

    def read(*given):
        if not went_on:
            Beside.goes_on(None)
        return real(*given)

    monkeypatch.setattr(rows.hashlib, "file_digest", read)
    assert await found(check, ledger, monkeypatch, goes_on) == []
    assert went_on
