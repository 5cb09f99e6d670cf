"""The suite's own console: it shares no code with either side, and so hides no fault.

It takes every hit with QoS 1, checks it, remembers it, and only then sends a receipt with the SHA-256 of its bytes.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.torture.trial import Broken

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "config" / "hit.v1.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
MAX_HIT_BYTES = 8 * 1024


@dataclass(frozen=True, slots=True)
class Arrival:
    """A hit as it came first."""

    seq: int
    hit_id: str
    rev: int
    device: str
    sha256: str
    at_s: float
    value: object
    evidence: str | None


class Console:
    """Listens on one broker until `close`. With `lose`, that share of the receipts is not sent, as a console may die.

    `check_every`: how many new hits for one that is held against the schema.
    """

    def __init__(
        self, port: int, chance: random.Random, *, lose: float = 0.0, check_every: int = 1, host: str = "127.0.0.1"
    ) -> None:
        self.hits: dict[tuple[str, int], Arrival] = {}
        self.contents: dict[tuple[str, int], set[str]] = defaultdict(set)
        self.numbers: dict[int, set[tuple[str, int]]] = defaultdict(set)
        self.deliveries = 0
        self.faults: list[str] = []
        self.births: list[dict[str, Any]] = []
        self.states: list[str] = []
        self.audits: list[dict[str, Any]] = []
        self.devices: dict[str, list[tuple[float, dict[str, Any]]]] = defaultdict(list)
        self.healths: list[dict[str, Any]] = []
        self.verdicts: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.silent = False
        self._chance = chance
        self._lose = lose
        self._check_every = check_every
        self._news = threading.Condition()
        self._connected = False
        session = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = 3600
        self._client = client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id="torture-console", protocol=MQTTProtocolVersion.MQTTv5
        )
        client.reconnect_delay_set(0.1, 0.5)
        client.max_inflight_messages_set(0)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.connect_async(host, port, keepalive=15, clean_start=False, properties=session)
        client.loop_start()

    def close(self) -> None:
        """Hang up."""
        self._client.disconnect()
        self._client.loop_stop()

    def wait(self, what: str, ready: Callable[[], Any], deadline_s: float) -> Any:
        """Return the first true result of `ready()`, asked after each message; raises Broken at the deadline."""
        until = time.monotonic() + deadline_s
        with self._news:
            while not (result := ready()):
                left = until - time.monotonic()
                if left <= 0:
                    raise Broken(f"{what}: not within {deadline_s:.0f} s")
                self._news.wait(min(left, 0.5))
        return result

    def next_hit_s(self, deadline_s: float, device: str | None = None) -> float:
        """Wait for a hit that was not there before; return after how many seconds it came."""
        asked = time.monotonic()
        known = len(self.arrivals(device))
        self.wait("a new hit at the console", lambda: len(self.arrivals(device)) > known, deadline_s)
        return self.arrivals(device)[known].at_s - asked

    def arrivals(self, device: str | None = None) -> list[Arrival]:
        """Return the hits (of a device) in the order in which they came first."""
        with self._news:
            return [hit for hit in self.hits.values() if device in (None, hit.device)]

    def longest_gap_s(self, device: str, begin_s: float, end_s: float) -> float:
        """Return the longest time between two new hits of a device, within a span of the monotonic clock."""
        times = [begin_s, *(h.at_s for h in self.arrivals(device) if begin_s < h.at_s < end_s), end_s]
        return max(b - a for a, b in itertools.pairwise(times))

    def publish(self, topic: str, payload: bytes, **options: Any) -> None:
        """Publish something to an appliance."""
        self._client.publish(topic, payload, qos=1, **options)

    # From here on: paho's thread.

    def _on_connect(self, client: mqtt.Client, *_: object) -> None:
        self._connected = True
        client.subscribe("jaitf/v1/+/+/up/#", qos=1)

    def _on_disconnect(self, *_: object) -> None:
        self._connected = False

    def _on_message(self, _c: object, _u: object, message: mqtt.MQTTMessage) -> None:
        what = message.topic.split("/")[5]
        with self._news:
            try:
                self._take(what, message)
            except (KeyError, ValueError, TypeError) as error:
                self.faults.append(f"{message.topic}: {type(error).__name__} {error}: {message.payload[:200]!r}")
            self._news.notify_all()

    def _take(self, what: str, message: mqtt.MQTTMessage) -> None:
        last = message.topic.rsplit("/", 1)[1]
        if what == "hit":
            self._hit(message)
        elif what == "thumb":
            if not message.payload.startswith(b"\xff\xd8") or len(message.payload) > 64 * 1024:
                self.faults.append(f"{message.topic} is no JPEG of at most 64 KiB")
        elif what in ("birth", "state", "device", "audit", "health", "verdict"):
            body = json.loads(message.payload)
            match what:
                case "birth":
                    self.births.append(body)
                case "state":
                    self.states.append(body["state"])
                case "device":
                    self.devices[last].append((time.monotonic(), body))
                case "audit":
                    self.audits.append(body)
                case "health":
                    self.healths.append(body)
                case "verdict":
                    self.verdicts[body["scan_id"]].append(body)

    def _hit(self, message: mqtt.MQTTMessage) -> None:
        self.deliveries += 1
        payload = bytes(message.payload)
        event = json.loads(payload)
        data = event["data"]
        name = (data["hit_id"], data["rev"])
        digest = hashlib.sha256(payload).hexdigest()
        if name not in self.hits:
            if len(self.hits) % self._check_every == 0:
                self.faults += [f"{name}: {e.json_path}: {e.message}" for e in VALIDATOR.iter_errors(event)]
            if len(payload) > MAX_HIT_BYTES or event["id"] != f"{name[0]}:{name[1]}" or message.retain:
                self.faults.append(f"{name}: {len(payload)} bytes, id {event['id']}, retained {message.retain}")
            self.hits[name] = Arrival(
                seq=data["seq"],
                hit_id=name[0],
                rev=name[1],
                device=data["device"],
                sha256=digest,
                at_s=time.monotonic(),
                value=data["threats"][0].get("measurement", {}).get("value"),
                evidence=data["evidence"]["sha256"] if data["evidence"] else None,
            )
        self.contents[name].add(digest)
        self.numbers[data["seq"]].add(name)
        if not self.silent and self._chance.random() >= self._lose and self._connected:
            receipt = {"hit_id": name[0], "rev": name[1], "sha256": digest}
            root = message.topic.split("/up/")[0]
            info = self._client.publish(f"{root}/down/receipt", json.dumps(receipt), qos=1)
            assert info.rc in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN)
