"""Which message goes next, and what became of those that went: pure bookkeeping, no network, no waiting.

Live hits go first, then live messages of the other classes, then what is due to be sent again, then the backlog in its
order. A hit is on its way until the console's receipt; how many are is bounded, live and backlog apart, so that neither
a returning console is flooded nor a live hit waits behind an outage's worth of old ones.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import deque
from dataclasses import dataclass, field

from edge.ledger.entries import Mark
from edge.ledger.reader import Outgoing, Reader

WINDOW = 512
LIVE_MAX = 8192
FETCH = 256
RESEND_FIRST_S = 5.0
RESEND_MAX_S = 600.0
RESEND_DOUBLINGS = 10
SILENCE_NS = 3_000_000_000
LIVE_CLASSES = ("reply", "audit", "verdict", "thumb", "evidence")
EXPIRY_S = {"verdict": 86_400, "thumb": 7 * 86_400}
SUSPECT_STRIKES = 3
POISON_STRIKES = 6

#: PUBACK and DISCONNECT reason codes that sending again cannot mend (MQTT 5, 2.4): not authorised, topic name invalid,
#: packet too large, payload format invalid.
POISON_CODES = {0x87: "not authorised", 0x90: "topic name invalid", 0x95: "too large", 0x99: "payload format invalid"}

#: DISCONNECT reason codes that say nothing of the messages under way: none (this side hung up), server busy, shutting
#: down, keep alive timeout, session taken over, receive maximum exceeded, administrative action, other server, rates.
BLAMELESS_CODES = {0x00, 0x89, 0x8B, 0x8D, 0x8E, 0x93, 0x98, 0x9C, 0x9D, 0x9F, 0xA0}


@dataclass(slots=True)
class _OnItsWay:
    out: Outgoing
    backlog: bool
    tries: int = 0
    due_ns: int = 0
    in_flight: bool = False
    sent: bool = False
    revived: bool = False


@dataclass(slots=True)
class _Backlog:
    """Where the backlog of one class has been read to, and where it ends."""

    after: int = 0
    end: int = 0
    fetched: deque[Outgoing] = field(default_factory=deque)


class Pump:
    """The order of one connection's messages. `begin` starts a connection; marks collect until `take_marks`."""

    def __init__(self, reader: Reader, *, receipts: bool, backlog_per_s: float) -> None:
        self._reader = reader
        self._receipts = receipts
        self._backlog_per_s = backlog_per_s
        self._marks = Mark()
        self._strikes: dict[tuple[str, int], int] = {}
        self._waiting: dict[int, _OnItsWay] = {}
        self._by_name: dict[tuple[str, int], int] = {}
        self._flying: dict[int, Outgoing] = {}
        self.progress_ns = 0
        self._reset()

    def _reset(self) -> None:
        self._live_hits: deque[int] = deque()
        self._live_notes: dict[str, deque[int]] = {cls: deque() for cls in LIVE_CLASSES}
        self._due: list[tuple[int, int]] = []
        self._put_off: list[tuple[int, int]] = []
        self._answered = False
        self._backlogs = {cls: _Backlog() for cls in ("hit", *LIVE_CLASSES)}
        self._waiting.clear()
        self._by_name.clear()
        self._flying.clear()
        self._backlog_waiting = 0
        self._allowance, self._allowance_ns = 1.0, 0
        self._last_receipt_ns = 0
        self._max_packet_bytes: int | None = None
        self._solo: tuple[str, int] | None = None

    def begin(self, now_ns: int, max_packet_bytes: int | None) -> None:
        """Start with a fresh connection: everything that is not received is backlog, to be sent again."""
        self._reset()
        hits, notes = self._reader.last()
        for cls, backlog in self._backlogs.items():
            backlog.end = hits if cls == "hit" else notes
        self._allowance_ns = now_ns
        self._max_packet_bytes = max_packet_bytes
        self._solo = self._next_suspect()

    def _next_suspect(self) -> tuple[str, int] | None:
        return next((name for name, strikes in self._strikes.items() if strikes >= SUSPECT_STRIKES), None)

    def committed(self, hits: list[int], notes: list[tuple[int, str]]) -> None:
        """Take note of what the ledger just committed."""
        self._live_hits.extend(seq for seq in hits if seq > self._backlogs["hit"].end)
        for number, cls in notes:
            if number > self._backlogs[cls].end:
                self._live_notes[cls].append(number)
        if len(self._live_hits) > LIVE_MAX:
            self._backlogs["hit"].end = self._live_hits[-1]
            self._live_hits.clear()
        for cls, live in self._live_notes.items():
            if len(live) > LIVE_MAX:
                self._backlogs[cls].end = live[-1]
                live.clear()

    def next(self, now_ns: int) -> Outgoing | None:
        """Return the next message to send, or None where nothing may go now."""
        alone = self._next_alone()
        if alone or self._solo is not None:
            return alone
        return self._next_live() or self._next_due(now_ns) or self._next_backlog(now_ns)

    def _next_alone(self) -> Outgoing | None:
        """Send what was under way at several hang-ups alone, so that the next one is its own doing.

        It goes once the broker has answered something else on this connection: then it is not the broker that is ill.
        """
        while self._solo is not None:
            if self._flying or not self._answered:
                return None
            cls, number = self._solo
            if out := self._reader.hit(number) if cls == "hit" else self._reader.note(number):
                return self._track(out, backlog=True) if cls == "hit" else out
            self._clear_of_suspicion(self._solo)
        return None

    def _clear_of_suspicion(self, name: tuple[str, int]) -> None:
        self._strikes.pop(name, None)
        if self._solo == name:
            self._solo = self._next_suspect()

    def _next_live(self) -> Outgoing | None:
        while self._live_hits and len(self._waiting) - self._backlog_waiting < WINDOW:
            if out := self._reader.hit(self._live_hits.popleft()):
                return self._track(out, backlog=False)
        for live in self._live_notes.values():
            while live:
                if out := self._reader.note(live.popleft()):
                    return out
        return None

    def _next_due(self, now_ns: int) -> Outgoing | None:
        while self._due and self._due[0][0] <= now_ns:
            due_ns, seq = heapq.heappop(self._due)
            way = self._waiting.get(seq)
            if way and way.due_ns == due_ns and not way.in_flight:
                return way.out
        while self._put_off and self._put_off[0][0] <= now_ns:
            if out := self._reader.note(heapq.heappop(self._put_off)[1]):
                return out
        return None

    def _next_backlog(self, now_ns: int) -> Outgoing | None:
        for cls, backlog in self._backlogs.items():
            if cls == "hit" and (self._backlog_waiting >= WINDOW or not self._may_send_backlog(now_ns)):
                continue
            while backlog.fetched or backlog.after < backlog.end:
                if not backlog.fetched:
                    self._fetch(cls, backlog)
                    continue
                out = backlog.fetched.popleft()
                if cls != "hit":
                    return out
                if out.number not in self._waiting:
                    self._allowance -= 1
                    return self._track(out, backlog=True)
        return None

    def _fetch(self, cls: str, backlog: _Backlog) -> None:
        found = (
            self._reader.hits_after(backlog.after, FETCH, backlog.end)
            if cls == "hit"
            else self._reader.notes_after(backlog.after, cls, FETCH, backlog.end)
        )
        backlog.after = found[-1].number if found else backlog.end
        backlog.fetched.extend(found)

    def _may_send_backlog(self, now_ns: int) -> bool:
        if not self._backlog_per_s:
            return True
        earned = (now_ns - self._allowance_ns) / 1e9 * self._backlog_per_s
        self._allowance = min(self._allowance + earned, max(1.0, self._backlog_per_s))
        self._allowance_ns = now_ns
        return self._allowance >= 1

    def _track(self, out: Outgoing, *, backlog: bool) -> Outgoing:
        self._waiting[out.number] = _OnItsWay(out, backlog)
        self._by_name[(out.hit_id, out.rev)] = out.number
        self._backlog_waiting += backlog
        return out

    def too_large(self, out: Outgoing, topic: str) -> bool:
        """Return whether the broker's own limit forbids a message; it is then set aside."""
        limit = self._max_packet_bytes
        if limit is None or len(out.payload) + len(topic) + 64 <= limit:
            return False
        self._set_aside(out, POISON_CODES[0x95])
        return True

    def sent(self, mid: int, out: Outgoing, now_ns: int) -> None:
        """Note that a message is in flight under a packet id."""
        if not self._flying:
            self.progress_ns = now_ns
        self._flying[mid] = out
        if out.cls == "hit" and (way := self._waiting.get(out.number)):
            way.in_flight = True
            way.tries += 1

    @property
    def in_flight(self) -> int:
        """How many messages wait for their PUBACK; `progress_ns` is when the last one came, or the first was sent."""
        return len(self._flying)

    def puback(self, mid: int, code: int, now_ns: int) -> None:
        """Note the broker's answer to a packet id; one that is not of this pump's messages proves the broker alive."""
        self._answered = True
        out = self._flying.pop(mid, None)
        if out is None:
            return
        self.progress_ns = now_ns
        self._clear_of_suspicion((out.cls, out.number))
        if code in POISON_CODES:
            self._set_aside(out, POISON_CODES[code])
        elif out.cls != "hit":
            self._note_answered(out.number, code, now_ns)
        elif code < 0x80 and not self._receipts:
            self._received(out.number)
            self._marks.proven.append(out.number)  # a console that sends no receipts is taken at its broker's word
        elif way := self._waiting.get(out.number):
            self._hit_answered(way, code, now_ns)

    def _note_answered(self, number: int, code: int, now_ns: int) -> None:
        if code < 0x80:
            self._marks.done.append(number)
        else:
            heapq.heappush(self._put_off, (now_ns + int(RESEND_FIRST_S * 1e9), number))

    def _hit_answered(self, way: _OnItsWay, code: int, now_ns: int) -> None:
        if code < 0x80 and not way.sent:
            way.sent = True
            self._marks.sent.append(way.out.number)
        way.in_flight = False
        wait_s = min(RESEND_MAX_S, RESEND_FIRST_S * 2 ** min(way.tries - 1, RESEND_DOUBLINGS))
        way.due_ns = now_ns + int(wait_s * 1e9)
        heapq.heappush(self._due, (way.due_ns, way.out.number))

    def receipt(self, hit_id: str, rev: int, sha256: str | None, now_ns: int) -> bool:
        """Note the console's receipt; return False where it names a hit that is not ours, or other bytes than ours."""
        seq = self._by_name.get((hit_id, rev))
        if seq is None:
            seq = self._reader.seq_of(hit_id, rev)
            if seq is None:
                return False
        way = self._waiting.get(seq)
        if sha256 is not None:
            payload = way.out.payload if way else self._reader.payload(seq)
            if payload is None or hashlib.sha256(payload).hexdigest() != sha256:
                return False
            self._marks.proven.append(seq)
        self._revive(now_ns)
        self._received(seq)
        return True

    def _received(self, seq: int) -> None:
        self._marks.received.append(seq)
        way = self._waiting.pop(seq, None)
        if way:
            self._by_name.pop((way.out.hit_id, way.out.rev), None)
            self._backlog_waiting -= way.backlog

    def _revive(self, now_ns: int) -> None:
        """After a silence the console is back: what it has not receipted is due now, not in ten minutes.

        Once for each hit: one that the console never receipts must not go again with every receipt of another.
        """
        if now_ns - self._last_receipt_ns > SILENCE_NS:
            for seq, way in self._waiting.items():
                if not way.in_flight and not way.revived and way.tries > 1 and way.due_ns > now_ns:
                    way.revived, way.due_ns = True, now_ns
                    heapq.heappush(self._due, (now_ns, seq))
        self._last_receipt_ns = now_ns

    def _set_aside(self, out: Outgoing, reason: str) -> None:
        self._clear_of_suspicion((out.cls, out.number))
        if out.cls == "hit":
            self._marks.hits_set_aside.append((reason, out.number))
            if way := self._waiting.pop(out.number, None):
                self._by_name.pop((out.hit_id, out.rev), None)
                self._backlog_waiting -= way.backlog
        else:
            self._marks.notes_set_aside.append((reason, out.number))

    def dropped(self, code: int) -> None:
        """Note that the connection ended: what was in flight is not to blame, unless the broker hangs up every time.

        What was under way at several hang-ups is sent alone from then on (`_next_alone`), and set aside where the
        broker, well until then, hangs up on it again and again, or once with a reason that says why.
        """
        suspects = [] if code in BLAMELESS_CODES else list(self._flying.values())
        alone = len(suspects) == 1
        for out in suspects:
            name = (out.cls, out.number)
            strikes = self._strikes.get(name, 0) + 1
            if alone and (code in POISON_CODES or (self._solo == name and strikes >= POISON_STRIKES)):
                self._set_aside(out, POISON_CODES.get(code, "the broker hangs up on it"))
            else:
                self._strikes[name] = strikes
        if len(self._strikes) > 4 * WINDOW:
            self._strikes.clear()
        self._flying.clear()

    def next_due_ns(self) -> int | None:
        """Return when the next message is to be sent again."""
        return min((heap[0][0] for heap in (self._due, self._put_off) if heap), default=None)

    def backlog_waits(self) -> bool:
        """Return whether a rate limit alone keeps the backlog back."""
        hits = self._backlogs["hit"]
        return bool(self._backlog_per_s) and (bool(hits.fetched) or hits.after < hits.end)

    @property
    def marks(self) -> int:
        """How many marks wait to be taken."""
        return self._marks.count()

    def take_marks(self) -> Mark:
        """Return what became of messages since the last call."""
        marks, self._marks = self._marks, Mark()
        return marks
