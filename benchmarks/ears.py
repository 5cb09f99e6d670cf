"""A plain subscriber: paho, in a thread of its own, that notes when each message came; and the console's receipts."""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.subscribeoptions import SubscribeOptions


@dataclass(frozen=True)
class Heard:
    """A message and the monotonic moment at which it came."""

    at_s: float
    topic: str
    payload: bytes

    @property
    def json(self) -> Any:
        """Its content."""
        return json.loads(self.payload)


class Missing(RuntimeError):
    """What was waited for did not come in time."""


class Ears:
    """Hears topics until closed; `on_message` is called in its thread, before anyone who waits is woken."""

    def __init__(
        self,
        port: int,
        *topics: str,
        on_message: Callable[[Ears, Heard], None] | None = None,
        keep: bool = True,
    ) -> None:
        self.heard: list[Heard] = []
        self._came = threading.Condition()
        self._hear = on_message
        self._keep = keep
        self._subscribed = threading.Event()
        self.client = client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"bench-{uuid.uuid4()}", protocol=MQTTProtocolVersion.MQTTv5
        )
        client.max_inflight_messages_set(1000)  # receipts are not held back by those before them
        client.on_message = self._message
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.connect("127.0.0.1", port, keepalive=30)
        client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.subscribe([(topic, SubscribeOptions(qos=1, retainAsPublished=True)) for topic in topics])
        client.loop_start()
        if not self._subscribed.wait(10):
            raise Missing("the broker did not answer a SUBSCRIBE")

    def __enter__(self) -> Ears:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _message(self, _client: object, _user: object, message: mqtt.MQTTMessage) -> None:
        heard = Heard(time.monotonic(), message.topic, message.payload)
        if self._hear:
            self._hear(self, heard)
        if not self._keep:
            return
        with self._came:
            self.heard.append(heard)
            self._came.notify_all()

    def forget(self) -> None:
        """Keep nothing of what comes from now on, nor of what came."""
        self._keep = False
        self.heard.clear()

    def wait(self, wanted: Callable[[Heard], bool], deadline_s: float, after: int = 0) -> Heard:
        """Return the first message from number `after` on that is wanted. Raises Missing."""
        ends = time.monotonic() + deadline_s
        with self._came:
            while True:
                for number in range(after, len(self.heard)):
                    if wanted(self.heard[number]):
                        return self.heard[number]
                after = len(self.heard)
                if (left_s := ends - time.monotonic()) <= 0:
                    raise Missing(f"nothing came in {deadline_s:.0f} s")
                self._came.wait(left_s)

    def until(self, condition: Callable[[], bool], deadline_s: float) -> None:
        """Wait until a condition holds, which is asked whenever a message came. Raises Missing."""
        ends = time.monotonic() + deadline_s
        with self._came:
            while not condition():
                if (left_s := ends - time.monotonic()) <= 0:
                    raise Missing(f"it did not come about in {deadline_s:.0f} s")
                self._came.wait(min(left_s, 0.5))


def is_up(device: str) -> Callable[[Heard], bool]:
    """Return whether a message says that a device is up."""
    return lambda heard: heard.topic.endswith(f"/up/device/{device}") and heard.json["state"] == "up"


def receipts(down: str) -> Callable[[Ears, Heard], None]:
    """Return what answers each hit with the console's receipt."""

    def answer(ears: Ears, heard: Heard) -> None:
        if "/up/hit/" in heard.topic:
            data = heard.json["data"]
            said = {"hit_id": data["hit_id"], "rev": data["rev"]}
            ears.client.publish(f"{down}/receipt", json.dumps(said), qos=1)

    return answer
