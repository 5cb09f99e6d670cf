"""The hash chain over the hits: each row's link proves its bytes, and the link of the row before.

A hit's event ends in its seal: its place in the chain, and the appliance's signature over the event with that place.
The link cannot cover itself nor the signature over it, so it is taken of the event with zeros in place of the link and
without the signature; `as_committed` compares the link, and who has the key checks the signature.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from dataclasses import dataclass

from edge.signing import SealError, SigningKey, event_signature

FIRST_LINK = bytes(32)
_ZEROS = b"0" * 64
_REPORT = re.compile(rb',"report_sha256":"([0-9a-f]{64})"')
_SEAL = re.compile(
    rb',"chain":\{"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}'
    rb'(,"signature":\{"alg":"EdDSA","kid":"[0-9a-f]{64}","value":"[A-Za-z0-9_-]{86}"\})?\}\}\Z'
)


def chain_link(prev: bytes, payload: bytes, raw: bytes, evidence: str | None) -> bytes:
    """Return a row's link in the chain: SHA-256 over the link before and the digests of all that the row proves."""
    if seal := _SEAL.search(payload):
        payload = payload[: seal.start(2)] + _ZEROS + b'"}}}'
    return _link(prev, payload, raw, evidence)


def _link(prev: bytes, payload: bytes, raw: bytes, evidence: str | None) -> bytes:
    parts = (prev, hashlib.sha256(payload).digest(), hashlib.sha256(raw).digest(), bytes.fromhex(evidence or ""))
    return hashlib.sha256(b"".join(parts)).digest()


def sealed(event: bytes, prev: bytes, raw: bytes, evidence: str | None, key: SigningKey | None) -> tuple[bytes, bytes]:
    """Return an event with its place in the chain and, where there is a key, its signature; and its link."""

    def placed(link: bytes) -> bytes:
        return event[:-2] + b',"chain":{"prev":"%s","hash":"%s"}}}' % (prev.hex().encode(), link)

    link = _link(prev, placed(_ZEROS), raw, evidence)
    whole = placed(link.hex().encode())
    if key is None:
        return whole, link
    try:
        value = event_signature(key, whole)
    except SealError:  # a measured value that is no number of JSON's: an unsigned hit is better than none
        return whole, link
    signature = b',"signature":{"alg":"EdDSA","kid":"%s","value":"%s"}}}' % (key.fingerprint.encode(), value)
    return whole[:-2] + signature, link


@dataclass(frozen=True, slots=True)
class Row:
    """What a hit's row proves of itself; the names are the table's."""

    seq: int
    hit_id: str
    rev: int
    payload: bytes
    raw: bytes | None
    evidence: str | None
    prev: bytes
    hash: bytes
    report: str | None = None

    def as_committed(self) -> bool:
        """Return whether the row is as it was committed: its link fits its bytes, and its names are the event's."""
        named = b'"hit_id":"%s","rev":%d,"seq":%d,' % (self.hit_id.encode(), self.rev, self.seq)
        seal = _SEAL.search(self.payload)
        if seal and seal.groups()[:2] != (self.prev.hex().encode(), self.hash.hex().encode()):
            return False
        if (report := _REPORT.search(self.payload)) and not self._reports(report[1].decode()):
            return False
        try:
            link = chain_link(self.prev, self.payload, self.raw or b"", self.evidence)
        except ValueError:  # the digest of its evidence is none
            return False
        return link == self.hash and named in self.payload

    def _reports(self, digest: str) -> bool:
        return self.report is None or hashlib.sha256(self.report.encode()).hexdigest() == digest


COLUMNS = tuple(Row.__slots__)


def altered(db: sqlite3.Connection) -> list[int]:
    """Return the numbers of hits on their way whose rows are not as they were committed.

    What is received is history, and `doctor` and `evidence verify` look at all of it; a row on its way would be
    published as it stands. Raises sqlite3.Error.
    """
    rows = db.execute(f"SELECT {', '.join(COLUMNS)} FROM hit WHERE received_ns IS NULL")
    return [row.seq for row in (Row(*found) for found in rows) if not row.as_committed()]
