"""A plain MQTT client for tests: hears everything under the root, waits for what a test expects, sends receipts."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.core import DEADLINE_S

ROOT = "jaitf/v1/lfw/edge-01"


@dataclass(frozen=True)
class Message:
    topic: str
    payload: bytes
    qos: int
    retained: bool
    at_s: float

    @property
    def rest(self) -> str:
        return self.topic.removeprefix(f"{ROOT}/up/")

    @property
    def json(self) -> Any:
        return json.loads(self.payload)


class Listener:
    """Connected until `close`; `receipts` says whether hits are receipted. Messages stand in the order they came."""

    def __init__(self, port: int, *, receipts: bool = False, **tls: Any) -> None:
        self.messages: list[Message] = []
        self.receipts = receipts
        self._loop = asyncio.get_running_loop()
        self._came = asyncio.Event()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._client = client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"test-{uuid.uuid4()}", protocol=MQTTProtocolVersion.MQTTv5
        )
        client.on_connect = lambda c, *_: c.subscribe("#", options=SubscribeOptions(qos=1, retainAsPublished=True))
        client.on_subscribe = lambda *_: self._loop.call_soon_threadsafe(self._subscribed)
        client.on_message = lambda _c, _u, m: self._loop.call_soon_threadsafe(self._take, m)
        if user := tls.pop("user", None):
            client.username_pw_set(*user)
        if tls:
            client.tls_set(**tls)
        client.reconnect_delay_set(0.05, 0.2)
        client.connect("127.0.0.1", port, keepalive=10)
        client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.loop_start()

    async def __aenter__(self) -> Listener:
        await asyncio.wait_for(self._ready, DEADLINE_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    def _subscribed(self) -> None:
        if not self._ready.done():
            self._ready.set_result(None)

    def _take(self, message: mqtt.MQTTMessage) -> None:
        self.messages.append(
            Message(message.topic, message.payload, message.qos, bool(message.retain), time.monotonic())
        )
        if self.receipts and "/up/hit/" in message.topic:
            data = json.loads(message.payload)["data"]
            self.receipt(data["hit_id"], data["rev"])
        self._came.set()

    def publish(self, rest: str, payload: bytes | dict[str, Any], *, retain: bool = False) -> None:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self._client.publish(f"{ROOT}/down/{rest}", body, qos=1, retain=retain)

    def receipt(self, hit_id: str, rev: int = 0, **more: Any) -> None:
        self.publish("receipt", {"hit_id": hit_id, "rev": rev, **more})

    def of(self, start: str) -> list[Message]:
        return [m for m in self.messages if m.rest.startswith(start)]

    def hits(self) -> list[dict[str, Any]]:
        return [m.json["data"] for m in self.of("hit/")]

    async def wait(self, condition: Callable[[], Any], deadline_s: float = DEADLINE_S) -> Any:
        """Return the first true result of `condition`, which is asked again whenever a message came."""
        async with asyncio.timeout(deadline_s):
            while not (result := condition()):
                self._came.clear()
                await self._came.wait()
        return result

    async def first(self, start: str, deadline_s: float = DEADLINE_S) -> Message:
        return (await self.wait(lambda: self.of(start), deadline_s))[0]
