"""What cables, switches, firewalls and brokers do to a connection: the fault proxy, a stopped broker, a real link."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable

from tests.torture.box import wait_for
from tests.torture.proxy import FAIR, Proxy, Weather
from tests.torture.rig import BROKER, Rig
from tests.torture.trial import Bench, Kind

DEVICES = {"counter-1": {"hz": 25}}
RECOVERY_DEADLINE_S = 60.0
CUTS_IN_A_ROW = 14


def kill_broker(bench: Bench) -> None:
    """The broker killed, stopped in order, or back with rules that refuse the appliance for a while."""
    with Rig(bench, DEVICES) as rig:
        rig.box.start()
        rig.flowing()
        for _ in range(bench.trials):
            rig.pause(0.0, 1.5)
            how = bench.chance.choice(("killed", "killed", "stopped", "refusing"))
            if how == "stopped":
                rig.broker.stop()
            else:
                rig.broker.kill()
            if how == "refusing":
                rig.broker.configure(BROKER + "allow_anonymous false\n")
                rig.broker.start()
                rig.pause(0.3, 2.0)
                rig.broker.kill()
                rig.broker.configure(BROKER)
            rig.pause(0.0, 1.0)
            rig.broker.start()
            rig.recovered(RECOVERY_DEADLINE_S)
            bench.tried(f"broker {how}")
        rig.judge()


def freeze_broker(bench: Bench) -> None:
    """SIGSTOP to the broker: everything connects, nothing answers; for a moment, or for longer than any deadline."""
    with Rig(bench, DEVICES) as rig:
        rig.box.start()
        for number in range(bench.trials):
            rig.flowing()
            long = bench.chance.random() < 0.3 or number == 1
            assert rig.broker.pid is not None
            os.kill(rig.broker.pid, signal.SIGSTOP)
            rig.pause(21.0, 35.0) if long else rig.pause(0.5, 8.0)
            os.kill(rig.broker.pid, signal.SIGCONT)
            rig.recovered(RECOVERY_DEADLINE_S)
            bench.tried("broker frozen past every deadline" if long else "broker frozen for a moment")
        rig.judge()


def _storms(bench: Bench) -> dict[str, Callable[[], Weather]]:
    chance = bench.chance
    return {
        "delay": lambda: Weather(delay_s=chance.uniform(0.1, 2.0)),
        "trickle": lambda: Weather(bytes_per_s=chance.uniform(200, 3000)),
        "stall": lambda: Weather(stall=True),
        "cut in mid-packet": lambda: Weather(cut_after=chance.randrange(1, 20_000)),
        "half-open": lambda: Weather(deaf=True),
        "hung up on": lambda: Weather(refuse=True),
    }


def bad_network(bench: Bench) -> None:
    """Each kind of weather for a while, then fair again; connections are cut, or left as they are."""
    with Rig(bench, DEVICES, url="mqtt://127.0.0.1:1") as rig:
        proxy = Proxy(rig.broker.port)
        rig.box.url = proxy.url
        rig.box.configure({})
        storms = _storms(bench)
        try:
            rig.box.start()
            rig.flowing()
            for number in range(bench.trials):
                name = list(storms)[number % len(storms)]
                proxy.weather = storms[name]()
                if name == "hung up on" or bench.chance.random() < 0.2:
                    proxy.cut()
                rig.pause(0.5, 6.0)
                proxy.weather = FAIR
                if bench.chance.random() < 0.5:
                    proxy.cut()
                rig.recovered(RECOVERY_DEADLINE_S)
                bench.tried(name)
            rig.judge()
        finally:
            proxy.close()


def cut_again_and_again(bench: Bench) -> None:
    """Every connection dies after the same few bytes, in mid-packet: the message that was under way is not to blame."""
    with Rig(bench, DEVICES, url="mqtt://127.0.0.1:1") as rig:
        proxy = Proxy(rig.broker.port)
        rig.box.url = proxy.url
        rig.box.configure({})
        try:
            for begun in range(0, bench.trials, CUTS_IN_A_ROW):
                rig.box.start()
                rig.flowing()
                proxy.weather = Weather(cut_after=bench.chance.randrange(1500, 4000))
                for _ in range(min(CUTS_IN_A_ROW, bench.trials - begun)):
                    seen = proxy.connections
                    wait_for("the appliance tries again", lambda seen=seen: proxy.connections > seen, 30.0)
                    bench.tried("cut, and cut again")
                proxy.weather = FAIR
                rig.recovered(RECOVERY_DEADLINE_S)
                rig.box.stop()
            rig.judge()
        finally:
            proxy.close()


class _Namespace:
    """A network namespace joined to this machine by a cable (veth) that can be pulled."""

    def __init__(self) -> None:
        number = os.getpid() % 250
        self.name = f"torture-{os.getpid()}"
        self.outer = f"jto{os.getpid() % 100000}"
        inner = f"jti{os.getpid() % 100000}"
        self.host, self.guest = f"10.213.{number}.1", f"10.213.{number}.2"
        self.ip("netns", "add", self.name)
        self.ip("link", "add", self.outer, "type", "veth", "peer", "name", inner, "netns", self.name)
        self.ip("addr", "add", f"{self.host}/30", "dev", self.outer)
        self.ip("link", "set", self.outer, "up")
        for words in (
            ("addr", "add", f"{self.guest}/30", "dev", inner),
            ("link", "set", inner, "up"),
            ("link", "set", "lo", "up"),
        ):
            self.ip("-n", self.name, *words)

    @staticmethod
    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True, timeout=10)

    def close(self) -> None:
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True, timeout=10)


def _no_namespace() -> str | None:
    if os.geteuid() != 0:
        return "a network namespace needs root"
    if not shutil.which("ip"):
        return "ip is not installed: apt-get install iproute2"
    probe = f"torture-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], check=False, capture_output=True, timeout=10)
    subprocess.run(["ip", "netns", "del", probe], check=False, capture_output=True, timeout=10)
    return None if made.returncode == 0 else "this kernel or container makes no network namespaces"


def pull_cable(bench: Bench) -> None:
    """The appliance in a network namespace of its own; its cable is pulled, or so slow that it might as well be."""
    space = _Namespace()
    try:
        listener = f"listener {{port}} 127.0.0.1\nlistener {{port}} {space.host}"
        wrap = ("ip", "netns", "exec", space.name)
        with Rig(bench, DEVICES, listener=listener, host=space.host, wrap=wrap, console="insecure = true") as rig:
            rig.box.start()
            rig.flowing()
            for _ in range(bench.trials):
                rig.pause(0.2, 1.5)
                if bench.chance.random() < 0.7 or not shutil.which("tc"):
                    space.ip("link", "set", space.outer, "down")
                    rig.pause(0.5, 12.0)
                    space.ip("link", "set", space.outer, "up")
                    fault = "cable pulled"
                else:
                    slow = [
                        "tc",
                        "qdisc",
                        "add",
                        "dev",
                        space.outer,
                        "root",
                        "tbf",
                        "rate",
                        "4kbit",
                        "burst",
                        "1600",
                        "latency",
                        "50ms",
                    ]
                    subprocess.run(slow, check=True, capture_output=True, timeout=10)
                    rig.pause(3.0, 10.0)
                    subprocess.run(["tc", "qdisc", "del", "dev", space.outer, "root"], check=True, timeout=10)
                    fault = "4 kbit/s, the rest dropped"
                rig.recovered(RECOVERY_DEADLINE_S)
                bench.tried(fault)
            rig.judge()
    finally:
        space.close()


KINDS = (
    Kind("kill-broker", "broker killed, stopped, or refusing", kill_broker, weight=4, short=5),
    Kind(
        "freeze-broker",
        "broker stopped by SIGSTOP, for moments and past every deadline",
        freeze_broker,
        weight=60,
        short=1,
    ),
    Kind(
        "bad-network", "delay, trickle, stall, cut in mid-packet, half-open, hung up on", bad_network, weight=8, short=6
    ),
    Kind("cut-often", "every connection cut after a few hundred bytes", cut_again_and_again, weight=4, short=8),
    Kind(
        "pull-cable",
        "a network namespace whose link goes down or crawls",
        pull_cable,
        weight=12,
        short=1,
        unable=_no_namespace,
    ),
)
