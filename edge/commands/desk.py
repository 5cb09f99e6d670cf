"""The desk: takes each command once, in time, from whom it may come, has it done, and says what became of it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from drivers.clock import Clock, rfc3339
from drivers.errors import EdgeError, StoreError
from edge.allowance import Allowance
from edge.commands.args import COMMANDS, Args
from edge.commands.authority import ConsoleKeys
from edge.courier.link import Incoming
from edge.down import COMMAND, MAX_BYTES, Command, first_problem, moment_ns
from edge.event import Identity
from edge.ledger import Ledger, Note
from edge.ledger.batch import Batch
from edge.messages import Audit, Reply

log = logging.getLogger("jaitf.command")

MAX_WAITING = 32
SKEW_NS = 300_000_000_000
"""A console's clock may be ahead by this much."""
ORDER_LIFETIME_NS = 60_000_000_000
LIFETIME_NS = 24 * 3600 * 1_000_000_000
KEPT_NS = LIFETIME_NS + 2 * SKEW_NS
"""How long a transaction is remembered: longer than any copy of it can be in time."""
REFUSALS_PER_S = 2.0
REFUSALS_MAX = 20.0
_LEVEL = re.compile(r"[A-Za-z0-9_.:@-]{1,128}(/[A-Za-z0-9_.:@-]{1,128}){0,3}")
_TRANSACTION = re.compile(r"[A-Za-z0-9._:@+-]{1,128}")

