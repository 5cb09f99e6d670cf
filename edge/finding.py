"""Looks for a device at a place, in a process of its own: a driver that hangs or crashes costs the asker nothing."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import re
import signal
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from drivers import finding
from drivers.errors import ConfigError, LinkBusy, LinkDenied, LinkLost
from drivers.finding import Found, Kind, Miss, Place

GRACE_S = 15.0
"""How much longer than its deadline an attempt may take, the start of the process included, before that is killed."""

#: A serial port that cannot be opened is asked nothing further.
_CLOSED = (LinkBusy.code, LinkDenied.code)


@dataclass(frozen=True, slots=True)
class Step:
    """What is tried now: the share that is done before it, and the attempt in words."""

    done: float
    says: str


Event = Step | Found | Miss


def search(place: Place, driver: str | None = None) -> Iterator[Event]:
    """Yield each step as it begins, and its outcome.

    At a serial port or a TCP port that is named there is one device, and the search ends with it. `driver`: only what
    this one would try.
    """
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(far, place, driver), daemon=True)
    child.start()
    far.close()
    limit_s = 0.0
    try:
        while near.poll(limit_s + GRACE_S):
            said = json.loads(near.recv_bytes(1024 * 1024))
            match said.pop("event"):
                case "step":
                    limit_s = said.pop("limit_s")
                    yield Step(**said)
                case "found":
                    yield Found(**said)
                case "miss":
                    yield Miss(**said)
        yield Miss("hung", "the driver did not keep its deadline")
    except EOFError:
        return
    finally:
        child.kill()
        child.join()
        near.close()


def _child(far: Connection, place: Place, driver: str | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who asks ends this process
    asyncio.run(_search(far, place, driver))


async def _search(far: Connection, place: Place, driver: str | None) -> None:
    listed = finding.attempts(place, driver)
    whole_s, done_s = sum(attempt.deadline_s for attempt in listed), 0.0
    for attempt in listed:
        step = {"event": "step", "done": done_s / whole_s, "says": attempt.says, "limit_s": attempt.deadline_s}
        far.send_bytes(json.dumps(step).encode())
        outcome = await finding.ask(attempt)
        done_s += attempt.deadline_s
        event = "found" if isinstance(outcome, Found) else "miss"
        far.send_bytes(json.dumps({"event": event, **asdict(outcome)}).encode())
        if _settled(outcome, place):
            return


def _settled(outcome: Found | Miss, place: Place) -> bool:
    if isinstance(outcome, Found):
        return place.kind is Kind.SERIAL or place.port is not None
    return place.kind is Kind.SERIAL and (outcome.code in _CLOSED or _gone(place))


def summary(place: Place, misses: list[Miss]) -> Miss:
    """Return, of all that was not found at a place, what tells a technician most."""
    closed = [miss for miss in misses if miss.code in _CLOSED or (miss.code == LinkLost.code and _gone(place))]
    spoke = [miss for miss in misses if miss.code in ("protocol", "refused")]
    if closed:
        return closed[0]
    if _gone(place):
        return Miss(LinkLost.code, f"{place}: there is no such port")
    if spoke and place.kind is Kind.SERIAL:
        return Miss("protocol", f"{place}: bytes come, but no driver here understands them at any usual speed")
    if spoke:
        return spoke[0]
    if place.kind is Kind.FOLDER and misses:
        return misses[0]
    refused = all(miss.code == LinkLost.code for miss in misses)
    if place.kind is Kind.HOST and refused and misses:
        return Miss(LinkLost.code, f"{place}: nothing listens there, or the address does not answer")
    return Miss("link-timeout", f"{place}: nothing answered")


def _gone(place: Place) -> bool:
    return place.kind is Kind.SERIAL and not Path(place.where).exists()


def serial_ports(dev: Path = Path("/dev")) -> list[str]:
    """Return this machine's serial ports by the names that stay (by-id), and USB ones that have none by their own."""
    named = sorted(map(str, dev.glob("serial/by-id/*")))
    known = {str(Path(path).resolve()) for path in named}
    plain = [path for kind in ("ttyUSB", "ttyACM") for path in sorted(map(str, dev.glob(f"{kind}*")))]
    return named + [path for path in plain if path not in known]


def place_of(text: str) -> Place:
    """Return the place that somebody wrote: a serial port's path, a folder's, HOST or HOST:PORT. Raises ConfigError."""
    path = Path(text).expanduser()
    if text.startswith(("/", "~", ".")):
        if path.is_dir():
            return Place(Kind.FOLDER, str(path.absolute()))
        if path.is_char_device() or str(path).startswith("/dev/"):
            return Place(Kind.SERIAL, str(path.absolute()))
        raise ConfigError(f"{text}: there is no such serial port or folder")
    match = re.fullmatch(
        r"(?:tcp://)?(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:/\[\]]+))(?::(?P<port>\d{1,5}))?/?", text
    )
    if not match or not 0 < int(match["port"] or 1) < 65_536:
        raise ConfigError(f"{text!r} is no place: write a port's path, a folder's, HOST or HOST:PORT")
    return Place(Kind.HOST, match["v6"] or match["host"], int(match["port"]) if match["port"] else None)
