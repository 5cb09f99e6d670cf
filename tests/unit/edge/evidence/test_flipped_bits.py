"""A flipped bit anywhere in the ledger's file that changes what it says is found by `evidence verify`'s checks."""

import contextlib
import random
import sqlite3

import pytest

from drivers.clock import SystemClock
from drivers.errors import StoreError
from edge.dispositions import Apply
from edge.down import Disposition
from edge.evidence.agree import disagreements
from edge.evidence.rows import bad_signatures, broken_links, changed_files, unburied, wrong_acts
from edge.ledger import Ledger
from edge.signing import SigningKey
from tests.core import events, reading_hit, record, scan_hit

CLOCK = SystemClock()
CHECKS = (broken_links, wrong_acts, bad_signatures, disagreements, changed_files, unburied)

SAID = (
    "SELECT seq, hit_id, rev, device, scan_id, observed_ns / 1000000, committed_ns / 1000000, payload, report, raw,"
    " evidence, prev, hash FROM hit",
    "SELECT * FROM act",
    "SELECT disposition_id, hit_id, outcome, act FROM disposition",
    "SELECT sha256, path, media_type, bytes, hold != 0 FROM evidence",
)
"""What the ledger says of hits; where they are on their way is the courier's, and is told anew."""


@pytest.fixture
async def folder(tmp_path):
    tmp_path.joinpath("signing").mkdir()
    where = tmp_path / "data"
    where.mkdir()
    key = SigningKey.of(where)
    ledger = Ledger(where, events(), CLOCK, quota_bytes=10**9, keep_days=30, on_commit=lambda *_: None, key=key)
    ledger.start()
    for number in range(12):
        made = (scan_hit if number % 2 else reading_hit)(CLOCK.now())
        await ledger.commit(record(made))
        if number % 3 == 0:
            words = {"disposition_id": f"d-{number}", "hit_id": made.hit_id, "outcome": "seizure", "note": "x" * 50}
            await ledger.commit(Apply(Disposition.model_validate(words), CLOCK))
    await ledger.close()
    with contextlib.closing(sqlite3.connect(where / "ledger.db")) as db:
        db.execute("DELETE FROM outbox")
        db.commit()
        db.execute("PRAGMA journal_mode=DELETE")
        db.execute("VACUUM")
    return where


def problems(folder):
    found = []
    for check in CHECKS:
        try:
            found += check(folder)
        except (StoreError, sqlite3.Error) as error:
            found.append(str(error))
    return found


def said(path):
    """What it says, None where it cannot be read."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
            db.text_factory = bytes
            if db.execute("PRAGMA integrity_check(1)").fetchone() != (b"ok",):
                return None
            return [sorted(db.execute(sql).fetchall(), key=repr) for sql in SAID]
    except (sqlite3.Error, UnicodeDecodeError):
        return None


def test_a_whole_ledger_has_no_problem(folder):
    assert problems(folder) == []


def test_a_flipped_bit_is_found(folder):
    path = folder / "ledger.db"
    whole, before = path.read_bytes(), said(path)
    chance = random.Random(20261121)
    changed = 0
    for _ in range(400):
        flipped = bytearray(whole)
        place = chance.randrange(100, len(whole))
        flipped[place] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        after = said(path)
        if after is None or after == before:
            continue  # the file itself is found damaged; or the bit is in nothing that is said
        changed += 1
        assert problems(folder), f"byte {place}"
    assert changed > 50