Status = Literal["done", "accepted", "failed", "rejected", "expired"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command; `result` is for a program, `detail` for a person.

    `rest` goes on with an accepted one, and returns how it ended.
    """

    status: Status
    code: str
    detail: str = ""
    result: dict[str, Any] | None = None
    rest: Callable[[], Awaitable[Answer]] | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A command that is to be done: who asks, under which transaction, and for what."""

    name: str
    by: str
    transaction: str
    args: Any


Handler = Callable[[Call], Awaitable[Answer]]


class Refused(EdgeError):
    """A command that is not done; `status` and `finding` are the reply's."""

    def __init__(self, finding: str, detail: str, status: Status = "rejected") -> None:
        super().__init__(detail)
        self.finding = finding
        self.status: Status = status


@dataclass(frozen=True, slots=True)
class Asker:
    """Where a command is answered beside `up/reply`."""

    topic: str | None
    correlation: bytes | None


@dataclass(frozen=True, slots=True)
class Begin:
    """Takes up a transaction, or finds that it is known: then (digest, answer) of the first time is returned."""

    command: Command
    name: str
    digest: bytes
    what: str = "a command"

    def write(self, batch: Batch) -> tuple[bytes, bytes | None] | None:
        """Write it; see Deed."""
        now = batch.now_ns()
        batch.db.execute(
            "DELETE FROM command WHERE transaction_id IN (SELECT transaction_id FROM command WHERE at_ns < ? LIMIT 50)",
            (now - KEPT_NS,),
        )
        key = self.command.transaction
        known = batch.db.execute("SELECT digest, answer FROM command WHERE transaction_id=?", (key,)).fetchone()
        if known is not None:
            return known[0], known[1]
        batch.db.execute("INSERT INTO command VALUES (?,?,?,?,NULL)", (key, now, self.name, self.digest))
        return None


@dataclass(frozen=True, slots=True)
class End:
    """Writes a command's answer, the messages that tell it, its audit and its act: all or nothing."""

    name: str
    by: str
    reply: Reply
    notes: tuple[Note, ...]
    what: str = "a command's answer"

    def write(self, batch: Batch) -> None:
        """Write it; see Deed."""
        answer = self.reply.encoded()
        batch.db.execute("UPDATE command SET answer=? WHERE transaction_id=?", (answer, self.reply.transaction))
        said = {"name": self.name, "by": self.by, "transaction": self.reply.transaction}
        batch.act("command", self.reply.hit_id, said | {"status": self.reply.status, "code": self.reply.code})
        for note in self.notes:
            batch.note(note)


class Desk:
    """Takes commands in the event loop; `run` does them, one after the other. `send` publishes without the ledger."""

    def __init__(
        self,
        identity: Identity,
        ledger: Ledger,
        clock: Clock,
        keys: ConsoleKeys | None,
        handlers: Mapping[str, Handler],
        send: Callable[[Note], None],
    ) -> None:
        self._identity = identity
        self._ledger = ledger
        self._clock = clock
        self._keys = keys
        self._handlers = handlers
        self._send = send
        self._waiting: asyncio.Queue[Incoming] = asyncio.Queue(MAX_WAITING)
        self._under_way: set[str] = set()
        self._group: asyncio.TaskGroup | None = None
        self._one_by_one = asyncio.Lock()
        self._refusals = Allowance.full(REFUSALS_PER_S, REFUSALS_MAX, clock.now().monotonic_ns)

    def take(self, message: Incoming) -> None:
        """Take a message on `down/cmd/...`; an empty one is only how a retained one is removed."""
        if not message.payload:
            return
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            name = message.topic.removeprefix(self._identity.topic(f"down/{COMMAND}/"))
            busy = Refused("busy", f"{MAX_WAITING} commands wait already: ask again later", "failed")
            self._refuse(message, name, None, Asker(None, message.correlation), busy)

    async def order(self, name: str, by: str, args: dict[str, Any], args_class: type[Args], handler: Handler) -> Reply:
        """Do what somebody at the appliance itself asks for, behind what is being done; audited as a command is.

        The console hears of it by the audit alone. Never raises for what comes of it: that is the reply.
        """
        now_ns = self._clock.now().wall_ns
        transaction = f"page-{uuid.uuid4()}"
        command = Command.model_construct(
            transaction=transaction,
            issued_by=by,
            issued_at=rfc3339(now_ns),
            expires_at=rfc3339(now_ns + ORDER_LIFETIME_NS),
            args=args,
        )
        digest = hashlib.sha256(json.dumps([name, args], sort_keys=True).encode()).digest()
        async with self._one_by_one:
            try:
                await self._ledger.commit(Begin(command, name, digest))
            except StoreError as error:
                # Said and not done: what nobody could look up afterwards does not happen.
                return self._reply(transaction, Answer("failed", "store", str(error)))
            self._under_way.add(transaction)
            answer = await self._obey(name, command, args_class, handler)
            await self._tell(name, command, None, answer)
        if answer.rest is not None and self._group is not None:
            self._group.create_task(self._finish(name, command, None, answer.rest))
        else:
            self._under_way.discard(transaction)
        return self._reply(transaction, answer)

    def expect(self, transaction: str) -> None:
        """Note that a command of the run before is still being done, and will be concluded."""
        self._under_way.add(transaction)

    async def conclude(self, name: str, by: str, transaction: str, answer: Answer) -> None:
        """Answer a command that was accepted before the appliance started again. Raises StoreError."""
        reply = self._reply(transaction, answer)
        audit = self._audit(name, by, answer.status, f"{answer.code}: {answer.detail}")
        notes = self._notes(Asker(None, None), reply.encoded())
        await self._ledger.commit(End(name, by, reply, (*notes, audit)))
        self._under_way.discard(transaction)

    async def run(self) -> None:
        """Do what is asked, until cancelled; what was accepted and goes on is cancelled with it."""
        async with asyncio.TaskGroup() as self._group:
            while True:
                message = await self._waiting.get()
                try:
                    async with self._one_by_one:
                        await self._take(message, self._group)
                except Exception:  # what nobody thought of in one command ends neither the others nor the core
                    log.exception("a command on %s could not be dealt with", message.topic)

    async def _take(self, message: Incoming, group: asyncio.TaskGroup) -> None:
        name = message.topic.removeprefix(self._identity.topic(f"down/{COMMAND}/"))
        asker = Asker(None, message.correlation)
        command: Command | None = None
        try:
            asker = self._asker(message)
            command = self._read(message)
            self._check_sender(message, command)
            args_digest = hashlib.sha256(json.dumps([name, command.args], sort_keys=True).encode()).digest()
            known = (await self._ledger.commit(Begin(command, name, args_digest))).answer
            if isinstance(known, tuple):
                self._again(command, asker, args_digest, *known)
                return
        except Refused as refusal:
            self._refuse(message, name, command, asker, refusal)
            return
        except StoreError as error:
            self._refuse(message, name, command, asker, Refused("store", str(error), "failed"))
            return
        self._under_way.add(command.transaction)
        answer = await self._do(name, command)
        await self._tell(name, command, asker, answer)
        if answer.rest is not None:
            group.create_task(self._finish(name, command, asker, answer.rest))
        else:
            self._under_way.discard(command.transaction)

    def _asker(self, message: Incoming) -> Asker:
        """Return where to answer. Raises Refused for a response topic that is not this appliance's own."""
        topic, own = message.response_topic, self._identity.topic("up/reply")
        if topic is None or topic == own:
            return Asker(None, message.correlation)
        below = topic.removeprefix(own + "/")
        if below == topic or not _LEVEL.fullmatch(below):
            raise Refused("response-topic", f"a response topic must lie under {own}/")
        return Asker(f"up/reply/{below}", message.correlation)

    def _read(self, message: Incoming) -> Command:
        if len(message.payload) > MAX_BYTES[COMMAND]:
            raise Refused("too-large", f"more than {MAX_BYTES[COMMAND]} bytes")
        try:
            return Command.model_validate_json(message.payload)
        except ValidationError as error:
            raise Refused("malformed", first_problem(error)) from None

    def _check_sender(self, message: Incoming, command: Command) -> None:
        if message.retained:
            raise Refused("retained", "a command is never retained: it would be done again after each connection")
        if self._keys is not None and (why := self._keys.refusal(command, message.payload, message.topic)):
            raise Refused("forged", why)
        issued, expires = moment_ns(command.issued_at), moment_ns(command.expires_at)
        if expires - issued > LIFETIME_NS or expires < issued:
            raise Refused("lifetime", "expires_at must come after issued_at, and within 24 h of it")

    def _again(
        self, command: Command, asker: Asker, digest: bytes, first_digest: bytes, first_answer: bytes | None
    ) -> None:
        """Answer what was answered before; the same transaction for something else is refused."""
        if digest != first_digest:
            raise Refused("transaction-reused", "this transaction was used for another command")
        under_way = command.transaction in self._under_way
        ended = first_answer is not None and Reply.model_validate_json(first_answer).status != "accepted"
        if first_answer is not None and (ended or under_way):
            payload = first_answer
        elif under_way:
            payload = self._reply(command.transaction, Answer("accepted", "under-way", "it is being done")).encoded()
        else:
            lost = Answer("failed", "interrupted", "the appliance was restarted meanwhile: ask under a new transaction")
            payload = self._reply(command.transaction, lost).encoded()
        for note in self._notes(asker, payload):
            self._ledger.commit(note).add_done_callback(_seen)

    async def _do(self, name: str, command: Command) -> Answer:
        now = self._clock.now().wall_ns
        if moment_ns(command.expires_at) <= now:
            return Answer("expired", "expired", f"it was to be done before {command.expires_at}")
        if moment_ns(command.issued_at) > now + SKEW_NS:
            return Answer("rejected", "not-yet", "issued in the future: is a clock wrong?")
        handler, args_class = self._handlers.get(name), COMMANDS.get(name)
        if handler is None or args_class is None:
            return Answer("rejected", "unknown-command", f"there is no command {name[:64]!r}")
        return await self._obey(name, command, args_class, handler)

    async def _obey(self, name: str, command: Command, args_class: type[Args], handler: Handler) -> Answer:
        try:
            args: Args = args_class.model_validate(command.args)
        except ValidationError as error:
            return Answer("rejected", "malformed-args", first_problem(error))
        return await self._guarded(handler(Call(name, command.issued_by, command.transaction, args)))

    async def _guarded(self, work: Awaitable[Answer]) -> Answer:
        try:
            return await work
        except EdgeError as error:
            return Answer("failed", error.code, str(error))
        except Exception as error:
            # The asker is owed an answer whatever a handler did; the log has the rest.
            log.exception("a command failed")
            return Answer("failed", "internal", type(error).__name__)

    async def _finish(
        self, name: str, command: Command, asker: Asker | None, rest: Callable[[], Awaitable[Answer]]
    ) -> None:
        try:
            await self._tell(name, command, asker, await self._guarded(rest()))
        finally:
            self._under_way.discard(command.transaction)

    async def _tell(self, name: str, command: Command, asker: Asker | None, answer: Answer) -> None:
        reply = self._reply(command.transaction, answer)
        audit = self._audit(name, command.issued_by, answer.status, f"{answer.code}: {answer.detail}")
        notes = self._notes(asker, reply.encoded()) if asker else []
        try:
            await self._ledger.commit(End(name, command.issued_by, reply, (*notes, audit)))
        except StoreError as error:
            log.warning("the answer to %s cannot be kept: %s", name, error)
            for note in notes:
                self._send(note)

    def _refuse(self, message: Incoming, name: str, command: Command | None, asker: Asker, refusal: Refused) -> None:
        """Answer and audit what is not even taken up; a flood of it is answered in part."""
        log.debug("%s is refused: %s", name[:64], refusal)
        if not self._refusals.take(self._clock.now().monotonic_ns):
            return
        transaction = command.transaction if command else _transaction(message.payload)
        answer = Answer(refusal.status, refusal.finding, str(refusal))
        by = command.issued_by if command else "unknown"
        notes = self._notes(asker, self._reply(transaction, answer).encoded())
        for note in (*notes, self._audit(name[:64], by, refusal.status, f"{refusal.finding}: {refusal}")):
            self._ledger.commit(note).add_done_callback(_seen)

    def _reply(self, transaction: str, answer: Answer) -> Reply:
        return Reply(
            transaction=transaction,
            status=answer.status,
            code=answer.code,
            detail=answer.detail,
            result=answer.result,
            at=self._clock.now().rfc3339(),
        )

    def _notes(self, asker: Asker, payload: bytes) -> list[Note]:
        topics = ["up/reply", *([asker.topic] if asker.topic else [])]
        return [Note("reply", topic, payload, asker.correlation) for topic in topics]

    def _audit(self, what: str, by: str, outcome: str, detail: str) -> Note:
        line = Audit(at=self._clock.now().rfc3339(), what=what, by=by, outcome=outcome, detail=detail)
        return Note("audit", "up/audit", line.encoded())


def _transaction(payload: bytes) -> str:
    """Return the transaction of a message that is none otherwise, "" where there is none."""
    try:
        found = json.loads(payload[: MAX_BYTES[COMMAND]])["transaction"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return found if isinstance(found, str) and _TRANSACTION.fullmatch(found) else ""


def _seen(future: asyncio.Future[Any]) -> None:
    if not future.cancelled() and (error := future.exception()):
        log.debug("an answer cannot be kept: %s", error)
