"""What the two families of serial reader modules have in common: what a reply can mean, and a buffer that resyncs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import ClassVar

from drivers.links.serial import Line


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag that a module heard: EPC as upper-case hex, strength in dBm where the module says.

    `gs1` False: the tag says that its code follows another standard than GS1's (bit 17 of its PC, Gen2 6.3.2.1.2).
    """

    epc: str
    rssi_dbm: int | None = None
    gs1: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """One valid frame from a module. `fault` is what it complains of; `identity` answers who it is."""

    tags: tuple[Tag, ...] = ()
    identity: str | None = None
    fault: str | None = None
    damaged: int = 0
    more: bool = False
    """Whether further frames of the same answer are on their way."""


class Cut(Enum):
    """Why there is no frame at the start of a buffer."""

    NOT_ENOUGH = auto()
    NO_FRAME = auto()


class Framer(ABC):
    """Cuts a serial line's bytes into frames by their length and check, and finds its way back after noise."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.skipped = 0

    def feed(self, data: bytes) -> Iterator[Reply]:
        """Take bytes and yield what the valid frames in them mean; bytes of no frame are counted in `skipped`."""
        self._buffer += data
        while self._buffer:
            found = self.cut(self._buffer)
            if found is Cut.NOT_ENOUGH:
                return
            if isinstance(found, int):
                frame = bytes(self._buffer[:found])
                del self._buffer[:found]
                if (reply := self.understand(frame)) is not None:
                    yield reply
            else:
                del self._buffer[0]
                self.skipped += 1

    def quiet(self) -> None:
        """Forget a frame of which no more came.

        What lies inside it is not searched for frames: a tag's EPC is a stranger's bytes, and may look like one.
        """
        self.skipped += len(self._buffer)
        self._buffer.clear()

    @abstractmethod
    def cut(self, buffer: bytearray) -> int | Cut:
        """Return the length of the valid frame at the start of `buffer`, or why there is none."""

    @abstractmethod
    def understand(self, frame: bytes) -> Reply | None:
        """Return what a valid frame means, None where it is not for us."""


class Family(ABC):
    """One family of modules: its commands, its line, and a framer for what it sends."""

    line: ClassVar[Line]

    @abstractmethod
    def framer(self) -> Framer:
        """Return a new framer."""

    @abstractmethod
    def ask_identity(self) -> bytes:
        """Return the command that asks a module who it is."""

    @abstractmethod
    def ask_tags(self) -> bytes:
        """Return the command for one round of inventory."""
