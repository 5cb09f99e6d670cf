"""A ledger of the test's own making: what the pump reads, and what its marks come to."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.ledger.entries import Mark
from edge.ledger.reader import Outgoing

CLASSES = ("audit", "verdict", "thumb", "evidence")


def hit_out(number: int) -> Outgoing:
    return Outgoing(number, "hit", "up/hit/x", b"hit %d" % number, hit_id=f"{number:036d}", rev=0)


def note_out(number: int, cls: str = "verdict") -> Outgoing:
    return Outgoing(number, cls, f"up/{cls}/x", b"%s %d" % (cls.encode(), number))


@dataclass
class FakeLedger:
    """Holds hits and notes by number; `apply` does to them what the ledger does with marks."""

    hits: dict[int, Outgoing] = field(default_factory=dict)
    notes: dict[int, Outgoing] = field(default_factory=dict)
    received: set[int] = field(default_factory=set)
    sent: set[int] = field(default_factory=set)
    aside: dict[tuple[str, int], str] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)

    def add_hits(self, count: int = 1) -> list[int]:
        numbers = [len(self.hits) + 1 + n for n in range(count)]
        self.hits.update((n, hit_out(n)) for n in numbers)
        return numbers

    def add_notes(self, count: int = 1, cls: str = "verdict") -> list[tuple[int, str]]:
        numbers = [max(self.notes, default=0) + 1 + n for n in range(count)]
        self.notes.update((n, note_out(n, cls)) for n in numbers)
        return [(n, cls) for n in numbers]

    def apply(self, marks: Mark) -> None:
        self.sent.update(marks.sent)
        self.received.update(marks.received)
        self.done.update(marks.done)
        self.aside.update({("hit", n): reason for reason, n in marks.hits_set_aside})
        self.aside.update({("note", n): reason for reason, n in marks.notes_set_aside})

    # What edge.ledger.reader.Reader offers the pump.

    def last(self) -> tuple[int, int]:
        return max(self.hits, default=0), max(self.notes, default=0)

    def hit(self, number: int) -> Outgoing | None:
        return self.hits.get(number) if self._open("hit", number, self.received) else None

    def note(self, number: int) -> Outgoing | None:
        return self.notes.get(number) if self._open("note", number, self.done) else None

    def hits_after(self, seq: int, limit: int, up_to: int) -> list[Outgoing]:
        found = (self.hit(n) for n in sorted(self.hits) if seq < n <= up_to)
        return [out for out in found if out][:limit]

    def notes_after(self, number: int, cls: str, limit: int, up_to: int) -> list[Outgoing]:
        found = (self.note(n) for n in sorted(self.notes) if number < n <= up_to)
        return [out for out in found if out and out.cls == cls][:limit]

    def payload(self, seq: int) -> bytes | None:
        return self.hits[seq].payload if seq in self.hits else None

    def seq_of(self, hit_id: str, rev: int) -> int | None:
        return next((n for n, out in self.hits.items() if (out.hit_id, out.rev) == (hit_id, rev)), None)

    def _open(self, kind: str, number: int, over: set[int]) -> bool:
        return number not in over and (kind, number) not in self.aside


@dataclass
class Wire:
    """The courier's part: sends while there is room in flight, and keeps what was sent under which packet id."""

    pump: object
    in_flight: int = 64
    sent: list[Outgoing] = field(default_factory=list)
    mids: dict[int, Outgoing] = field(default_factory=dict)
    next_mid: int = 0

    def send(self, now_ns: int) -> list[Outgoing]:
        went = []
        while self.pump.in_flight < self.in_flight and (out := self.pump.next(now_ns)):
            self.next_mid += 1
            self.pump.sent(self.next_mid, out, now_ns)
            self.mids[self.next_mid] = out
            went.append(out)
        self.sent += went
        return went

    def puback(self, mid: int, now_ns: int, code: int = 0) -> None:
        self.mids.pop(mid, None)
        self.pump.puback(mid, code, now_ns)

    def puback_all(self, now_ns: int, code: int = 0) -> None:
        for mid in list(self.mids):
            self.puback(mid, now_ns, code)
