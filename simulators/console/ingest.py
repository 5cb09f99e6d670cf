"""The thread that hears: reads from the broker, commits, and only then acknowledges and sends receipts.

One thread does it all, so that a batch is whatever came while the last one was being written: one hit when the lane
is calm, hundreds in a flood, and never more memory than one batch and the broker's window.
"""

from __future__ import annotations

import random
import select
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from paho.mqtt.enums import MQTTProtocolVersion

from simulators.console import intake
from simulators.console.link import ALONE, Delivery, Link, Share
from simulators.console.mqtt import BrokerAddress, LinkDown
from simulators.console.store.writer import Receipt, Writer
from simulators.console.topics import Topics

BATCH = 1000
IDLE_S = 1.0
FLUSH_S = 0.3
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 15.0
STABLE_S = 30.0
DIGESTS_EVERY_S = 3600.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How the console stands with the broker: `connecting`, `online`, `offline`, or `store` (it cannot be written)."""

    state: str
    since_ms: int
    broker: str
    detail: str = ""


@dataclass(slots=True)
class _Protocol:
    """MQTT 5, and 3.1.1 where the broker does not know it: after each failed handshake the other is tried."""

    version: MQTTProtocolVersion = field(default=MQTTProtocolVersion.MQTTv5)

    def change(self) -> None:
        self.version = (
            MQTTProtocolVersion.MQTTv311 if self.version == MQTTProtocolVersion.MQTTv5 else MQTTProtocolVersion.MQTTv5
        )


class Ingest(threading.Thread):
    """Feeds the store until `stop`. `changed` is called, in this thread, after each commit and each new state."""

    def __init__(
        self,
        address: BrokerAddress,
        topics: Topics,
        writer: Writer,
        changed: Callable[[], None],
        share: Share = ALONE,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        super().__init__(name=f"ingest-{share.worker}", daemon=True)
        self._share = share
        self._address = address
        self._topics = topics
        self._writer = writer
        self._changed = changed
        self._now_ms = now_ms
        self._wake, self._waker = socket.socketpair()
        self._stopping = threading.Event()
        self._protocol = _Protocol()
        self._owed: list[Receipt] = []
        self._digests_at = time.monotonic()
        self.failure: BaseException | None = None
        self.standing = Standing("connecting", now_ms(), str(address))

    def stop(self) -> None:
        """Ask the thread to end: it finishes its batch, sends the receipts it owes, and says goodbye."""
        self._stopping.set()
        self._waker.send(b"x")

    def poke(self) -> None:
        """Say that there is something to send."""
        self._waker.send(b"p")

    def run(self) -> None:
        """Hear until stopped; connections that break are made anew, with jitter."""
        wait_s = FIRST_WAIT_S
        try:
            while not self._stopping.is_set():
                began = time.monotonic()
                try:
                    self._one_connection()
                except LinkDown as error:
                    self._say("offline", str(error))
                except sqlite3.Error as error:
                    # Nothing is acknowledged, so the broker keeps it for us; a full disk must not end the console.
                    self._say("store", str(error))
                if time.monotonic() - began > STABLE_S:
                    wait_s = FIRST_WAIT_S
                self._stopping.wait(random.uniform(wait_s / 2, wait_s))
                wait_s = min(wait_s * 2, LONGEST_WAIT_S)
        except BaseException as error:
            self.failure = error  # the main thread reports it and ends: a console that cannot hear must not look well
            raise
        finally:
            self._writer.close()
            self._changed()

    def _say(self, state: str, detail: str = "") -> None:
        if (state, detail) != (self.standing.state, self.standing.detail):
            since = self.standing.since_ms if state == self.standing.state else self._now_ms()
            self.standing = Standing(state, since, str(self._address), detail)
            self._changed()

    def _one_connection(self) -> None:
        self._drain()
        self._writer.probe(self._now_ms())  # else a full disk would be found out with each message anew
        try:
            client_id = self._writer.client_id + ("" if self._share.first else f"-{self._share.worker}")
            link = Link(self._address, client_id, self._topics, self._protocol.version, self._now_ms, self._share)
        except (OSError, ValueError) as error:  # a certificate, key or password that cannot be read
            raise LinkDown(f"{self._address}: {error}") from error
        try:
            link.open(self._wake)
        except LinkDown:
            if link.speaks_older or self._protocol.version != MQTTProtocolVersion.MQTTv5:
                self._protocol.change()
            link.close(0)
            raise
        self._say("online")
        try:
            link.queue(self._owed)
            if self._share.first:
                self._writer.again(self._now_ms())
            while not self._stopping.is_set():
                self._take(link, link.exchange(self._wake, IDLE_S, BATCH))
                self._say_what_is_due(link)
                if link.receipt_refusal:
                    self._say("online", f"the broker refuses our receipts: {link.receipt_refusal}")
        finally:
            link.close(FLUSH_S)
            self._owed = link.unsent()

    def _drain(self) -> None:
        """Take the pokes that came; the last word, to stop, is in `_stopping`."""
        while select.select([self._wake], [], [], 0)[0] and not self._stopping.is_set():
            self._wake.recv(4096)

    def _say_what_is_due(self, link: Link) -> None:
        self._drain()
        if not self._share.first:
            return
        if things := self._writer.due(self._now_ms(), BATCH):
            if said := link.say(things):
                self._writer.sent(said, self._now_ms())
            self._changed()

    def _take(self, link: Link, arrived: list[Delivery]) -> None:
        if arrived:
            receipts = self._writer.commit(intake.read(self._topics, each.arrival) for each in arrived)
            for each in arrived:
                link.done(each)
            link.queue(receipts)
            self._changed()
        if time.monotonic() - self._digests_at > DIGESTS_EVERY_S:
            self._digests_at = time.monotonic()
            self._writer.forget_old_digests(self._now_ms())
