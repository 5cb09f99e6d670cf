"""A lane on a machine: a broker, simulated devices on their real wires, and the appliance under its unit.

Everything about the hardware is simulated. The unit, its user, its sandbox, the broker and the init are what they are
on a lane.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

from tests.appliance.machine import LOOK_S, Failed, Machine

T = TypeVar("T")

EDGE = """\
[appliance]
site = "lfw"
lane = "t1-l3"
id = "edge-01"
data_dir = "/var/lib/jaitf-edge"
[console]
url = "mqtt://127.0.0.1:1883"
username = "edge-01"
password_file = "$CREDENTIALS_DIRECTORY/jaitf-edge.password"
"""

DEVICES = {
    "xray-1": 'driver = "dicos"\nmodel = "baggage"\n[settings]\nlisten = "0.0.0.0:11112"\nae_title = "EDGE"\n',
    "export-1": 'driver = "folder"\nmodel = "baggage"\n[settings]\npath = "/srv/scanner-export"\n',
    "portal-1": 'driver = "modbus"\n[settings]\nurl = "tcp://127.0.0.1:5020"\npoll_ms = 50\n'
    '[[settings.points]]\nname = "counter"\ntable = "holding"\naddress = 0\ntype = "uint16"\nalarm = "on_change"\n',
    "codes-1": 'driver = "codereader"\n[settings]\nurl = "serial:///dev/jaitf/codes?baud=9600"\n',
}

BROKER = """\
listener 1883 127.0.0.1
allow_anonymous false
password_file /etc/mosquitto/passwords
"""


HEARD = ("state", "birth", "device/#", "hit/#", "verdict/#", "reading/#", "health", "audit")


class Lane:
    """A lane on a machine. `heard` is what a console hears at the broker."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def start(self) -> None:
        """Configure the machine, boot it, and wait until the appliance has said that it is ready."""
        self.configure()
        self.machine.boot()
        self.machine.sh(
            "mosquitto_passwd -b -c /etc/mosquitto/passwords edge-01 not-in-any-log"
            " && mosquitto_passwd -b /etc/mosquitto/passwords console console"
            " && chown mosquitto /etc/mosquitto/passwords && systemctl restart mosquitto"
        )
        # Not `up/thumb`: what is no JSON ends mosquitto_sub's %J.
        topics = " ".join(f"-t jaitf/v1/lfw/edge-01/up/{each}" for each in HEARD)
        listen = f"stdbuf -oL mosquitto_sub -h 127.0.0.1 -u console -P console -q 1 -F %J {topics} >/root/heard"
        self.machine.until("mosquitto_pub -h 127.0.0.1 -u console -P console -t up -n")
        self.run_beside("console", listen)
        self.machine.until("systemctl is-active jaitf-edge", within_s=120)

    def configure(self) -> None:
        """Write the configuration, and the password where systemd finds it."""
        self.machine.put("/etc/jaitf-edge/edge.toml", EDGE)
        for name, text in DEVICES.items():
            self.machine.put(f"/etc/jaitf-edge/devices/{name}.toml", text)
        self.machine.put("/etc/credstore/jaitf-edge.password", "not-in-any-log\n", 0o600)
        self.machine.put("/etc/mosquitto/mosquitto.conf", BROKER)
        self.machine.put("/etc/tmpfiles.d/lane.conf", "d /dev/jaitf 0755 jaitf-edge jaitf-edge\n")
        folder = self.machine.root / "srv/scanner-export"
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)

    def run_beside(self, name: str, command: str, user: str = "root") -> None:
        """Run something beside the appliance, as a unit of its own that ends with the machine."""
        self.machine.sh(f'systemd-run --quiet --collect --unit={name} --uid={user} sh -c "exec {command}"')

    def heard(self, topic: str) -> list[dict[str, Any]]:
        """Return the messages heard on a topic below the appliance's own, oldest first."""
        # What stands behind the last line's end is a message that is still being written.
        lines = (self.machine.root / "root/heard").read_text().split("\n")[:-1]
        messages = [json.loads(line) for line in lines if line.endswith("}")]
        own = f"jaitf/v1/lfw/edge-01/{topic}"
        return [
            m["payload"] if isinstance(m["payload"], dict) else json.loads(m["payload"])
            for m in messages
            if m["topic"] == own
        ]

    def until_heard(self, topic: str) -> list[dict[str, Any]]:
        """Return the messages on a topic as soon as there is one."""
        return self.until(f"a message on {topic}", lambda: self.heard(topic))

    def until(self, what: str, look: Callable[[], T], *, within_s: float = 120.0) -> T:
        """Return what a look gives as soon as it gives something. Raises Failed where it has not `within_s`."""
        deadline = time.monotonic() + within_s
        while not (found := look()):
            if time.monotonic() > deadline:
                raise Failed(f"not within {within_s:.0f} s: {what}\n{self.machine.what_happened()}")
            time.sleep(LOOK_S)
        return found

    def shows(self, prop: str, unit: str = "jaitf-edge") -> str:
        """Return a property of a unit."""
        return self.machine.sh(f"systemctl show --value -p {prop} {unit}").strip()
