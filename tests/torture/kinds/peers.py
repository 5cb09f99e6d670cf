"""A second appliance under the same name, and messages that a broker will not have."""

from __future__ import annotations

import time

from tests.torture.box import Box, wait_for
from tests.torture.rig import BROKER, Rig, counter
from tests.torture.trial import Bench, Broken, Kind

FIGHT_DEADLINE_S = 90.0
LIMIT_BYTES = 1700


def twins(bench: Bench) -> None:
    """Two appliances with one site and id, and so one client id: both notice, say so, and lose nothing."""
    for _ in range(bench.trials):
        with Rig(bench, {"counter-1": {"hz": 10}}) as rig:
            twin = Box(rig.folder / "twin", rig.broker.url, {"counter-2": counter(rig.folder / "twin.acks", hz=10)})
            try:
                rig.box.start()
                rig.flowing()
                twin.start()
                begun = time.monotonic()
                rig.console.wait("the fight is told", lambda rig=rig: _fights(rig), FIGHT_DEADLINE_S)
                bench.figures.notes["fight told after, s"] = round(time.monotonic() - begun, 1)
                _drained(twin)
                rig.box.stop()
                _drained(rig.box)
                bench.tried("two with one id")
                for box in (rig.box, twin):
                    missing = {(r["hit_id"], r["rev"]) for r in box.hits()} - set(rig.console.hits)
                    if missing:
                        raise Broken(f"{len(missing)} hits of one of two twins never came")
                    bench.figures.committed += len(box.hits())
                bench.figures.delivered += len(rig.console.hits)
            finally:
                twin.end()


def _fights(rig: Rig) -> list[object]:
    return [audit for audit in rig.console.audits if audit["what"] == "client id conflict"]


def _drained(box: Box) -> None:
    box.stop()
    box.quiet()
    box.start()
    wait_for("every hit is received", lambda: not box.count("received_ns IS NULL"), FIGHT_DEADLINE_S, 0.1)
    box.stop()


def poison(bench: Bench) -> None:
    """A message too large for the broker, or on a topic that its rules forbid: set aside and told, the rest flows."""
    refusals = ("PUBACK: too large", "CONNACK: packets no larger", "PUBACK: not authorised")
    for number in range(bench.trials):
        refusal = refusals[number % len(refusals)]
        with Rig(bench, {"counter-1": {"hz": 25}, "bad-1": {"hz": 5, "count": 3, "padding": 2}}) as rig:
            acl = rig.folder / "acl"
            acl.write_text("topic readwrite #\ntopic deny jaitf/v1/lfw/edge-01/up/hit/bad-1\n")
            lines = {
                refusals[0]: f"message_size_limit {LIMIT_BYTES}\n",
                refusals[1]: f"max_packet_size {LIMIT_BYTES}\n",
                refusals[2]: f"acl_file {acl}\n",
            }
            rig.broker.stop()
            rig.broker.configure(BROKER + lines[refusal])
            rig.broker.start()
            rig.box.start()
            wait_for("three are set aside", lambda rig=rig: rig.box.count("set_aside IS NOT NULL") == 3, 60.0, 0.1)
            rig.console.wait(
                "health tells", lambda rig=rig: any(h["set_aside"] >= 3 for h in rig.console.healths), 60.0
            )
            rig.console.wait(
                "the audit tells", lambda rig=rig: "hit set aside" in {a["what"] for a in rig.console.audits}, 60.0
            )
            rig.flowing()
            reasons = {row["set_aside"] for row in rig.box.hits() if row["device"] == "bad-1"}
            wanted = "not authorised" if refusal == refusals[2] else "too large"
            if reasons != {wanted}:
                raise Broken(f"{refusal}: set aside as {reasons}")
            if rig.console.arrivals("bad-1"):
                raise RuntimeError("the broker let it pass")
            wait_for(
                "all others are received",
                lambda rig=rig: rig.box.count("received_ns IS NULL AND set_aside IS NULL") < 10,
                30.0,
                0.1,
            )
            bench.tried(refusal)
            rig.box.stop()
            rig.broker.stop()
            rig.broker.configure(BROKER)  # its rules are mended: the next start gives them another chance
            rig.broker.start()
            rig.judge()


KINDS = (
    Kind("poison", "messages that the broker refuses", poison, weight=30, short=1),
    Kind("twins", "two appliances with one id", twins, weight=300, short=0),
)
