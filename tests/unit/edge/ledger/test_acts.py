"""The chain of acts: each is linked to the one before and signed; what is changed, removed or reordered is found."""

import contextlib
import sqlite3

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.ledger import acts, store
from edge.signing import SigningKey

KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
HIT = "0199d93b-1111-7000-8000-000000000001"


@pytest.fixture
def db(tmp_path):
    with contextlib.closing(store.connect(tmp_path / "ledger.db")) as made:
        store.migrate(made)
        made.execute("INSERT INTO meta VALUES ('seq_start', '1')")
        for number, kind in enumerate(("disposition", "export", "purge")):
            acts.append(made, 1_795_000_000_000_000_000 + number, kind, HIT if number else None, {"n": number}, KEY)
        yield made


def test_a_whole_chain_has_nothing_wrong(db):
    assert list(acts.wrong(db, KEY.public_pem)) == []
    assert [act.kind for act in acts.of_hit(db, HIT)] == ["export", "purge"]
    assert acts.of_hit(db, HIT)[0].told()["at"] == "2026-11-18T11:06:40.000Z"


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE act SET body = CAST(replace(body, '1', '2') AS BLOB) WHERE number = 2",
        "UPDATE act SET at_ns = at_ns + 1 WHERE number = 2",
        "UPDATE act SET kind = 'view' WHERE number = 2",
        "UPDATE act SET hit_id = NULL WHERE number = 2",
        "DELETE FROM act WHERE number = 2",
        "UPDATE act SET signature = (SELECT signature FROM act WHERE number = 1) WHERE number = 2",
        "UPDATE act SET number = CASE number WHEN 2 THEN 30 WHEN 3 THEN 2 END WHERE number IN (2, 3)",
    ],
)
def test_what_was_tampered_with_is_found(db, harm):
    db.execute(harm)
    assert list(acts.wrong(db, KEY.public_pem))


def test_a_key_of_somebody_elses_did_not_sign_it(db):
    other = SigningKey(Ed25519PrivateKey.generate())
    assert len(list(acts.wrong(db, other.public_pem))) == 3


def test_a_chain_begins_where_the_ledgers_hits_do(tmp_path):
    with contextlib.closing(store.connect(tmp_path / "other.db")) as made:
        store.migrate(made)
        made.execute("INSERT INTO meta VALUES ('seq_start', '1000001')")
        assert acts.append(made, 1, "view", None, {}, None) == 1_000_001
        with pytest.raises(sqlite3.IntegrityError):
            made.execute("INSERT INTO act SELECT * FROM act")
        assert list(acts.wrong(made, None)) == []
