"""Retention: what may be purged and what may not; what is purged has a signed tombstone and is told."""

import json
import sqlite3

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.evidence.rows import unburied
from edge.ledger import Mark, acts
from edge.ledger.entries import StoreState
from edge.signing import SigningKey
from tests.core import record, scan_hit, until

DAY_S = 86_400
KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def files(folder):
    return {path.name for path in (folder / "evidence").glob("*/*")}


async def marked(ledger, **marks):
    ledger.mark(Mark(**marks))
    await until(lambda: ledger._asked.empty() and not ledger._marks)


@pytest.fixture
async def signing(make_ledger):
    made = make_ledger(keep_days=30)
    made._key = made.room.key = KEY
    made.start()
    return made


async def test_what_is_purged_leaves_a_signed_tombstone_and_is_told(signing, folder, clock, ask):
    made = scan_hit(clock.now(), b"bits")
    await signing.commit(record(made))
    await marked(signing, received=[1], proven=[1])
    clock.advance(31 * DAY_S)
    await until(lambda: not files(folder))
    [(hit_id, body)] = ask("SELECT hit_id, body FROM act WHERE kind='purge'")
    stone = json.loads(body)
    [(digest,)] = ask("SELECT sha256 FROM evidence")
    assert (hit_id, stone["sha256"], stone["bytes"], stone["reason"]) == (made.hit_id, digest, 4, "age")
    await until(lambda: signing.told and signing.told[-1][1])  # the courier is woken for it
    [(payload,)] = ask("SELECT payload FROM outbox WHERE class='audit'")
    assert json.loads(payload)["what"] == "evidence purge"
    db = sqlite3.connect(folder / "ledger.db")
    assert list(acts.wrong(db, KEY.public_pem)) == []
    assert list(unburied(folder)) == []
    db.execute("DELETE FROM act")
    db.commit()
    assert list(unburied(folder)) == [f"evidence {digest}: gone, and no tombstone says why"]
    db.close()


async def test_a_receipt_without_the_bytes_digest_purges_nothing(signing, folder, clock):
    await signing.commit(record(scan_hit(clock.now())))
    await marked(signing, received=[1])
    clock.advance(400 * DAY_S)
    await signing.commit(record(scan_hit(clock.now(), b"another")))
    clock.advance(61)
    await signing.commit(record(scan_hit(clock.now(), b"a third")))
    assert len(files(folder)) == 3
    await marked(signing, proven=[1])  # the console says it again, whole
    clock.advance(61)
    await until(lambda: len(files(folder)) == 2)


async def test_each_revision_must_be_proven(signing, folder, clock):
    made = scan_hit(clock.now(), b"bits")
    await signing.commit(record(made))
    await signing.commit(record(scan_hit(clock.now(), b"bits", hit_id=made.hit_id, rev=1)))
    await marked(signing, received=[1, 2], proven=[1])
    clock.advance(31 * DAY_S)
    await signing.commit(record(scan_hit(clock.now(), b"another")))
    clock.advance(61)
    await signing.commit(record(scan_hit(clock.now(), b"later")))
    assert len(files(folder)) == 3


async def test_what_must_stay_is_said_loudly_where_room_is_short(make_ledger, folder, clock):
    mb = 1024 * 1024
    ledger = make_ledger(quota_bytes=4 * mb)
    ledger.start()
    for _ in range(5):
        await ledger.commit(record(scan_hit(clock.now(), clock.now().monotonic_ns.to_bytes(8) * (mb // 10))))
        clock.advance(1)
    db = sqlite3.connect(folder / "ledger.db")
    db.execute("UPDATE evidence SET hold=1 WHERE rowid <= 2")
    db.commit()
    db.close()
    clock.advance(61)
    await until(lambda: ledger.state is not StoreState.OK)
    await until(lambda: "2 MB held and 3 MB not receipted" in ledger.reason)
    assert len(files(folder)) == 5
