"""An appliance as the contract describes it, for the console's tests: messages, and a small MQTT publisher."""

from __future__ import annotations

import json
import random
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

START = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def uuid7(number: int, at: datetime = START) -> str:
    """A UUIDv7 that is the same for the same number and time."""
    bits = random.Random(number).getrandbits(74)
    value = int(at.timestamp() * 1000) << 80 | 7 << 76 | (bits >> 62) << 64 | 2 << 62 | bits & (2**62 - 1)
    return str(uuid.UUID(int=value))


def hit(number: int = 1, *, at: datetime | None = None, **data: Any) -> dict[str, Any]:
    """A hit valid by the schema; `data` replaces keys of its body."""
    observed = at or START + timedelta(seconds=number)
    hit_id = data.pop("hit_id", None) or uuid7(number)
    body = {
        "hit_id": hit_id,
        "rev": 0,
        "seq": number,
        "historical": False,
        "site": "lfw",
        "lane": "t1-l3",
        "edge": "edge-01",
        "device": "xray-1",
        "driver": "dicos",
        "stream": "passenger",
        "observed_at": stamp(observed),
        "committed_at": stamp(observed + timedelta(milliseconds=144)),
        "clock": {"quality": "synced", "offset_ms": 1.2, "boot_id": "b", "monotonic_s": 8123.4},
        "decision": "alarm",
        "severity": "high",
        "score": 0.93,
        "threshold": 0.61,
        "threats": [{"label": "organic mass", "category": "CONTRABAND", "score": 0.93, "box": [212, 96, 140, 88]}],
        "item": {"scan_id": f"1.2.826.0.1.{number}", "bag_tag": f"{220123456 + number:010d}", "type": "BAGGAGE"},
        "model": {"name": "baggage", "version": "1.2.0", "sha256": "ab" * 32},
        "evidence": {"sha256": "cd" * 32, "media_type": "application/dicom", "bytes": 1703936, "thumb": True},
    } | data
    return {
        "specversion": "1.0",
        "id": f"{hit_id}:{body['rev']}",
        "type": "org.jaitf.edge.hit.v1",
        "source": f"/jaitf/{body['site']}/{body['edge']}/{body['device']}",
        "time": body["committed_at"],
        "datacontenttype": "application/json",
        "data": body,
    }


def encoded(message: object) -> bytes:
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()


class Appliance:
    """Publishes as an appliance does, and hears the receipts; connected when made.

    `receipts` are (hit_id, rev, sha256) in order of arrival; `wait_for_receipts` waits until so many different came.
    """

    def __init__(self, port: int, site: str = "lfw", edge: str = "edge-01", root: str = "jaitf") -> None:
        self.topic = f"{root}/v1/{site}/{edge}"
        self.receipts: list[tuple[str, int, str]] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._news = threading.Condition()
        self._ready = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, f"{site}-{edge}", protocol=paho.MQTTv5)
        self._client.max_inflight_messages_set(20)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{self.topic}/down/#", qos=1)
        self._client.reconnect_delay_set(0.1, 0.5)
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = lambda *_: self._ready.clear()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(60), "the broker does not answer"

    def _on_subscribe(self, *_: object) -> None:
        self._ready.set()
        with self._news:
            self._news.notify_all()

    def _on_message(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        body = json.loads(message.payload)
        kind = message.topic.removeprefix(f"{self.topic}/down/")
        with self._news:
            if kind == "receipt":
                self.receipts.append((body["hit_id"], body["rev"], body["sha256"]))
            else:
                self.asked.append((kind, body))
            self._news.notify_all()

    def wait_for_down(self, kind: str, timeout_s: float = 60) -> dict[str, Any]:
        """Wait for a message of a kind that the console sent down; return the last one."""
        with self._news:
            there = self._news.wait_for(lambda: any(each == kind for each, _ in self.asked), timeout_s)
            assert there, f"no {kind} came, only {[each for each, _ in self.asked]}"
            return next(body for each, body in reversed(self.asked) if each == kind)

    def publish(self, rest: str, message: object, *, retain: bool = False, qos: int = 1) -> paho.MQTTMessageInfo:
        payload = message if isinstance(message, bytes) else encoded(message)
        return self._client.publish(f"{self.topic}/up/{rest}", payload, qos=qos, retain=retain)

    def settle(self, infos: list[paho.MQTTMessageInfo], timeout_s: float = 60) -> None:
        """Wait until the broker has taken them all."""
        for info in infos:
            info.wait_for_publish(timeout_s)
            assert info.is_published(), "the broker did not take a message in time"

    def wait_for_receipts(self, number: int, timeout_s: float = 60) -> set[tuple[str, int]]:
        with self._news:
            enough = self._news.wait_for(lambda: len({each[:2] for each in self.receipts}) >= number, timeout_s)
            assert enough, f"{len(self.receipts)} of {number} receipts"
            return {each[:2] for each in self.receipts}

    def wait_until(self, holds: Callable[[], bool], timeout_s: float = 60) -> None:
        """Wait until something holds that changes with a receipt or a connection."""
        with self._news:
            assert self._news.wait_for(holds, timeout_s), f"{len(self.receipts)} receipts"

    def is_connected(self) -> bool:
        """Whether it is, and would hear a receipt: before its subscription one would be lost."""
        return self._client.is_connected() and self._ready.is_set()

    def hear_with(self, on_message: Callable[[paho.Client, object, paho.MQTTMessage], None]) -> None:
        self._client.on_message = on_message

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
