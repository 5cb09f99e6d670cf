"""What the demo sees of its own appliance: messages over MQTT, like any other client of the broker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.subscribeoptions import SubscribeOptions


@dataclass(frozen=True, slots=True)
class Heard:
    """A message: its topic behind `up/`, its payload as it came, and as JSON."""

    topic: str
    payload: bytes
    body: dict[str, Any]


class Watch:
    """A subscription to everything below `root`; what was not asked for by then waits."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Queue[Heard] = asyncio.Queue()
        self._subscribed = asyncio.Event()
        self._client = client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        client.on_connect = self._connected
        client.on_subscribe = self._said_yes
        client.on_message = self._message

    async def open(self, port: int) -> None:
        """Connect to the broker on loopback and subscribe. Raises OSError where it does not answer."""
        await asyncio.to_thread(self._client.connect, "127.0.0.1", port)
        self._client.loop_start()
        await self._subscribed.wait()

    async def close(self) -> None:
        """Say goodbye to the broker."""
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    async def messages(self) -> AsyncIterator[Heard]:
        """Yield the messages in the order in which they came."""
        while True:
            yield await self._heard.get()

    def _connected(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe(f"{self._root}/#", options=SubscribeOptions(qos=1))

    def _said_yes(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._subscribed.set)

    def _message(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        try:
            body = json.loads(message.payload)
        except ValueError:  # a picture
            return
        heard = Heard(message.topic.removeprefix(f"{self._root}/up/"), bytes(message.payload), body)
        self._loop.call_soon_threadsafe(self._heard.put_nowait, heard)
