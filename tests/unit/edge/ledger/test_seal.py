"""A hit's seal: its place in the chain and its signature, checked as a stranger would check them."""

import base64
import hashlib
import json

import pytest
import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from drivers.contract import Measurement
from edge.ledger.chain import FIRST_LINK, Row, chain_link, sealed
from edge.messages import MAX_HIT_BYTES, HitEvent
from edge.signing import SigningKey, decoded, encoded, event_holds
from tests.core import FakeClock, events, hit, reading_hit, report, threat

NOW = FakeClock().now()
KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
PREV = hashlib.sha256(b"the hit before").digest()


def seal(of, key=KEY, raw=b"", evidence=None):
    return sealed(events().hit(of, 4711, NOW, None), PREV, raw, evidence, key)


def test_a_stranger_checks_the_signature_with_rfc_8785_and_ed25519_alone():
    payload, link = seal(hit(NOW))
    message = json.loads(payload, parse_int=float)
    signature = message["data"].pop("signature")
    assert (signature["alg"], signature["kid"]) == ("EdDSA", KEY.fingerprint)
    assert message["data"]["chain"] == {"prev": PREV.hex(), "hash": link.hex()}
    value = base64.urlsafe_b64decode(signature["value"] + "==")
    load_pem_public_key(KEY.public_pem).verify(value, rfc8785.dumps(message))
    message["data"]["severity"] = "low"
    with pytest.raises(InvalidSignature):
        load_pem_public_key(KEY.public_pem).verify(value, rfc8785.dumps(message))


@pytest.mark.parametrize("value", [4712, 2**53 + 1, 2**64 - 1, -(2**63), 0.1, 1e22, True, "closed", "\u00e9\u2028"])
def test_whatever_a_device_measured_can_be_signed(value):
    measured = threat(label="counter", score=None, measurement=Measurement("counter", value, ""))
    payload, _ = seal(reading_hit(NOW, report=report(measured)))
    assert event_holds(KEY.public_pem, payload)


def test_what_is_no_number_of_jsons_goes_unsigned_and_is_not_lost():
    measured = threat(label="counter", score=None, measurement=Measurement("counter", 10**400, ""))
    payload, link = seal(reading_hit(NOW, report=report(measured)))
    assert b"signature" not in payload
    assert chain_link(PREV, payload, b"", None) == link


def test_without_a_key_a_hit_has_its_place_alone():
    payload, link = seal(hit(NOW), key=None)
    assert json.loads(payload)["data"]["chain"]["hash"] == link.hex()
    assert "signature" not in json.loads(payload)["data"]


def test_the_seal_stands_where_the_class_has_it_and_fits():
    many = tuple(threat(label="x" * 300, score=0.5) for _ in range(64))
    for of in (hit(NOW), hit(NOW, report=report(*many))):
        payload, _ = seal(of)
        assert HitEvent.model_validate_json(payload).encoded() == payload
        assert len(payload) <= MAX_HIT_BYTES


def test_a_hit_from_before_seals_keeps_its_link():
    event = events().hit(hit(NOW), 1, NOW, None)
    parts = FIRST_LINK + hashlib.sha256(event).digest() + hashlib.sha256(b"raw").digest() + bytes.fromhex("ab" * 32)
    assert chain_link(FIRST_LINK, event, b"raw", "ab" * 32) == hashlib.sha256(parts).digest()


@given(st.data())
def test_a_flipped_bit_anywhere_in_a_row_is_found(data):
    of = hit(NOW, hit_id="019d3c6e-7a51-7c1e-b1a0-5f0c7d6f2c11")
    payload, link = seal(of, raw=b"raw")
    whole = Row(4711, of.hit_id, 0, payload, b"raw", None, PREV, link)
    assert whole.as_committed()
    assert event_holds(KEY.public_pem, payload)
    changed = bytearray(payload)
    place = data.draw(st.integers(0, len(payload) * 8 - 1))
    changed[place // 8] ^= 1 << place % 8
    row = Row(4711, of.hit_id, 0, bytes(changed), b"raw", None, PREV, link)
    assert not (row.as_committed() and event_holds(KEY.public_pem, bytes(changed)))


def test_another_ones_place_is_not_this_ones():
    of = hit(NOW)
    payload, link = seal(of)
    assert not Row(4711, of.hit_id, 0, payload, b"", None, FIRST_LINK, link).as_committed()
    assert not Row(4711, of.hit_id, 0, payload, b"", None, PREV, FIRST_LINK).as_committed()


@given(st.binary(min_size=64, max_size=64))
def test_a_signature_has_one_spelling(value):
    text = encoded(value).decode()
    assert decoded(text) == value
    other = text[:-1] + ("B" if text[-1] == "A" else chr(ord(text[-1]) ^ 1))
    if other != text and base64.urlsafe_b64decode(other + "==") == value:
        with pytest.raises(ValueError, match="base64url"):
            decoded(other)
