"""One broker, one console and one appliance between them, with what every kind of trial does to them."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

from tests.peers import Broker
from tests.torture import oracle
from tests.torture.box import Box, wait_for
from tests.torture.console import Console
from tests.torture.trial import Bench

DRAIN_DEADLINE_S = 90.0
BROKER = "max_queued_messages 0\nmax_inflight_messages 100\n"


def counter(acks: Path | None = None, *, hz: float = 25, **settings: Any) -> str:
    """Return the device file of a counter that raises `hz` hits a second and notes what was acknowledged."""
    lines = ['driver = "test"', "[settings]", f"hz = {hz}"]
    if acks is not None:
        lines.append(f'acks = "{acks}"')
    lines += [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    return "\n".join(lines) + "\n"


def _is_counted(device: dict[str, Any] | str) -> bool:
    return not isinstance(device, str) and bool(device.get("distinct", True))


class Rig:
    """Everything of one scenario, in a folder of its own; `devices` are settings of counters, or device files.

    Use it as a context manager: it leaves nothing running.
    """

    def __init__(
        self,
        bench: Bench,
        devices: dict[str, dict[str, Any] | str],
        *,
        broker: str = BROKER,
        listener: str = "listener {port} 127.0.0.1",
        host: str = "127.0.0.1",
        lose: float = 0.0,
        check_every: int = 1,
        url: str | None = None,
        **box: Any,
    ) -> None:
        self.bench = bench
        self.folder = bench.part("rig")
        self.broker = Broker(self.folder / "broker", broker, listener)
        self.console = Console(self.broker.port, bench.chance, lose=lose, check_every=check_every)
        # A flapping contact's hits collapse by design: what its driver was told has no hit of its own to be found by.
        acks = {name: self.folder / f"{name}.acks" for name, own in devices.items() if _is_counted(own)}
        self.acks = list(acks.values())
        texts = {name: own if isinstance(own, str) else counter(acks.get(name), **own) for name, own in devices.items()}
        self.box = Box(self.folder / "box", url or f"mqtt://{host}:{self.broker.port}", texts, **box)

    def __enter__(self) -> Rig:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):
            self.box.end()
        self.console.close()
        self.broker.kill()

    def flowing(self, deadline_s: float = 60.0) -> None:
        """Return once new hits come in at the console."""
        self.console.next_hit_s(deadline_s)

    def recovered(self, deadline_s: float = 60.0) -> None:
        """Note how long after this moment a new hit comes in."""
        self.bench.figures.recoveries_s.append(self.console.next_hit_s(deadline_s))

    def drain(self, deadline_s: float = DRAIN_DEADLINE_S) -> None:
        """Start it with its devices off, wait until every hit is received, and stop it."""
        self.box.stop()
        self.box.quiet()
        self.box.start()
        wait_for("every hit is received", lambda: not self.box.count("received_ns IS NULL"), deadline_s, 0.1)
        self.box.stop()
        self.box.quiet(enabled=True)

    def judge(self) -> None:
        """Drain, and hold console against ledger; the figures are added to the bench's."""
        self.judge_rows()

    def judge_rows(self) -> list[dict[str, Any]]:
        """Judge, and return the ledger's rows."""
        self.drain()
        rows = self.box.hits()
        acked = oracle.acknowledged(*self.acks)
        self.bench.figures.add(oracle.judge(self.console, rows, self.box.broken_links(), acked))
        return rows

    def pause(self, low_s: float, high_s: float) -> None:
        """Let things run for a moment that chance chooses."""
        time.sleep(self.bench.chance.uniform(low_s, high_s))
