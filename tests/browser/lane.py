"""A day at a lane, as messages: what an officer would find on the page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import cv2
import numpy as np

from simulators.xray import Look, make_scan, render
from tests.unit.simulators.console.appliance import Appliance, hit, stamp, uuid7

NOW = datetime.now(UTC)


def ago(**how_long: float) -> datetime:
    return NOW - timedelta(**how_long)


def picture(seed: int) -> bytes:
    """A small JPEG that differs from any other."""
    image = np.random.default_rng(seed).integers(0, 255, (48, 64, 3), np.uint8)
    done, jpeg = cv2.imencode(".jpg", image)
    assert done
    return bytes(jpeg)


def threat(label: str, category: str, score: float | None, **more: Any) -> dict[str, Any]:
    return {"label": label, "category": category, "score": score} | more


Pictured = tuple[dict[str, Any], bytes | None]


def scanned(seed: int, kind: str, label: str, score: float) -> tuple[bytes, list[int]]:
    """A picture of the simulated scanner with its threat marked, and the threat's box."""
    scan = make_scan(seed, kind)
    image = np.ascontiguousarray(render(scan, Look())[..., ::-1])
    x, y, w, h = box = scan.truth[0].box
    red = (36, 28, 214)
    cv2.rectangle(image, (x - 6, y - 6), (x + w + 6, y + h + 6), red, 3)
    cv2.putText(image, f"{label} {score:.0%}", (x - 6, y - 14), cv2.FONT_HERSHEY_SIMPLEX, 0.6, red, 2, cv2.LINE_AA)
    for quality in (85, 70, 55, 40):
        _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if len(jpeg) <= 64 * 1024:
            return bytes(jpeg), list(box)
    raise AssertionError("no picture of this size fits")


def _seen(number: int, at: datetime, kind: str, label: str, category: str, score: float, **more: Any) -> Pictured:
    jpeg, box = scanned(number, kind, label, score)
    return hit(number, at=at, score=score, threats=[threat(label, category, score, box=box)], **more), jpeg


def a_day() -> list[Pictured]:
    """The hits of a morning: pictures, a dog's alert, a counter, a body zone, a revision, a late one, a covert one."""
    no_picture = {"evidence": None, "model": None, "score": None, "threshold": None}
    gamma = {"name": "gamma", "value": 412, "unit": "cps"}
    dog = {"device": "k9-1", "kind": "canine_alert", "at": stamp(ago(minutes=5)), "hit_id": None}
    return [
        _seen(1, ago(hours=5), "pharmaceuticals", "tablets in bulk", "PHARMACEUTICAL", 0.64, severity="low"),
        _seen(2, ago(hours=2), "currency", "stacked paper", "ANOMALY", 0.71, severity="medium", historical=True),
        (
            hit(
                3,
                at=ago(minutes=41),
                device="portal-1",
                driver="modbus",
                severity="medium",
                threats=[threat("gamma", "OTHER", None, measurement=gamma)],
                item={"scan_id": uuid7(903)},
                **no_picture,
            ),
            None,
        ),
        (
            hit(
                4,
                at=ago(minutes=18),
                device="body-1",
                driver="screen",
                threats=[threat("object under clothing", "ANOMALY", None, zone="left ankle")],
                item={"scan_id": uuid7(904), "type": "PERSON"},
                **no_picture,
            ),
            None,
        ),
        _seen(5, ago(minutes=6), "pistol", "pistol", "PI", 0.97, severity="critical", corroboration=[dog], rev=1),
        _seen(
            6,
            ago(minutes=2),
            "sheet",
            "sheet in the lining",
            "CONTRABAND",
            0.93,
            covert=True,
            targeted={"risk": "high"},
        ),
        _seen(7, ago(seconds=4), "brick", "organic mass", "CONTRABAND", 0.88),
    ]


def announce(appliance: Appliance, lane: str = "t1-l3") -> None:
    """Birth, state, health and devices of an appliance that is well, but for one device."""
    session = f"session of {appliance.topic}"
    at = stamp(ago(hours=9))
    waiting = [
        appliance.publish("state", {"state": "online", "session": session, "at": at}, retain=True),
        appliance.publish(
            "birth",
            {"ledger_id": "L1", "seq_start": 1, "session": session, "at": at, "lane": lane, "software": "0.1.0"},
            retain=True,
        ),
        appliance.publish("health", {"queued": {"hit": 0}, "clock": {"quality": "synced"}}, retain=True),
        *(
            appliance.publish(f"device/{name}", {"state": state, "reason": reason, "since": stamp(since)}, retain=True)
            for name, state, reason, since in [
                ("body-1", "up", "", ago(hours=9)),
                ("k9-1", "up", "", ago(hours=3)),
                ("portal-1", "degraded", "background above its usual band", ago(minutes=50)),
                ("xray-1", "up", "", ago(hours=9)),
                ("xray-2", "down", "no association from the scanner for 20 min", ago(minutes=26)),
            ]
        ),
    ]
    appliance.settle(waiting)


def screen(appliance: Appliance, clear: int = 240) -> None:
    """Verdicts of the items that passed."""
    appliance.settle(
        [
            appliance.publish(
                "verdict/xray-1",
                {
                    "scan_id": str(number),
                    "decision": "unknown" if number % 80 == 79 else "clear",
                    "at": stamp(ago(minutes=number)),
                },
            )
            for number in range(clear)
        ]
    )


def send(appliance: Appliance, hits: Sequence[dict[str, Any] | Pictured]) -> None:
    """Publish hits, each with its picture where it has one."""
    waiting = []
    for number, each in enumerate(hits):
        event, jpeg = each if isinstance(each, tuple) else (each, picture(number))
        waiting.append(appliance.publish(f"hit/{event['data']['device']}", event))
        if jpeg is not None:
            waiting.append(appliance.publish(f"thumb/{event['data']['hit_id']}", jpeg))
    appliance.settle(waiting)
