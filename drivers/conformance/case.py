"""What a driver declares so that the trials can be held: its peer, its settings for it, and what a good exchange is."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from drivers.contract import Observation


class Wire(StrEnum):
    """What lies between the driver and its peer."""

    TCP = "tcp"
    PTY = "pty"
    UDP = "udp"


class Silence(StrEnum):
    """What it means where the peer says nothing: the device is lost, or nothing is going on."""

    LOST = "lost"
    QUIET = "quiet"


class Line(Protocol):
    """The wire in a trial's hands. `Tap` is one for bytes; a driver without a wire (a folder) brings one of its own."""

    @property
    def where(self) -> str:
        """Return what the driver is told: `tcp://127.0.0.1:N`, `serial:///path`, `udp://127.0.0.1:N`, or a path."""

    def hold(self) -> None:
        """Keep back what the peer says from now on, until `release`."""

    def release(self) -> None:
        """Deliver what was kept back, late and all at once."""

    def garble(self, noise: bytes) -> None:
        """Put bytes that nobody sent before the next that the peer sends."""

    def halve(self) -> None:
        """Deliver half of what the peer says next, and then nothing until `mend`."""

    def silence(self) -> None:
        """Swallow everything, both ways, without closing anything, until `mend`."""

    def mend(self) -> None:
        """End `halve` and `silence`: what follows is whole again."""

    async def unplug(self) -> None:
        """Take the wire away, as a pulled cable or a stopped device does, until `plug`."""

    async def plug(self) -> None:
        """Put it back."""

    async def flood(self, noise: bytes, total_bytes: int) -> None:
        """Send the driver so much, noise and what the peer said before, as fast as it takes it; give up in time."""


def static(chance: random.Random) -> bytes:
    """Return what a bad cable or a wrong baud rate gives: bytes of no meaning."""
    return chance.randbytes(chance.randrange(1, 64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One driver's declaration.

    `settings` makes its `[settings]` from what `Line.where` says; deadlines in them should be short. Exactly one of
    three says what the peer is: `serve` listens on a free loopback TCP port and yields it (a driver that dials; over
    a pseudo-terminal the tap carries the bytes), `dial` connects to the port it is given and goes on trying (a driver
    that listens), `line` is a whole line of one's own, with a folder for it. The peer must go on giving observations
    for as long as it runs.

    `good` says whether an observation is what an untroubled exchange gives; `possible` (by default the same) whether
    it can be true at all: in no trial may one be emitted that is not. `late_s` is longer than the driver waits for an
    answer, `lost_s` is how long it may take, with these settings, to find out that the device is gone. `patient` are
    settings in the place of those in trials that lateness is no part of: a machine that is busy is late now and then,
    and that is no fault of a driver whose deadlines are short for the other trials' sake.
    """

    driver: str
    settings: Callable[[str], dict[str, Any]]
    good: Callable[[Observation], bool]
    possible: Callable[[Observation], bool] | None = None
    serve: Callable[[], AbstractAsyncContextManager[int]] | None = None
    dial: Callable[[int], AbstractAsyncContextManager[object]] | None = None
    line: Callable[[Path], AbstractAsyncContextManager[Line]] | None = None
    wires: tuple[Wire, ...] = (Wire.TCP,)
    name: str = ""
    silence: Silence = Silence.LOST
    late_s: float = 0.5
    lost_s: float = 10.0
    noise: Callable[[random.Random], bytes] = static
    flood_bytes: int = 2 * 1024 * 1024
    patient: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if sum(peer is not None for peer in (self.serve, self.dial, self.line)) != 1:
            raise ValueError(f"{self.driver}: exactly one of serve, dial and line says what the peer is")

    @property
    def title(self) -> str:
        """The driver's name, and the case's own where a driver has several."""
        return f"{self.driver}-{self.name}" if self.name else self.driver
