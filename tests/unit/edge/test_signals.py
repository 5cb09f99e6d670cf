"""The officer's signals: on what, how long, never for what only the console may know, and never a divert by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from drivers import wire
from drivers.contract import Severity
from edge.config.load import examine
from edge.config.model import SignalToml
from edge.nouns import Hit, Targeted
from edge.signals import Signals
from tests import core

LAMP: dict[str, Any] = {"name": "lamp", "device": "io-1", "output": "lamp", "seconds": 10}


class Bench:
    """Signals whose orders are kept, by device: what each output shows."""

    def __init__(self, *signals: dict[str, Any]) -> None:
        self.clock = core.FakeClock()
        self.shown: dict[str, dict[str, bool]] = {}
        self.orders: list[wire.Order] = []
        made = [SignalToml.model_validate(signal) for signal in signals]
        self.signals = Signals(made, self.clock, self._order)
        self.signals._tell(self.clock.now().monotonic_ns)

    def _order(self, device: str, order: wire.Order) -> None:
        self.orders.append(order)
        self.shown[device] = {name: output.on for name, output in order.outputs.items()}

    def commit(self, **changes: Any) -> None:
        self.signals.committed(self.hit(**changes))

    def hit(self, **changes: Any) -> Hit:
        return core.scan_hit(self.clock.now(), **changes)

    def later(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.signals._tell(self.clock.now().monotonic_ns)


async def test_a_hit_lights_the_lamp_for_its_time_and_a_further_one_begins_it_anew() -> None:
    bench = Bench(LAMP)
    assert bench.shown == {"io-1": {"lamp": False}}, "what it shows is known from the start"
    bench.commit()
    assert bench.shown == {"io-1": {"lamp": True}}
    bench.later(9)
    bench.commit()
    bench.later(9)
    assert bench.shown == {"io-1": {"lamp": True}}
    bench.later(1)
    assert bench.shown == {"io-1": {"lamp": False}}
    assert len(bench.orders) == 3, "an order for each change and no more"


@pytest.mark.parametrize(
    "silent",
    [
        {"covert": True},
        {"tip_type": "IMAGE"},
        {"scan_type": "TRAINING"},
    ],
)
async def test_what_stays_dark(silent: dict[str, Any]) -> None:
    bench = Bench(LAMP, LAMP | {"name": "divert", "output": "divert", "kind": "divert", "labels": ["organic mass"],
                                "authorised_by": "OC lane 3"})  # fmt: skip
    bench.commit(**silent, targeted=Targeted("T-1", "high", covert=bool(silent.get("covert"))))
    assert bench.shown == {"io-1": {"lamp": False, "divert": False}}
    bench.commit()
    assert bench.shown == {"io-1": {"lamp": True, "divert": True}}


async def test_history_lights_nothing() -> None:
    bench = Bench(LAMP)
    old = bench.hit()
    bench.later(61)
    bench.signals.committed(old)
    assert bench.shown == {"io-1": {"lamp": False}}


@pytest.mark.parametrize(
    ("only", "changes", "lit"),
    [
        ({"severities": ["critical"]}, {}, False),
        ({"severities": ["critical", "high"]}, {}, True),
        ({"severities": ["low"]}, {"report": core.report(severity=Severity.LOW)}, True),
        ({"devices": ["k9-1"]}, {}, False),
        ({"devices": ["k9-1", "xray-1"]}, {}, True),
        ({"labels": ["weapon"]}, {}, False),
        ({"labels": ["organic mass"], "severities": ["high"], "devices": ["xray-1"]}, {}, True),
    ],
)
async def test_on_what_a_signal_comes(only: dict[str, Any], changes: dict[str, Any], lit: bool) -> None:
    bench = Bench(LAMP | only)
    bench.commit(**changes)
    assert bench.shown["io-1"]["lamp"] is lit


async def test_two_signals_of_one_output_do_not_switch_each_other_off() -> None:
    bench = Bench(LAMP | {"seconds": 2}, LAMP | {"name": "long", "seconds": 60, "labels": ["organic mass"]})
    bench.commit()
    bench.later(5)
    assert bench.shown == {"io-1": {"lamp": True}}


async def test_what_is_left_behind_goes_along_with_every_order() -> None:
    bench = Bench(*(LAMP | {"name": n, "output": n, "fail_safe": n} for n in ("off", "on", "keep")))
    assert {name: output.rest for name, output in bench.orders[-1].outputs.items()} == {
        "off": False, "on": True, "keep": None,
    }  # fmt: skip


async def test_it_switches_off_by_itself() -> None:
    from drivers.clock import SystemClock

    news = asyncio.Event()
    shown: list[bool] = []

    def order(_: str, what: wire.Order) -> None:
        shown.append(what.outputs["lamp"].on)
        news.set()

    clock = SystemClock()
    signals = Signals([SignalToml.model_validate(LAMP | {"seconds": 0.05})], clock, order)
    task = asyncio.create_task(signals.run())
    try:
        signals.committed(core.scan_hit(clock.now()))
        async with asyncio.timeout(60):
            while shown[-1:] != [False] or True not in shown:
                news.clear()
                await news.wait()
    finally:
        task.cancel()


def test_a_divert_is_never_asked_for_by_default() -> None:
    for missing in ({}, {"authorised_by": "OC lane 3"}, {"labels": ["cash"]}):
        with pytest.raises(ValidationError, match="never asked for by default"):
            SignalToml.model_validate(LAMP | {"kind": "divert"} | missing)


EDGE = """\
[appliance]
site = "lfw"
lane = "t1-l3"
id = "edge-01"
data_dir = "/var/lib/jaitf-edge"
[console]
url = "mqtt://127.0.0.1:1883"
"""
IO = 'driver = "modbus"\n[settings]\nurl = "tcp://10.0.0.9:502"\nprofile = "iologik-e1200"\n'


@pytest.mark.parametrize(
    ("signals", "says"),
    [
        ('[[signals]]\nname = "a"\ndevice = "io-1"\noutput = "lamp"\n', []),
        (
            '[[signals]]\nname = "a"\ndevice = "io-2"\noutput = "lamp"\n',
            ["edge.toml:10: signals[0].device: no device is called io-2 (did you mean io-1?)"],
        ),
        (
            '[[signals]]\nname = "a"\ndevice = "io-1"\noutput = "lamb"\n',
            [
                "edge.toml:11: signals[0].output: io-1 has no output 'lamb'; there is buzzer, divert, lamp, relay 3,"
                " relay 4, relay 5 (did you mean lamp?)"
            ],
        ),
        (
            '[[signals]]\nname = "a"\ndevice = "io-1"\noutput = "lamp"\n'
            '[[signals]]\nname = "a"\ndevice = "io-1"\noutput = "lamp"\nfail_safe = "on"\ndevices = ["x"]\n',
            [
                "edge.toml:13: signals[1].name: another signal has this name",
                "edge.toml:16: signals[1].fail_safe: a says otherwise of the same output",
                "edge.toml:17: signals[1].devices[0]: no device is called x",
            ],
        ),
        (
            '[[signals]]\nname = "a"\ndevice = "io-1"\noutput = "divert"\nkind = "divert"\nlabels = ["cash"]\n'
            'authorised_by = "OC lane 3"\n',
            ["edge.toml:12: signals[0].kind: warning: asks the belt to divert; OC lane 3 has authorised it"],
        ),
    ],
)
def test_what_check_says_of_signals(tmp_path: Path, signals: str, says: list[str]) -> None:
    (tmp_path / "devices").mkdir()
    (tmp_path / "edge.toml").write_text(EDGE + signals)
    (tmp_path / "devices/io-1.toml").write_text(IO)
    assert [str(p).removeprefix(f"{tmp_path}/") for p in examine(tmp_path).problems] == says
