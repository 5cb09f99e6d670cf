"""What the protocols of scales have in common: what a frame can mean, units, and a buffer that finds its way back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import ClassVar

from drivers.links.serial import Line

MAX_FRAME_BYTES = 128
#: Kilograms in each unit, as scales abbreviate them (lower case); those of the pound are exact.
UNITS_KG = {
    "mg": Decimal("0.000001"),
    "g": Decimal("0.001"),
    "kg": Decimal(1),
    "t": Decimal(1000),
    "oz": Decimal("0.028349523125"),
    "lb": Decimal("0.45359237"),
}


@dataclass(frozen=True, slots=True)
class Weight:
    """One weight: in kilograms as the scale has it, whether it stands still, and whether a tare is taken off."""

    kg: Decimal
    stable: bool
    net: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What one valid frame says: a weight, or why there is none (`fault`), or who the scale is.

    `busy`: it cannot say a weight just now, and nothing is wrong. `raw` is the frame.
    """

    weight: Weight | None = None
    fault: str | None = None
    busy: bool = False
    identity: str | None = None
    raw: bytes = b""


class Framer(ABC):
    """Cuts a scale's bytes into frames and understands them; bytes of no frame are counted in `skipped`."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.skipped = 0

    def feed(self, data: bytes) -> Iterator[Seen]:
        """Take bytes and yield what the valid frames in them say."""
        self.buffer += data
        while (found := self.next()) is not None:
            yield replace(found[0], raw=found[1])
        if len(self.buffer) > MAX_FRAME_BYTES:
            self.skip(len(self.buffer) - MAX_FRAME_BYTES)

    def quiet(self) -> None:
        """Forget a frame of which no more came."""
        self.skip(len(self.buffer))

    def skip(self, count: int) -> None:
        """Throw the first bytes away."""
        self.skipped += count
        del self.buffer[:count]

    @abstractmethod
    def next(self) -> tuple[Seen, bytes] | None:
        """Take the next valid frame, and what lies before it, off the buffer; None where none is whole yet."""


class Family(ABC):
    """One protocol: its line, what it is asked, and a framer for what it answers. `ask` b"": it talks unasked."""

    line: ClassVar[Line]
    ask: ClassVar[bytes]
    ask_identity: ClassVar[bytes] = b""

    @abstractmethod
    def framer(self) -> Framer:
        """Return a new framer."""
