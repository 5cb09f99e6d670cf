"""A wall clock that is set by hours, years, forwards and backwards, under a running appliance and between two."""

from __future__ import annotations

import time
from pathlib import Path

from tests.torture import oracle
from tests.torture.box import ROOT
from tests.torture.rig import Rig
from tests.torture.trial import Bench, Broken, Kind

HOUR_NS = 3_600_000_000_000
SHIFTED = ROOT / "tests/torture/shifted"


def _set(clock: Path, shift_ns: int) -> None:
    partial = clock.with_suffix(".partial")
    partial.write_text(str(shift_ns))
    partial.replace(clock)


def jump(bench: Bench) -> None:
    """Hours and years, both ways: nothing is lost, reordered, taken for historical, or late."""
    clock = bench.folder / "clock"
    _set(clock, 0)
    env = {"TORTURE_CLOCK": str(clock)}
    with Rig(bench, {"counter-1": {"hz": 40}}, env=env, path=SHIFTED) as rig:
        rig.box.start()
        rig.flowing()
        for number in range(bench.trials):
            hours = bench.chance.choice((1, 5, 26, 24 * 40, 24 * 365 * 3, 24 * 365 * 20))
            hours *= bench.chance.choice((-1, 1))
            begun = time.monotonic()
            if number % 4 == 3:
                rig.box.stop()
                _set(clock, hours * HOUR_NS)
                rig.box.start()
                bench.tried("clock set while off")
            else:
                _set(clock, hours * HOUR_NS)
                bench.tried("clock set while running")
            rig.console.next_hit_s(20.0)
            rig.pause(0.5, 2.0)
            gap_s = rig.console.longest_gap_s("counter-1", begun, time.monotonic())
            if number % 4 != 3 and gap_s > 1.5:
                raise Broken(f"a jump of {hours} hours: no hit for {gap_s:.1f} s")
        first_came = [hit.seq for hit in rig.console.arrivals()]
        if first_came != sorted(first_came):
            raise Broken("hits came in another order than they were committed in")
        rows = rig.judge_rows()
        if len({row["committed_at"][:10] for row in rows}) < 2:
            raise RuntimeError("the clock of the appliance under trial was never set")
        if historical := [row["seq"] for row in rows if row["event"]["data"]["historical"]]:
            raise Broken(f"{len(historical)} live hits are called historical, the first of them {historical[0]}")
        if len(oracle.ledgers(rig.console)) != 1:
            raise Broken("a new ledger was begun")


KINDS = (Kind("clock", "the wall clock set by hours and years", jump, weight=10, short=2),)
