"""A register's change until the hit is at a subscriber: ours, and the ThingsBoard gateway, on one device and broker."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import box, thingsboard
from benchmarks.ears import Ears, Heard, Missing, is_up, receipts
from benchmarks.harness import Bar, Row, Say, Spread
from benchmarks.register import Register, first_seen, latencies

POLL_MS = 20
CHANGES, CHANGES_SHORT = 300, 60
WARM_UP = 15
SETTLE_S = 3.0

DEVICE = """\
driver = "modbus"
[settings]
url = "tcp://127.0.0.1:{port}"
poll_ms = {poll_ms}
[[settings.points]]
name = "counter"
table = "holding"
address = 0
type = "uint16"
alarm = "on_change"
"""


def rows(folder: Path, short: bool, say: Say) -> list[Row]:
    """Return the row: p50 and p99, share of a core, memory."""
    count = CHANGES_SHORT if short else CHANGES
    with box.broker(folder) as broker_port, Register() as register:
        say(f"{count} changes of a register, polled every {POLL_MS} ms: the appliance")
        ours, our_cost = _appliance(folder, broker_port, register, count)
        beside = f"half a poll {POLL_MS / 2:.0f} ms"
        data: dict[str, object] = {"ours": ours, "our_cost": our_cost, "changes": count}
        try:
            say("the same: the ThingsBoard gateway")
            theirs, their_cost = _thingsboard(folder, broker_port, register, count // 2, say)
            data |= {"thingsboard": theirs, "thingsboard_cost": their_cost, "thingsboard_version": thingsboard.VERSION}
            beside += f"; ThingsBoard gateway {thingsboard.VERSION}: {theirs.ms()}, {_said(their_cost)}"
        except (thingsboard.NotInstalled, Missing, box.NotUp, ValueError) as error:
            beside += f"; ThingsBoard gateway: not measured, {error}"
    return [
        Row(
            "modbus",
            f"register change until hit at a subscriber, Modbus TCP, {POLL_MS} ms poll",
            f"{ours.ms()}, {_said(our_cost)}",
            beside,
            "p50 at most 15 ms, p99 at most 40 ms, at most 10 % of a core",
            (
                Bar("p50, ms", ours.p50 * 1e3, 15),
                Bar("p99, ms", ours.p99 * 1e3, 40),
                Bar("share of a core", our_cost["core"], 0.10),
            ),
            f"{ours.n} of {count} changes, one every 0.15 s on average; signed and on the disk before they are sent",
            data,
        )
    ]


def _said(cost: dict[str, float]) -> str:
    return f"{cost['core']:.1%} of a core, {cost['pss_mb']:.0f} MB"


def _between(before: box.Cost, after: box.Cost) -> dict[str, float]:
    return {"core": after.share_since(before), "pss_mb": after.pss_bytes / 1e6}


def _appliance(folder: Path, broker_port: int, register: Register, count: int) -> tuple[Spread, dict[str, float]]:
    device = DEVICE.format(port=register.port, poll_ms=POLL_MS)
    config = box.configure(folder / "ours", broker_port, {"portal-1": device})

    def seen() -> dict[int, float]:
        hits = [heard for heard in ears.heard if "/up/hit/" in heard.topic]
        return first_seen([(hit.at_s, hit.json["data"]["threats"][0]["measurement"]["value"]) for hit in hits])

    with (
        Ears(broker_port, f"{box.UP}/#", on_message=receipts(box.DOWN)) as ears,
        box.appliance(config) as process,
    ):
        ears.wait(is_up("portal-1"), 30)
        return _measured(register, count, process, seen)


def _thingsboard(
    folder: Path, broker_port: int, register: Register, count: int, say: Say
) -> tuple[Spread, dict[str, float]]:
    def said(heard: Heard) -> bool:
        return heard.topic == thingsboard.TOPICS[0] and bool(thingsboard.values(heard.payload))

    def seen() -> dict[int, float]:
        told = [heard for heard in ears.heard if said(heard)]
        return first_seen([(heard.at_s, value) for heard in told for value in thingsboard.values(heard.payload)])

    with (
        Ears(broker_port, *thingsboard.TOPICS, on_message=thingsboard.platform) as ears,
        thingsboard.gateway(folder / "theirs", broker_port, register.port, POLL_MS, say) as process,
    ):
        ears.wait(said, 60)
        return _measured(register, count, process, seen)


def _measured(
    register: Register, count: int, process: box.Process, seen: Callable[[], dict[int, float]]
) -> tuple[Spread, dict[str, float]]:
    chance = random.Random(5)
    register.changes(WARM_UP, chance, time.monotonic() + 30)
    time.sleep(1)
    before = box.cost(process.pid)
    made = register.changes(count, chance, time.monotonic() + 120)
    after = box.cost(process.pid)
    ends = time.monotonic() + SETTLE_S
    while len(latencies(made, seen())) < len(made) and time.monotonic() < ends:
        time.sleep(0.1)
    return Spread.of(latencies(made, seen())), _between(before, after)
