"""One commit of the ledger: what it writes, in which order."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from drivers.clock import Clock, Stamp
from edge.clock import boot_id
from edge.event import HISTORICAL_NS, EventWriter
from edge.ledger import acts
from edge.ledger.chain import FIRST_LINK, sealed
from edge.ledger.entries import Entry, Mark, Note, Record, Written
from edge.ledger.originals import Originals, evidence_path
from edge.ledger.room import Room
from edge.messages import EvidenceBody, HitEvent
from edge.nouns import Evidence
from edge.report import report_json
from edge.signing import SigningKey

_THESE = "seq IN (SELECT value FROM json_each(?))"


class Batch:
    """Writes entries within one transaction of the caller's. `lean` leaves thumbnails out: room is short.

    `head` is where the chain of hits stands, its last number and link; not given, it is read.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        originals: Originals,
        events: EventWriter,
        clock: Clock,
        room: Room,
        lean: bool,
        key: SigningKey | None,
        head: tuple[int, bytes] | None = None,
    ) -> None:
        self.hits: list[int] = []
        self.notes: list[tuple[int, str]] = []
        self.db = db
        self._originals = originals
        self._events = events
        self._clock = clock
        self._room = room
        self._lean = lean
        self._key = key
        self._digests: dict[int, str] = {}
        self.head = head or self._last()

    def _last(self) -> tuple[int, bytes]:
        start = int(self.db.execute("SELECT value FROM meta WHERE key='seq_start'").fetchone()[0])
        row = self.db.execute("SELECT seq, hash FROM hit WHERE seq >= ? ORDER BY seq DESC LIMIT 1", (start,)).fetchone()
        return row or (start - 1, FIRST_LINK)

    def write_evidence(self, records: list[Record]) -> None:
        """Put the original bits of every record on the disk, files and folders, before any row names them.

        Those without a hit are left out where room is short.
        """
        wanted = [r for r in records if r.evidence and (r.hit or not self._lean)]
        digests = self._originals.put([record.evidence.original for record in wanted if record.evidence])
        self._digests = {id(record): digest for record, digest in zip(wanted, digests, strict=True)}

    def now_ns(self) -> int:
        """Return the wall time, in Unix nanoseconds."""
        return self._clock.now().wall_ns

    def act(self, kind: str, hit_id: str | None, body: dict[str, Any]) -> int:
        """Add what was done to the chain of acts and return its number."""
        return acts.append(self.db, self.now_ns(), kind, hit_id, body, self._key)

    def write(self, entry: Entry) -> Written:
        """Insert one entry's rows; return what its asker is told after the commit."""
        if isinstance(entry, Note):
            self.note(entry)
            return Written(None)
        if not isinstance(entry, Record):
            return Written(None, answer=entry.write(self))
        if entry.key is not None and not self._first_time(entry):
            return Written(None, repeated=True)
        seq = self._hit(entry) if entry.hit else None
        if entry.hit is None:
            self._evidence_row(entry.kept, self._digests.get(id(entry)), self.now_ns(), False)
        if entry.verdict is not None:
            self.note(Note("verdict", f"up/verdict/{entry.device}", entry.verdict))
        if entry.hit and entry.thumb is not None:
            self.thumb(entry.hit.hit_id, entry.thumb)
        return Written(seq)

    def thumb(self, hit_id: str, jpeg: bytes) -> None:
        """Put a hit's thumbnail into the outbox, unless room is short."""
        if self._lean:
            self._room.accounts.dropped["thumb"] += 1
        else:
            self.note(Note("thumb", f"up/thumb/{hit_id}", jpeg))

    def _first_time(self, record: Record) -> bool:
        now = self._clock.now().wall_ns
        kept = record.verdict if record.answer_repeats else None
        inserted = self.db.execute(
            "INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?)", (record.device, record.key, now, kept)
        )
        if inserted.rowcount:
            return True
        verdict = self.db.execute(
            "SELECT verdict FROM seen WHERE device=? AND key=?", (record.device, record.key)
        ).fetchone()[0]
        if verdict is not None and record.answer_repeats:
            self.note(Note("verdict", f"up/verdict/{record.device}", verdict))
        return False

    def note(self, note: Note) -> None:
        """Put a message into the outbox."""
        row = self.db.execute(
            "INSERT INTO outbox (class, topic, payload, created_ns, correlation) VALUES (?, ?, ?, ?, ?)",
            (note.cls, note.topic, note.payload, self.now_ns(), note.correlation),
        )
        assert row.lastrowid is not None
        self.notes.append((row.lastrowid, note.cls))
        self._room.accounts.added(note.cls, len(note.payload))

    def _hit(self, record: Record) -> int:
        hit = record.hit
        assert hit is not None
        if hit.rev:
            # Others revise hits too: whoever comes next has the next number.
            last = self.db.execute(
                "SELECT rev, payload FROM hit WHERE hit_id=? ORDER BY rev DESC LIMIT 1", (hit.hit_id,)
            ).fetchone()
            if last:
                # What the console made covert stays so, though who revises the hit may not know.
                covert = hit.covert or bool(json.loads(last[1])["data"].get("covert"))
                hit = replace(hit, rev=last[0] + 1, covert=covert)
        committed = self._clock.now()
        digest = self._digests.get(id(record))
        body = self._evidence_row(hit.evidence, digest, committed.wall_ns, record.thumb is not None and not self._lean)
        seq = self.head[0] + 1
        report = report_json(hit)
        event = self._events.hit(hit, seq, committed, body, hashlib.sha256(report.encode()).hexdigest())
        named = (hit.hit_id, hit.rev, hit.device, hit.item.scan_id, hit.observed.wall_ns, committed.wall_ns)
        return self._insert_hit(named, event, report, hit.raw, digest)

    def _insert_hit(self, named: tuple[Any, ...], event: bytes, report: str, raw: bytes, digest: str | None) -> int:
        """Seal an event and insert its row; `named` is hit_id, rev, device, scan_id, observed_ns, committed_ns."""
        seq, prev = self.head[0] + 1, self.head[1]
        payload, link = sealed(event, prev, raw, digest, self._key)
        self.db.execute(
            "INSERT INTO hit (seq, hit_id, rev, device, scan_id, observed_ns, committed_ns, payload, report, raw,"
            " evidence, prev, hash) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (seq, *named, payload, report, raw or None, digest, prev, link),
        )
        self._room.accounts.hits += 1
        self._room.accounts.hit_bytes += len(payload)
        self.head = (seq, link)
        self.hits.append(seq)
        return seq

    def revise(self, hit_id: str, changes: dict[str, Any]) -> int | None:
        """Commit a hit once more with other words in its data; return its number, None where it says so already."""
        row = self.db.execute(
            "SELECT rev, device, observed_ns, payload, report, evidence FROM hit WHERE hit_id=?"
            " ORDER BY rev DESC LIMIT 1",
            (hit_id,),
        ).fetchone()
        rev, device, observed_ns, payload, report, digest = row
        event = json.loads(payload)
        data: dict[str, Any] = event["data"]
        if all(data.get(name) == value for name, value in changes.items()):
            return None
        committed = self._clock.now()
        told = {"rev": rev + 1, "seq": self.head[0] + 1, "committed_at": committed.rfc3339()}
        late = {"historical": _age_ns(data["clock"], observed_ns, committed) > HISTORICAL_NS}
        kept = {name: value for name, value in data.items() if name not in ("chain", "signature")}
        data = kept | told | late | changes
        event |= {"id": f"{hit_id}:{rev + 1}", "time": committed.rfc3339(), "data": data}
        named = (hit_id, rev + 1, device, data["item"]["scan_id"], observed_ns, committed.wall_ns)
        return self._insert_hit(named, HitEvent.model_validate_json(json.dumps(event)).encoded(), report, b"", digest)

    def _evidence_row(
        self, evidence: Evidence | None, digest: str | None, now_ns: int, thumb: bool
    ) -> EvidenceBody | None:
        if evidence is None or digest is None:
            return None
        size = len(evidence.original)
        kept = self.db.execute("SELECT 1 FROM evidence WHERE sha256=? AND purged_ns IS NULL", (digest,)).fetchone()
        self.db.execute(
            "INSERT INTO evidence (sha256, path, media_type, bytes, created_ns) VALUES (?,?,?,?,?)"
            " ON CONFLICT (sha256) DO UPDATE SET purged_ns=NULL, created_ns=excluded.created_ns",
            (digest, evidence_path(digest), evidence.media_type, size, now_ns),
        )
        if not kept:
            self._room.accounts.evidence_bytes += size
        return EvidenceBody(sha256=digest, media_type=evidence.media_type, bytes=size, thumb=thumb)

    def write_marks(self, marks: Mark) -> None:
        """Write what became of messages that are on their way; a mark made twice is made once."""
        now = self._clock.now().wall_ns
        # A hit's row is written anew each time: one that is received by now needs no mark of its own that it was sent.
        self._stamp("sent_ns", set(marks.sent).difference(marks.received), now)
        self._received(marks.received, now)
        self._stamp("proven_ns", marks.proven, now)
        on_its_way = "set_aside IS NULL AND received_ns IS NULL"
        for mark in marks.hits_set_aside:
            self._aside(f"UPDATE hit SET set_aside=? WHERE seq=? AND {on_its_way}", mark)
        for mark in marks.notes_set_aside:
            self._aside("UPDATE outbox SET set_aside=? WHERE id=? AND set_aside IS NULL", mark)
        for row_id in marks.done:
            self._done(row_id)

    def _stamp(self, column: str, seqs: Iterable[int], now_ns: int) -> None:
        if these := sorted(seqs):
            stamp = f"UPDATE hit SET {column}=? WHERE {_THESE} AND {column} IS NULL"
            self.db.execute(stamp, (now_ns, json.dumps(these)))

    def _received(self, seqs: list[int], now_ns: int) -> None:
        if not seqs:
            return
        accounts, these = self._room.accounts, json.dumps(sorted(seqs))
        hits, size, aside = self.db.execute(
            "SELECT count(*), coalesce(sum(length(payload)), 0), count(set_aside) FROM hit"
            f" WHERE {_THESE} AND received_ns IS NULL",
            (these,),
        ).fetchone()
        self.db.execute(
            "UPDATE hit SET received_ns=?, sent_ns=coalesce(sent_ns, ?), set_aside=NULL"
            f" WHERE {_THESE} AND received_ns IS NULL",
            (now_ns, now_ns, these),
        )
        accounts.hits -= hits
        accounts.hit_bytes -= size
        accounts.set_aside -= aside

    def _aside(self, sql: str, mark: tuple[str, int]) -> None:
        self._room.accounts.set_aside += self.db.execute(sql, mark).rowcount

    def _done(self, row_id: int) -> None:
        gone = self.db.execute(
            "DELETE FROM outbox WHERE id=? RETURNING class, length(payload), set_aside IS NOT NULL", (row_id,)
        ).fetchone()
        if gone:
            self._room.accounts.removed(gone[0], gone[1])
            self._room.accounts.set_aside -= gone[2]


def _age_ns(clock: dict[str, Any], observed_ns: int, now: Stamp) -> int:
    """Return how long ago a hit was observed: in this boot by the monotonic clock, for the other may have been set."""
    if clock["boot_id"] == boot_id():
        return now.monotonic_ns - int(clock["monotonic_s"] * 1e9)
    return now.wall_ns - observed_ns
