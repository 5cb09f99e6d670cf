"""What tests of the console's side share: commands as a console sends them, over MQTT 5 or 3.1.1, and their answers."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

import paho.mqtt.client as mqtt
import rfc8785
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from drivers.clock import rfc3339
from edge.signing import encoded, fingerprint
from tests.core import DEADLINE_S
from tests.mqtt import ROOT

_numbers = itertools.count(1)


def command(args: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A command's envelope, good for a minute, under a transaction of its own."""
    now = time.time_ns()
    made = {
        "transaction": f"t-{now}-{next(_numbers)}",
        "issued_by": "officer-7",
        "issued_at": rfc3339(now),
        "expires_at": rfc3339(now + 60_000_000_000),
        "args": args or {},
    }
    return {**made, **changes}


class ConsoleKey:
    """A console's key, and what it signs."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.pem = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def signed(self, name: str, message: dict[str, Any], topic: str | None = None) -> dict[str, Any]:
        form = rfc8785.dumps({**message, "topic": topic or f"{ROOT}/down/cmd/{name}"})
        value = encoded(self._key.sign(form)).decode()
        return {**message, "signature": {"alg": "EdDSA", "kid": fingerprint(self.pem), "value": value}}


class Sender:
    """A console's connection that sends; answers are heard elsewhere."""

    def __init__(self, port: int, version: int = 5) -> None:
        protocol = MQTTProtocolVersion.MQTTv5 if version == 5 else MQTTProtocolVersion.MQTTv311
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=protocol)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def send(
        self,
        rest: str,
        message: dict[str, Any] | bytes,
        *,
        retain: bool = False,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> None:
        properties = None
        if response_topic is not None or correlation is not None:
            properties = Properties(PacketTypes.PUBLISH)
            if response_topic is not None:
                properties.ResponseTopic = response_topic
            if correlation is not None:
                properties.CorrelationData = correlation
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        self._client.publish(f"{ROOT}/down/{rest}", payload, 1, retain, properties).wait_for_publish(DEADLINE_S)


async def reply(listener: Any, transaction: str, *statuses: str) -> dict[str, Any]:
    """The answer to a transaction on `up/reply`: the first, or the first of these statuses."""

    def found() -> list[dict[str, Any]]:
        answers = [m.json for m in listener.of("reply") if m.rest == "reply" and m.json["transaction"] == transaction]
        return [answer for answer in answers if not statuses or answer["status"] in statuses]

    return (await listener.wait(found))[0]
