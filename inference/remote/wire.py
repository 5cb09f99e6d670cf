"""What a connection to a server does, over HTTP or gRPC alike."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from drivers.errors import LinkTimeout
from inference.remote.address import Server
from inference.remote.codec import Answer, ModelSaid, ServerSaid


class Wire(Protocol):
    """A way to one server; one call at a time. Each call has a deadline for the whole of it.

    Each raises LinkTimeout, LinkLost, DeviceRefused for an answer that is a no, or ProtocolError.
    """

    def server(self, timeout_s: float) -> ServerSaid:
        """Return the server's metadata."""

    def model(self, name: str, version: str, timeout_s: float) -> ModelSaid:
        """Return a model's metadata; `version` "" leaves the choice to the server."""

    def infer(
        self, name: str, version: str, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str], timeout_s: float
    ) -> Answer:
        """Return what the model makes of `feeds`."""

    def close(self) -> None:
        """Hang up."""


class Deadline:
    """A moment by which a whole call must be done, however many waits are in it."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._at = time.monotonic() + timeout_s

    def left_s(self) -> float:
        """Return how many seconds are left. Raises LinkTimeout where there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise LinkTimeout(f"no answer in {self._timeout_s * 1000:.0f} ms")
        return left


def connect(server: Server) -> Wire:
    """Return a way to a server; names are looked up and files read here. Raises LinkLost or ConfigError."""
    if server.place.rpc:
        from inference.remote.rpc import RpcWire

        return RpcWire(server)
    from inference.remote.http import HttpWire

    return HttpWire(server)
