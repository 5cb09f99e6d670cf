"""How a device is found that nobody has described yet: a driver's finder lists what to try at a place, one by one.

A driver names its finder in its `DriverInfo`. Most attempts are the driver's own probe with the settings that devices
of its kind usually have. What is asked reads, and writes nothing; each attempt has a deadline. Still, registers that
clear on reading are cleared by it, and a serial port that is opened raises DTR.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from drivers import registry
from drivers.contract import DriverInfo, ProbeReport
from drivers.errors import EdgeError, LinkTimeout


class Kind(StrEnum):
    """Where to look: a serial port, a machine on the network, a folder."""

    SERIAL = "serial"
    HOST = "host"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class Place:
    """One place to look at: `where` is a port's path, a host's name or address, a folder's path."""

    kind: Kind
    where: str
    port: int | None = None

    def tcp(self, usual: int | None) -> str | None:
        """Return tcp://HOST:PORT with the port that was given, else the usual one; None where there is neither."""
        port = self.port or usual
        host = f"[{self.where}]" if ":" in self.where else self.where
        return f"tcp://{host}:{port}" if self.kind is Kind.HOST and port else None

    def serial(self, baud: int, parity: str = "none", bits: int = 8) -> str:
        """Return the URL of the port with its line set so."""
        more = ("" if parity == "none" else f"&parity={parity}") + ("" if bits == 8 else f"&bits={bits}")
        return f"serial://{self.where}?baud={baud}{more}"

    def __str__(self) -> str:
        return f"{self.where}:{self.port}" if self.port else self.where


@dataclass(frozen=True, slots=True)
class Found:
    """A device that answered: the settings to reach it with, who it says it is, and a sample of what it sends.

    `whole` is false where the settings are not enough for a device file: a Modbus unit whose registers nobody knows.
    """

    driver: str
    settings: Mapping[str, Any]
    about: str
    identity: Mapping[str, str] = field(default_factory=dict)
    sample: str | None = None
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Miss:
    """Nothing was found by an attempt: the error's code, and in words why."""

    code: str
    why: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One thing to try: what it is in words, how long it may take, and the trying, which raises no EdgeError."""

    says: str
    deadline_s: float
    ask: Callable[[float], Awaitable[Found | Miss]]


Finder = Callable[[Place], Iterable[Attempt]]


def by_probe(
    driver: str, settings: Mapping[str, Any], says: str, deadline_s: float, quick: Mapping[str, Any] | None = None
) -> Attempt:
    """Return an attempt that is the driver's own probe; `quick` are settings for the try alone (short deadlines)."""

    async def ask(limit_s: float) -> Found | Miss:
        info = registry.available()[driver]
        valid = registry.settings_class(info).model_validate({**settings, **(quick or {})})
        report = await registry.make(info, valid).probe(limit_s)
        return found(driver, settings, says, report)

    return Attempt(f"{driver}, {says}", deadline_s, ask)


def found(driver: str, settings: Mapping[str, Any], says: str, report: ProbeReport) -> Found | Miss:
    """Return what a probe's report means for who is looking: an open way on which nobody is heard is no device."""
    if report.ok and report.answered:
        return Found(driver, settings, says, report.identity, report.sample)
    return Miss(report.code, report.steps[-1] if report.steps else "nothing was heard")


def attempts(place: Place, driver: str | None = None) -> list[Attempt]:
    """Return what every driver, or just one, would try at a place, the quick ones first."""
    infos = [info for info in registry.available().values() if driver in (None, info.name)]
    listed = (one for info in infos for one in _of(info, place))
    return sorted(listed, key=lambda attempt: attempt.deadline_s)


def _of(info: DriverInfo, place: Place) -> Iterator[Attempt]:
    finder = registry.finder(info)
    if finder is not None:
        yield from finder(place)


async def ask(attempt: Attempt) -> Found | Miss:
    """Return the outcome of one attempt, within its deadline."""
    try:
        async with asyncio.timeout(attempt.deadline_s + 1):
            return await attempt.ask(attempt.deadline_s)
    except TimeoutError:
        return Miss(LinkTimeout.code, f"not done within {attempt.deadline_s:g} s")
    except EdgeError as error:
        return Miss(error.code, str(error))
