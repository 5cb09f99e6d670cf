"""Keeps a connection to the broker and works the pump: state and birth on every connect, then hits, then the rest."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from drivers.clock import Clock
from drivers.errors import EdgeError, LinkLost, StoreError
from edge.config.model import Console
from edge.courier.backoff import STABLE_NS, Backoff
from edge.courier.identity import client_id
from edge.courier.link import TAKEN_OVER, UNSPECIFIED, BrokerRefused, Dropped, Incoming, Limits, Link, Will
from edge.courier.pump import EXPIRY_S, Pump
from edge.down import MAX_BYTES, RECEIPT, Receipt
from edge.event import Identity
from edge.ledger import Ledger, Note, Written
from edge.ledger.reader import Outgoing, Reader
from edge.messages import Audit, Message, StateMessage

log = logging.getLogger("jaitf.courier")

PUBACK_DEADLINE_S = 20.0
SILENT_REFUSALS = 3
SUSPICIOUS_CUTS = 8
TICK_S = 1.0
MARKS_S = 0.05
MARKS_TOGETHER = 256
"""Marks go to the ledger in groups: each hand-over wakes its thread, in the middle of a drain."""
GOODBYE_S = 2.0
MAX_UNWRITTEN = 32
"""Lines of the audit kept in memory while the store takes none: a full disk is what they tell of."""


@dataclass(frozen=True, slots=True)
class Retained:
    """A message that is told anew on every connect: how things are, not what happened."""

    topic: str
    message: Message
    qos: int = 1


class Courier:
    """Runs for ever: connects, delivers, and connects again.

    `present` returns what to say on every connect (birth and device states), given the session's id. `on_down` is
    called with the kind of each message that is no receipt, and the message.
    """

    def __init__(
        self,
        console: Console,
        identity: Identity,
        ledger: Ledger,
        reader: Reader,
        clock: Clock,
        chance: random.Random,
        present: Callable[[str], list[Retained]],
    ) -> None:
        self.session: str | None = None
        self.connected = False
        self.conflicts = 0
        self.last_error = ""
        self.on_down: Callable[[str, Incoming], None] = lambda kind, message: None
        self.beat: Callable[[], None] = lambda: None
        self._console = console
        self._identity = identity
        self._ledger = ledger
        self._clock = clock
        self._present = present
        self._pump = Pump(reader, receipts=console.receipts, backlog_per_s=console.backlog_per_s)
        self._backoff = Backoff(chance)
        self._wake = asyncio.Event()
        self._link: Link | None = None
        self._lost: Dropped | None = None
        self._version: Literal[4, 5] = 5
        self._silent_refusals = 0
        self._cut_short = 0
        self._flagged = False
        self._marked_ns = 0
        self._goodbye: int | None = None
        self._said_goodbye = asyncio.Event()
        self._unwritten: deque[Note] = deque(maxlen=MAX_UNWRITTEN)
        self._told_aside: set[str] = set()

    def committed(self, hits: list[int], notes: list[tuple[int, str]]) -> None:
        """Take note of what the ledger just committed."""
        unwritten, self._unwritten = self._unwritten, deque(maxlen=MAX_UNWRITTEN)
        for note in unwritten:
            self._write_audit(note)
        if self.connected:
            self._pump.committed(hits, notes)
            self._wake.set()

    def tell(self, topic: str, message: Message, *, qos: int = 1, retain: bool = True) -> None:
        """Publish how something is, now, where there is a connection; on the next connect it is told anyway."""
        if self.connected and self._link:
            with contextlib.suppress(LinkLost):
                self._link.publish(self._identity.topic(topic), message.encoded(), qos=qos, retain=retain)

    def send(self, note: Note) -> None:
        """Publish a message now, where there is a connection: what the ledger could not take."""
        if self.connected and self._link:
            with contextlib.suppress(LinkLost):
                topic = self._identity.topic(note.topic)
                self._link.publish(topic, note.payload, correlation=note.correlation)

    def tell_all(self) -> None:
        """Say who and how this appliance is, as on every connect."""
        if self.session is not None and self.connected:
            self.tell("up/state", self._state("online"))
            for said in self._present(self.session):
                self.tell(said.topic, said.message, qos=said.qos)

    def tell_reading(self, topic: str, payload: bytes) -> None:
        """Publish a reading, at most once, where there is a connection."""
        if self.connected and self._link:
            with contextlib.suppress(LinkLost):
                self._link.publish(self._identity.topic(topic), payload, qos=0)

    async def run(self) -> None:
        """Deliver until cancelled; then say `stopped` and take leave."""
        try:
            while True:
                began = None
                self.beat()
                try:
                    limits = await self._connect()
                    began = self._clock.now().monotonic_ns
                    dropped = await self._serve(limits)
                    self._say_lost(f"connection lost: {dropped.reason}", dropped)
                    self._count_cut(dropped, began)
                except (EdgeError, OSError) as error:
                    dropped = None
                    self._cut_short = 0
                    self._say_lost(str(error), None)
                    if self._link is not None:
                        self._link.abandon()
                finally:
                    self.connected = False
                self.beat()
                fight = dropped is not None and dropped.code == TAKEN_OVER
                now = self._clock.now().monotonic_ns
                await asyncio.sleep(self._backoff.lost(now, began, fight=fight))
        finally:
            await self._leave()

    async def _connect(self) -> Limits:
        self.session = str(uuid.uuid4())
        self._lost = self._link = None
        self._link = Link(
            self._console,
            client_id(self._console, f"{self._identity.site}-{self._identity.edge}"),
            on_message=self._message,
            on_puback=self._puback,
            on_drop=self._drop,
            version=self._version,
        )
        try:
            limits = await self._link.open(Will(self._identity.topic("up/state"), self._state("offline").encoded()))
        except BrokerRefused as refusal:
            self._refused(refusal)
            raise
        if self._silent_refusals:
            # That the broker knows no 5 was a guess, if it was made; the next time starts with 5, and guesses sooner.
            self._silent_refusals = SILENT_REFUSALS - 1 if self._version == 4 else 0
            self._version = 5
        return limits

    def _refused(self, refusal: BrokerRefused) -> None:
        """Go on with MQTT 3.1.1 where the broker says that it knows no 5, or hangs up on every 5 without a word."""
        if self._version == 4:
            self._version, self._silent_refusals = 5, 0
            return
        self._silent_refusals = self._silent_refusals + 1 if refusal.silent else 0
        if refusal.version or self._silent_refusals >= SILENT_REFUSALS:
            log.log(logging.DEBUG if refusal.silent else logging.WARNING, "trying MQTT 3.1.1: %s", refusal)
            self._version = 4

    def _state(self, state: Literal["online", "stopped", "offline"]) -> StateMessage:
        assert self.session is not None
        return StateMessage(state=state, session=self.session, at=self._clock.now().rfc3339())

    async def _serve(self, limits: Limits) -> Dropped:
        assert self._link is not None and self.session is not None
        self._pump.begin(self._clock.now().monotonic_ns, limits.max_packet_bytes)
        self.connected, self.last_error, self._flagged = True, "", False
        self._told_aside.clear()
        log.info("connected to %s, MQTT %s", self._console.url, "5" if limits.version == 5 else "3.1.1")
        self._link.subscribe(self._identity.topic("down/#"))
        self.tell_all()
        while self._lost is None:
            self.beat()
            self._wake.clear()
            self._send(limits)
            self._write_marks_in_groups()
            await self._wait()
            if self._lost is None and (reason := self._stalled()):
                self._lost = Dropped(0, reason)
        self._pump.dropped(self._lost.code)
        self._write_marks()
        self._link.abandon()
        return self._lost

    def _write_marks_in_groups(self) -> None:
        now_ns = self._clock.now().monotonic_ns
        if self._pump.marks >= MARKS_TOGETHER or now_ns - self._marked_ns >= MARKS_S * 1e9:
            self._marked_ns = now_ns
            self._write_marks()

    def _write_marks(self) -> None:
        """Have the ledger note what became of messages; what a broker refuses for good is told, each reason once."""
        marks = self._pump.take_marks()
        if not marks:
            return
        for reason, number in marks.hits_set_aside + marks.notes_set_aside:
            log.error("message %d is set aside: %s", number, reason)
        for reason, number in marks.hits_set_aside:
            if reason not in self._told_aside:
                self._told_aside.add(reason)
                self.audit("hit set aside", "failed", f"the broker refuses hit number {number}: {reason}")
        self._ledger.mark(marks)

    def _send(self, limits: Limits) -> None:
        assert self._link is not None
        now = self._clock.now().monotonic_ns
        while self._lost is None and self._pump.in_flight < limits.in_flight and (out := self._pump.next(now)):
            self._send_one(out, now)

    def _send_one(self, out: Outgoing, now_ns: int) -> None:
        assert self._link is not None
        topic = self._identity.topic(out.topic)
        if self._pump.too_large(out, topic):
            return
        try:
            mid = self._link.publish(topic, out.payload, expiry_s=EXPIRY_S.get(out.cls, 0), correlation=out.correlation)
        except LinkLost as error:
            self._lost = self._lost or Dropped(0, str(error))
        else:
            self._pump.sent(mid, out, now_ns)

    async def _wait(self) -> None:
        due = self._pump.next_due_ns()
        wait_s = TICK_S if due is None else min(TICK_S, max(0.0, (due - self._clock.now().monotonic_ns) / 1e9))
        if self._pump.marks:
            wait_s = min(wait_s, MARKS_S)
        if self._pump.backlog_waits():
            wait_s = min(wait_s, 1.0 / self._console.backlog_per_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._wake.wait()

    def _stalled(self) -> str:
        """Return why this connection is of no use any more though nobody ended it, "" where it is."""
        assert self._link is not None
        age_s = (self._clock.now().monotonic_ns - self._pump.progress_ns) / 1e9
        return f"no PUBACK for {age_s:.0f} s" if self._pump.in_flight > 0 and age_s > PUBACK_DEADLINE_S else ""

    def _puback(self, mid: int, code: int) -> None:
        if mid == self._goodbye:
            self._said_goodbye.set()
        self._pump.puback(mid, code, self._clock.now().monotonic_ns)
        self._wake.set()

    def _drop(self, dropped: Dropped) -> None:
        self._lost = self._lost or dropped
        self._wake.set()

    def _message(self, message: Incoming) -> None:
        rest = message.topic.removeprefix(self._identity.topic("down/"))
        if rest == RECEIPT:
            self._receipt(message.payload)
        else:
            self.on_down(rest, message)

    def _receipt(self, payload: bytes) -> None:
        if len(payload) > MAX_BYTES[RECEIPT]:
            log.warning("a receipt of %d bytes is refused: over the limit", len(payload))
            return
        try:
            receipt = Receipt.model_validate_json(payload)
        except ValidationError as error:
            log.warning("a receipt is refused: %s", error.errors(include_url=False)[0]["msg"])
            return
        now = self._clock.now().monotonic_ns
        if not self._pump.receipt(receipt.hit_id, receipt.rev, receipt.sha256, now):
            log.warning("a receipt for %s:%d is refused: no such hit, or other bytes", receipt.hit_id, receipt.rev)
        self._wake.set()

    def _say_lost(self, reason: str, dropped: Dropped | None) -> None:
        """Log a loss once, not each try; a fight over the client id also reaches the console, when it can."""
        if dropped is not None and dropped.code == TAKEN_OVER:
            self.conflicts += 1
            reason = "another appliance connects with this one's client id: two boxes have the same site and id"
            self.audit("client id conflict", "failed", reason)
        level = logging.DEBUG if self._flagged and dropped is None else logging.WARNING
        log.log(level, "console: %s", reason)
        self._flagged = True
        self.last_error = reason

    def _count_cut(self, dropped: Dropped, began_ns: int) -> None:
        """Guess a fight over the client id from its traces: many brokers end the loser's connection without a word.

        Connections begin well, each at the first try, and end soon and without a reason. It might be a cable: so the
        guess is said, as one, and nothing else is made of it.
        """
        lasted_ns = self._clock.now().monotonic_ns - began_ns
        self._cut_short = self._cut_short + 1 if dropped.code == UNSPECIFIED and lasted_ns < STABLE_NS else 0
        if self._cut_short == SUSPICIOUS_CUTS:
            self.conflicts += 1
            reason = f"{SUSPICIOUS_CUTS} connections in a row were ended soon after they began, without a reason: has"
            reason += " another appliance the same site and id, and with that this one's client id?"
            log.warning("console: %s", reason)
            self.audit("client id conflict", "suspected", reason)

    def audit(self, what: str, outcome: str, detail: str, by: str = "appliance") -> None:
        """Put a line for the console's audit into the outbox."""
        line = Audit(at=self._clock.now().rfc3339(), what=what, by=by, outcome=outcome, detail=detail)
        self._write_audit(Note("audit", "up/audit", line.encoded()))

    def _write_audit(self, note: Note) -> None:
        """Ask for a line to be written; where there is no room for it now, it is asked for again once there is."""

        def done(future: asyncio.Future[Written]) -> None:
            error = None if future.cancelled() else future.exception()
            if isinstance(error, StoreError) and error.retriable:
                self._unwritten.append(note)

        self._ledger.commit(note).add_done_callback(done)

    async def _leave(self) -> None:
        if self._link is None or self.session is None:
            return
        if self._lost is None:
            with contextlib.suppress(LinkLost, TimeoutError):
                stopped = self._state("stopped").encoded()
                self._goodbye = self._link.publish(self._identity.topic("up/state"), stopped, retain=True)
                async with asyncio.timeout(GOODBYE_S):
                    await self._said_goodbye.wait()
        await self._link.close()
        if marks := self._pump.take_marks():
            self._ledger.mark(marks)
