"""The two connections to the broker: one hears, the other sends receipts.

They are two because a broker writes to a client in one line: the answers to our receipts would stand behind a whole
backlog that it has queued for us, receipts would stall, and appliances would send again what we have long stored.
"""

from __future__ import annotations

import json
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from simulators.console.intake import Arrival
from simulators.console.mqtt import BrokerAddress, Connection, LinkDown, turn
from simulators.console.store.desk import Due
from simulators.console.store.writer import Receipt
from simulators.console.topics import Topics

MAX_RECEIPTS_WAITING = 50_000


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message, and what the broker must be told once it is safe."""

    arrival: Arrival
    packet_id: int
    qos: int


@dataclass(frozen=True, slots=True)
class Share:
    """Which of how many workers this is, from 0.

    The first hears everything that is no hit, and its queue at the broker outlives it. Hits are shared: one that went
    to a worker that died has no receipt, and comes again.
    """

    worker: int = 0
    workers: int = 1

    @property
    def first(self) -> bool:
        """Say whether this worker is the one that hears what is not shared."""
        return self.worker == 0

    def filters(self, topics: Topics) -> list[str]:
        """Return what this worker subscribes to."""
        if self.workers == 1:
            return [topics.everything]
        return [*(topics.all_but_hits() if self.first else []), topics.shared_hits()]


ALONE = Share()


class Link:
    """The way to and from the broker, driven by one thread: `open`, then `exchange` again and again, then `close`."""

    def __init__(
        self,
        address: BrokerAddress,
        client_id: str,
        topics: Topics,
        protocol: MQTTProtocolVersion,
        now_ms: Callable[[], int],
        share: Share = ALONE,
    ) -> None:
        self._topics = topics
        self._subscribe = share.filters(topics)
        self._now_ms = now_ms
        self._arrived: list[Delivery] = []
        self._receipts: deque[Receipt] = deque()
        self._unacknowledged: dict[int, Receipt | None] = {}
        self.receipt_refusal = ""
        self._ears = Connection(address, client_id, protocol, kept_session=share.first, on_message=self._heard)
        self._mouth = Connection(
            address, f"{client_id}-receipts", protocol, kept_session=False, on_sent=self._receipt_taken
        )
        self._both = (self._ears, self._mouth)

    @property
    def speaks_older(self) -> bool:
        """Say, after a failed `open`, whether the broker may speak only an older MQTT."""
        return any(each.speaks_older for each in self._both)

    def open(self, wake: socket.socket) -> None:
        """Connect both, ears last: nothing is heard that could not be answered. Raises LinkDown."""
        self._mouth.open(wake)
        self._ears.open(wake, self._subscribe)

    def exchange(self, wake: socket.socket, wait_s: float, most: int) -> list[Delivery]:
        """Read what is there, up to about `most` messages; wait for the first at most `wait_s`, or until `wake`.

        Whoever takes them owes each a `done`. Raises LinkDown; what was read and not returned comes again.
        """
        turn(self._both, wake, 0.0 if self._arrived else wait_s)
        while self._arrived and len(self._arrived) < most and self._ears.readable:
            self._ears.read()
            if self._receipts and self._mouth.readable:
                self._mouth.read()
        arrived, self._arrived = self._arrived, []
        return arrived

    def done(self, delivery: Delivery) -> None:
        """Tell the broker that a message is safe with us; what was not, when we die, comes again."""
        self._ears.ack(delivery.packet_id, delivery.qos)

    def queue(self, receipts: list[Receipt]) -> None:
        """Send receipts, as fast as the broker takes them.

        Where it takes none for long, the oldest are dropped: the appliance sends the hit again, and gets another.
        """
        self._receipts.extend(receipts)
        while len(self._receipts) > MAX_RECEIPTS_WAITING:
            self._receipts.popleft()
        self._send_receipts()

    def say(self, things: list[Due]) -> list[int]:
        """Send what officers asked, as far as the broker's window allows; return the ids of what was sent."""
        said = []
        for each in things:
            if len(self._unacknowledged) >= self._mouth.window:
                break
            topic = self._topics.down(each.site, each.edge, each.kind, each.name)
            answer = (self._topics.replies(each.site, each.edge), each.transaction.encode())
            number = self._mouth.publish(
                topic, each.body, retain=each.kind == "targets", answer_to=answer if each.kind == "cmd" else None
            )
            self._unacknowledged[number] = None
            said.append(each.id)
        return said

    def unsent(self) -> list[Receipt]:
        """Return the receipts that the broker has not taken."""
        return [*filter(None, self._unacknowledged.values()), *self._receipts]

    def close(self, flush_s: float) -> None:
        """Give the last receipts `flush_s` to go, and say goodbye."""
        deadline = time.monotonic() + flush_s
        try:
            while self.unsent() and (left_s := deadline - time.monotonic()) > 0:
                turn([self._mouth], None, left_s)
        except (LinkDown, OSError):
            pass  # it is gone already; what it did not take, `unsent` tells
        for each in self._both:
            each.close()

    def _heard(self, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "?"  # the standard forbids it, and the broker should have
        arrival = Arrival(topic, bytes(message.payload), self._now_ms(), message.retain)
        self._arrived.append(Delivery(arrival, message.mid, message.qos))

    def _receipt_taken(self, packet_id: int, reason: ReasonCode) -> None:
        self._unacknowledged.pop(packet_id, None)
        if reason.is_failure:
            self.receipt_refusal = str(reason)
        self._send_receipts()

    def _send_receipts(self) -> None:
        while self._receipts and len(self._unacknowledged) < self._mouth.window:
            receipt = self._receipts.popleft()
            body = json.dumps({"hit_id": receipt.hit_id, "rev": receipt.rev, "sha256": receipt.sha256})
            topic = self._topics.receipt(receipt.site, receipt.edge)
            self._unacknowledged[self._mouth.publish(topic, body)] = receipt
