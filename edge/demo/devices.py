"""The simulated devices of the demo's lane: a table. Another device joins by a row."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SimulatedDevice:
    """One device: its file in the configuration, and the arguments of `jaitf-sim`.

    `{port}` is a free port of the demo's choosing and `{seed}` its seed. Where the simulator is the one that listens,
    it is started before the appliance; otherwise once the appliance has the device up.
    """

    name: str
    configuration: str
    simulator: tuple[str, ...]
    simulator_listens: bool = False


LANE = (
    SimulatedDevice(
        name="xray-1",
        configuration="""\
driver = "dicos"
model = "baggage"
[settings]
listen = "127.0.0.1:{port}"
ae_title = "EDGE"
""",
        simulator=(
            *("xray", "--to", "127.0.0.1:{port}", "--ae-title", "EDGE"),
            *("--every-s", "1.5", "--threat-rate", "0.4", "--seed", "{seed}"),
        ),
    ),
    SimulatedDevice(
        name="portal-1",
        configuration="""\
driver = "modbus"
[settings]
url = "tcp://127.0.0.1:{port}"
[[settings.points]]
name = "alarm counter"
table = "holding"
address = 0
alarm = "on_change"
""",
        simulator=("modbus", "--listen", "127.0.0.1:{port}", "--counter-hz", "0.15"),
        simulator_listens=True,
    ),
)
