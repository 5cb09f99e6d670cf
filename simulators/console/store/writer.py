"""The one writer: a batch of messages in, one commit, receipts out."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from simulators.console import messages, presence
from simulators.console.intake import Bad, Hit, Other, Part, Said, Thumb, time_ms
from simulators.console.seal import Pins
from simulators.console.store import desk, trust
from simulators.console.store.sequences import Sequences

HOUR_MS = 3_600_000
#: What hits of test runs and projected threats are counted as.
TEST = "test"
KEEP_BAD = 200
KEEP_BAD_BYTES = 8 * 1024
KEEP_CONFLICTS = 1000
KEEP_DIGESTS_MS = 14 * 24 * HOUR_MS

Message = Hit | Thumb | Part | Said | Bad | Other


NO_PINS = Pins({})


@dataclass(frozen=True, slots=True)
class Receipt:
    """The console has this: the digest is of the bytes it keeps."""

    site: str
    edge: str
    hit_id: str
    rev: int
    sha256: str


@dataclass(slots=True)
class _Batch:
    """What a batch adds up to before it is written at its end."""

    receipts: list[Receipt] = field(default_factory=list)
    tally: Counter[tuple[int, str]] = field(default_factory=Counter)
    heard: dict[tuple[str, str], int] = field(default_factory=dict)
    numbers: defaultdict[tuple[str, str, str], list[tuple[int, Hit]]] = field(default_factory=lambda: defaultdict(list))


class Writer:
    """Keeps what arrives. Owned by one thread; where it is not `alone`, other threads write to the same file.

    `commit` raises sqlite3.Error when the file cannot be written; then nothing of the batch is kept, and the same
    batch can come again.
    """

    def __init__(self, db: sqlite3.Connection, *, alone: bool = True, pins: Pins = NO_PINS) -> None:
        self._db = db
        self._pins = pins
        self._alone = alone
        self._sequences = Sequences(db)
        self._ledgers: dict[tuple[str, str], str] = {}
        self._said: dict[type[messages.Message], Callable[[Said], None]] = {
            messages.State: self._state,
            messages.Birth: self._birth,
            messages.Device: self._device,
            messages.Verdict: self._verdict,
            messages.Health: self._health,
            messages.Reply: self._reply,
            messages.Audit: self._audit,
        }
        self._batch = _Batch()
        self._load()

    @property
    def client_id(self) -> str:
        """Return the MQTT client id of this file: the broker's queue for us belongs to it."""
        return str(self._db.execute("SELECT value FROM meta WHERE name='client_id'").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def commit(self, batch: Iterable[Message]) -> list[Receipt]:
        """Keep a batch in one transaction, flushed to the disk; return the receipts that may be sent now."""
        self._batch = _Batch()
        try:
            self._db.execute("BEGIN IMMEDIATE")
            if not self._alone:
                self._load()
            for message in batch:
                self._keep(message)
            self._finish()
            self._db.execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._load()
            raise
        return self._batch.receipts

    def probe(self, now_ms: int) -> None:
        """Write something small. Raises sqlite3.Error where that cannot be done."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('written_ms', ?)", (str(now_ms),))

    def due(self, now_ms: int, most: int) -> list[desk.Due]:
        """Return what officers asked and is to be sent now."""
        return desk.due(self._db, now_ms, most)

    def sent(self, ids: Iterable[int], now_ms: int) -> None:
        """Keep that these were handed to the broker."""
        self._db.execute("BEGIN IMMEDIATE")
        desk.sent(self._db, ids, now_ms)
        self._db.execute("COMMIT")

    def again(self, now_ms: int) -> None:
        """Make everything unanswered due: the connection is a new one."""
        desk.again(self._db, now_ms)

    def forget_old_digests(self, now_ms: int) -> None:
        """Drop the digests of verdicts too old to come again."""
        self._db.execute("DELETE FROM verdict_seen WHERE at_ms < ?", (now_ms - KEEP_DIGESTS_MS,))

    def _load(self) -> None:
        rows = self._db.execute("SELECT site, edge, ledger_id FROM appliance")
        self._ledgers = {(site, edge): ledger_id for site, edge, ledger_id in rows}

    def _keep(self, message: Message) -> None:
        match message:
            case Hit():
                self._hit(message)
            case Thumb():
                self._thumb(message)
            case Part():
                self._part(message)
            case Said():
                self._said[type(message.body)](message)
            case Bad():
                self._bad(message)
                return
            case Other():
                pass
        self._batch.heard[message.origin.site, message.origin.edge] = getattr(message, "at_ms", 0)

    def _hit(self, hit: Hit) -> None:
        data, origin = hit.data, hit.origin
        known = self._db.execute(
            "SELECT rev, sha256, site, edge FROM hit WHERE hit_id=? ORDER BY rev", (data.hit_id,)
        ).fetchall()
        if any((site, edge) != (origin.site, origin.edge) for _, _, site, edge in known):
            self._conflict("owner", hit)
            return  # not its hit: no receipt, for what it sent is not kept as a hit
        digest = hit.sha256
        kept = next((sha for rev, sha, _, _ in known if rev == data.rev), None)
        if kept is None:
            judged = trust.judged(self._db, self._pins, origin.site, origin.edge, hit.payload)
            if judged == trust.FORGED:
                self._conflict("forged", hit)
                return  # whoever sent it, it was not this appliance: no receipt
            self._new_hit(hit, judged, newest=not known or data.rev > known[-1][0], first=not known)
        elif kept == digest:
            self._batch.tally[hit.at_ms // HOUR_MS, "duplicate"] += 1
        else:
            self._conflict("content", hit)
            digest = kept
        self._batch.receipts.append(Receipt(origin.site, origin.edge, data.hit_id, data.rev, digest.hex()))

    def _new_hit(self, hit: Hit, judged: str, *, newest: bool, first: bool) -> None:
        data, origin = hit.data, hit.origin
        ledger_id = self._ledgers.get((origin.site, origin.edge), "")
        shown_ms = min(hit.observed_ms, hit.at_ms)
        if newest and not first:
            self._db.execute("UPDATE hit SET latest=0 WHERE hit_id=? AND latest", (data.hit_id,))
        self._db.execute(
            "INSERT INTO hit (hit_id, rev, site, edge, lane, device, severity, ledger_id, seq, shown_ms, arrived_ms,"
            " latest, sha256, payload, trust) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                *(data.hit_id, data.rev, origin.site, origin.edge, data.lane, data.device, data.severity, ledger_id),
                *(data.seq, shown_ms, hit.at_ms, int(newest), hit.sha256, hit.payload, judged),
            ),
        )
        if first:
            self._batch.tally[shown_ms // HOUR_MS, TEST if _is_test(data) else "hit"] += 1
        self._batch.numbers[origin.site, origin.edge, ledger_id].append((data.seq, hit))

    def _conflict(self, kind: str, hit: Hit) -> None:
        self._batch.tally[hit.at_ms // HOUR_MS, "conflict"] += 1
        self._db.execute(
            "INSERT INTO conflict (kind, hit_id, rev, site, edge, other_sha256, first_ms, last_ms, times, payload)"
            " VALUES (?,?,?,?,?,?,?,?,1,?) ON CONFLICT (kind, hit_id, rev, other_sha256)"
            " DO UPDATE SET times=times+1, last_ms=excluded.last_ms",
            (
                *(kind, hit.data.hit_id, hit.data.rev, hit.origin.site, hit.origin.edge, hit.sha256),
                *(hit.at_ms, hit.at_ms, hit.payload),
            ),
        )
        self._db.execute("DELETE FROM conflict WHERE id <= (SELECT max(id) FROM conflict) - ?", (KEEP_CONFLICTS,))

    def _thumb(self, thumb: Thumb) -> None:
        origin = thumb.origin
        kept = self._db.execute(
            "SELECT jpeg FROM thumb WHERE hit_id=? AND site=? AND edge=?", (thumb.hit_id, origin.site, origin.edge)
        ).fetchone()
        if kept is None or kept[0] != thumb.jpeg:
            self._db.execute(
                "INSERT OR REPLACE INTO thumb (id, hit_id, site, edge, arrived_ms, jpeg)"
                " VALUES ((SELECT coalesce(max(id), 0) + 1 FROM thumb),?,?,?,?,?)",
                (thumb.hit_id, origin.site, origin.edge, thumb.at_ms, thumb.jpeg),
            )

    def _part(self, part: Part) -> None:
        """Keep a piece of evidence of a hit that this appliance sent; the last of the same number counts."""
        origin = part.origin
        self._db.execute(
            "INSERT OR REPLACE INTO evidence_part SELECT hit_id, site, edge, ?, ? FROM hit"
            " WHERE hit_id=? AND site=? AND edge=? LIMIT 1",
            (part.part, part.body, part.hit_id, origin.site, origin.edge),
        )

    def _bad(self, bad: Bad) -> None:
        self._batch.tally[bad.at_ms // HOUR_MS, "bad"] += 1
        self._db.execute(
            "INSERT INTO bad (topic, at_ms, reason, bytes, payload) VALUES (?,?,?,?,?)",
            (bad.topic, bad.at_ms, bad.reason, len(bad.payload), bad.payload[:KEEP_BAD_BYTES]),
        )
        self._db.execute("DELETE FROM bad WHERE id <= (SELECT max(id) FROM bad) - ?", (KEEP_BAD,))

    def _appliance(self, site: str, edge: str) -> presence.Presence:
        self._db.execute("INSERT OR IGNORE INTO appliance (site, edge) VALUES (?,?)", (site, edge))
        state, session, at, since_ms, since_before, past = self._db.execute(
            "SELECT state, session, state_at, since_ms, since_before, past FROM appliance WHERE site=? AND edge=?",
            (site, edge),
        ).fetchone()
        return presence.Presence(state, session, at, since_ms, bool(since_before), tuple(json.loads(past)))

    def _write_presence(self, site: str, edge: str, now: presence.Presence) -> None:
        self._db.execute(
            "UPDATE appliance SET state=?, session=?, state_at=?, since_ms=?, since_before=?, past=?"
            " WHERE site=? AND edge=?",
            (now.state, now.session, now.at, now.since_ms, int(now.since_before), json.dumps(now.past), site, edge),
        )

    def _state(self, said: Said) -> None:
        assert isinstance(said.body, messages.State)
        site, edge = said.origin.site, said.origin.edge
        known = self._appliance(site, edge)
        body = said.body
        after = presence.heard_state(known, body.state, body.session, body.at, said.at_ms, said.retained)
        if after is None:
            self._db.execute("UPDATE appliance SET late_wills=late_wills+1 WHERE site=? AND edge=?", (site, edge))
        elif after != known:
            self._write_presence(site, edge, after)

    def _birth(self, said: Said) -> None:
        assert isinstance(said.body, messages.Birth)
        site, edge, body = said.origin.site, said.origin.edge, said.body
        known = self._appliance(site, edge)
        after = presence.heard_birth(known, body.session, body.at or "", said.at_ms, said.retained)
        if after != known:
            self._write_presence(site, edge, after)
        self._db.execute(
            "UPDATE appliance SET birth=?, ledger_id=?, lane=? WHERE site=? AND edge=?",
            (said.payload, body.ledger_id, body.lane, site, edge),
        )
        if body.key is not None:
            trust.shown(self._db, site, edge, body.key.kid, body.key.pem, said.at_ms)
            trust.recheck(self._db, self._pins, site, edge)
        self._ledgers[site, edge] = body.ledger_id
        self._settle_numbers()  # numbers that came before any birth must lie there to be adopted
        self._sequences.born(site, edge, body.ledger_id, body.seq_start, said.at_ms)

    def _device(self, said: Said) -> None:
        assert isinstance(said.body, messages.Device)
        origin, body = said.origin, said.body
        self._appliance(origin.site, origin.edge)
        self._db.execute(
            "INSERT OR REPLACE INTO device (site, edge, device, state, reason, since, last_observation_at, heard_ms,"
            " payload) VALUES (?,?,?,?,?,?,?,?,?)",
            (
                *(origin.site, origin.edge, origin.rest, body.state, body.reason or "", body.since or ""),
                *(body.last_observation_at or "", said.at_ms, said.payload),
            ),
        )

    def _verdict(self, said: Said) -> None:
        assert isinstance(said.body, messages.Verdict)
        origin = said.origin
        name = f"{origin.site}/{origin.edge}/{origin.rest}\n".encode()
        digest = hashlib.blake2b(name + said.payload, digest_size=16).digest()
        new = self._db.execute("INSERT OR IGNORE INTO verdict_seen VALUES (?,?)", (digest, said.at_ms)).rowcount
        if new and not _is_test(said.body):  # a test's hit is counted among the tests
            observed_ms = time_ms(said.body.at)
            at_ms = said.at_ms if observed_ms is None else min(observed_ms, said.at_ms)
            self._batch.tally[at_ms // HOUR_MS, said.body.decision] += 1

    def _health(self, said: Said) -> None:
        site, edge = said.origin.site, said.origin.edge
        self._appliance(site, edge)
        self._db.execute(
            "UPDATE appliance SET health=?, health_ms=? WHERE site=? AND edge=?",
            (said.payload, said.at_ms, site, edge),
        )

    def _reply(self, said: Said) -> None:
        assert isinstance(said.body, messages.Reply)
        desk.answered(self._db, said.origin.site, said.origin.edge, said.body, said.payload, said.at_ms)

    def _audit(self, said: Said) -> None:
        """Keep what an appliance says was done on it; the same words at the same time are the same event."""
        assert isinstance(said.body, messages.Audit)
        body, origin = said.body, said.origin
        at_ms = time_ms(body.at)
        row = (origin.site, origin.edge, body.by, body.what, body.outcome, body.detail)
        known = self._db.execute(
            "SELECT 1 FROM log WHERE site=? AND edge=? AND by=? AND what=? AND about=? AND detail=? AND at_ms=?",
            (*row, said.at_ms if at_ms is None else at_ms),
        ).fetchone()
        if known is None:
            self._db.execute(
                "INSERT INTO log (site, edge, by, what, about, detail, at_ms) VALUES (?,?,?,?,?,?,?)",
                (*row, said.at_ms if at_ms is None else at_ms),
            )

    def _settle_numbers(self) -> None:
        numbers, self._batch.numbers = self._batch.numbers, defaultdict(list)
        for (site, edge, ledger_id), arrived in numbers.items():
            now_ms = arrived[-1][1].at_ms
            clashes = self._sequences.arrived(site, edge, ledger_id, [seq for seq, _ in arrived], now_ms)
            for seq, hit in arrived:
                if seq in clashes:
                    self._conflict("seq", hit)

    def _finish(self) -> None:
        self._settle_numbers()
        for (site, edge), at_ms in self._batch.heard.items():
            self._db.execute(
                "INSERT INTO appliance (site, edge, heard_ms) VALUES (?,?,?)"
                " ON CONFLICT DO UPDATE SET heard_ms=max(heard_ms, excluded.heard_ms)",
                (site, edge, at_ms),
            )
        self._db.executemany(
            "INSERT INTO tally VALUES (?,?,?) ON CONFLICT DO UPDATE SET n=n+excluded.n",
            [(hour, what, n) for (hour, what), n in self._batch.tally.items()],
        )


def _is_test(said: messages.HitData | messages.Verdict) -> bool:
    """Return whether a message is of a test run or a projected threat, which count in no figure."""
    return said.scan_type is not None or said.tip_type is not None
