"""Plays a fleet over real connections, one each, from one thread."""

from __future__ import annotations

import json
import random
import select
import socket
import time
from collections.abc import Callable

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTProtocolVersion

from simulators.console.mqtt import BrokerAddress, Connection, LinkDown, turn
from simulators.fleet.model import Lane, summary

TURN_S = 0.02
LONGEST_WAIT_S = 15.0


class _Client:
    """A lane's connection, made anew whenever it breaks."""

    def __init__(self, lane: Lane, address: BrokerAddress) -> None:
        self.lane = lane
        self.connection: Connection | None = None
        self.again_s = 0.0
        self._address = address
        self._wait_s = 0.25

    def open(self, wake: socket.socket, now_s: float) -> bool:
        """Connect where it is time to; say whether there is a connection."""
        if self.connection is not None or now_s < self.again_s:
            return self.connection is not None
        lane = self.lane
        connection = Connection(
            self._address,
            f"{lane.site}-{lane.edge}",
            MQTTProtocolVersion.MQTTv5,
            kept_session=False,
            on_message=self._heard,
        )
        try:
            connection.open(wake, [lane.receipts])
            for topic, body in lane.announcements(time.time()):
                connection.publish(topic, body, retain=True)
        except LinkDown:
            self.lost(now_s)
            return False
        self._wait_s = 0.25
        self.connection = connection
        lane.all_again(now_s)
        return True

    def lost(self, now_s: float) -> None:
        """Forget the connection; another is tried later, not all at once."""
        self.connection = None
        self.again_s = now_s + random.uniform(self._wait_s / 2, self._wait_s)
        self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)

    def send(self, now_s: float) -> None:
        """Publish what is due. Raises LinkDown."""
        assert self.connection is not None
        for owed in self.lane.due(now_s, time.time()):
            self.connection.publish(owed.topic, owed.body)

    def goodbye(self) -> None:
        """Say that it stopped, and close."""
        if self.connection is not None:
            for topic, body in self.lane.announcements(time.time(), "stopped"):
                self.connection.publish(topic, body, retain=True)
            self.connection.close()

    def _heard(self, message: paho.MQTTMessage) -> None:
        self.lane.received(bytes(message.payload), time.monotonic())
        if self.connection is not None:
            self.connection.ack(message.mid, message.qos)


def play(
    lanes: list[Lane],
    address: BrokerAddress,
    seconds: float,
    settle_s: float,
    wake: socket.socket,
    say: Callable[[str], None],
) -> dict[str, object]:
    """Play for `seconds` (0: until `wake` is readable), wait up to `settle_s` for the last receipts, and sum up."""
    clients = [_Client(lane, address) for lane in lanes]
    began = time.monotonic()
    ends = began + seconds if seconds else float("inf")
    told_s = began
    while (now_s := time.monotonic()) < ends and not select.select([wake], [], [], 0)[0]:
        _round(clients, wake, now_s)
        if now_s - told_s >= 5:
            told_s = now_s
            say(json.dumps(summary(lanes)))
    for lane in lanes:
        lane.next_s = float("inf")
    settled = time.monotonic() + settle_s
    while any(lane.owed for lane in lanes) and time.monotonic() < settled:
        _round(clients, wake, time.monotonic())
    for client in clients:
        client.goodbye()
    return summary(lanes)


def _round(clients: list[_Client], wake: socket.socket, now_s: float) -> None:
    for client in clients:
        if client.open(wake, now_s):
            try:
                client.send(now_s)
            except LinkDown:
                client.lost(now_s)
    live = [client for client in clients if client.connection is not None]
    try:
        turn([client.connection for client in live if client.connection], None, TURN_S)
    except LinkDown:
        for client in live:
            try:
                turn([client.connection] if client.connection else [], None, 0.0)
            except LinkDown:
                client.lost(now_s)
    if not live:
        time.sleep(TURN_S)
