"""What can be asked of the ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol

from edge.nouns import Evidence, Hit

if TYPE_CHECKING:
    from edge.ledger.batch import Batch

OutboxClass = Literal["verdict", "thumb", "evidence", "audit", "reply"]


class StoreState(StrEnum):
    """How the store is: `reserve` takes no thumbnails and keeps hits first, `full` refuses, `failing` cannot write."""

    OK = "ok"
    RESERVE = "reserve"
    FULL = "full"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Record:
    """An observation judged: its verdict, its hit where it is an alarm, the thumbnail, and the key of its repeats.

    `kept` is what a scan that nothing could judge was: evidence without a hit, which goes before any of a hit does.
    """

    device: str
    verdict: bytes | None = None
    hit: Hit | None = None
    thumb: bytes | None = None
    key: str | None = None
    answer_repeats: bool = False
    kept: Evidence | None = None

    @property
    def evidence(self) -> Evidence | None:
        """The original bits that are to be on the disk before any row names them."""
        return self.hit.evidence if self.hit else self.kept


@dataclass(frozen=True, slots=True)
class Note:
    """A message of a class of its own that must reach the console: an answer, an evidence part, an audit line."""

    cls: OutboxClass
    topic: str
    payload: bytes
    correlation: bytes | None = None


class Deed(Protocol):
    """Something else that is written in one piece: a command's answer, a disposition with its hold."""

    @property
    def what(self) -> str:
        """Name it, for the log."""

    def write(self, batch: Batch) -> object:
        """Write it within the batch's transaction, in the ledger's thread; return what its asker is told."""


Entry = Record | Note | Deed


@dataclass(slots=True)
class Mark:
    """What became of messages: sent (PUBACK), received (the console's receipt), done, or set aside with a reason.

    `proven` are hits whose very bytes the console has named in its receipt.
    """

    sent: list[int] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    proven: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    hits_set_aside: list[tuple[str, int]] = field(default_factory=list)
    notes_set_aside: list[tuple[str, int]] = field(default_factory=list)

    def count(self) -> int:
        """Return how many marks there are."""
        aside = len(self.hits_set_aside) + len(self.notes_set_aside)
        return len(self.sent) + len(self.received) + len(self.proven) + len(self.done) + aside

    def __bool__(self) -> bool:
        return self.count() > 0


@dataclass(frozen=True, slots=True)
class Written:
    """What is on disk: a hit's sequence number; `repeated` where the key was known already; what a deed returned."""

    seq: int | None
    repeated: bool = False
    answer: object = None


def name_of(entry: Entry) -> str:
    """Return what an entry is, for a person."""
    match entry:
        case Note():
            return f"a message on {entry.topic}"
        case Record():
            return f"what {entry.device} saw"
        case _:
            return entry.what
