"""A model's graph on a server, beside the local one: asked while it is believed, and left at once when it fails.

A thread proves the server at the start, every ten minutes, and after a failure with growing, jittered pauses. No scan
is ever the trial: the one whose answer fails is judged by the local graph, and so are all until the server has proven
itself again.
"""

from __future__ import annotations

import logging
import random
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from numpy.typing import NDArray

from drivers.clock import Clock
from drivers.errors import EdgeError, LinkError, ModelError, ProtocolError
from inference.manifest import Manifest
from inference.remote import codec
from inference.remote.address import Server
from inference.remote.belief import Described, Proof, believe, check_answer, disagreement, wanted
from inference.remote.codec import Tensors
from inference.remote.wire import Wire, connect

log = logging.getLogger("jaitf.inference")

PROVE_S = 600.0
SPOT_CHECK_EVERY = 50
"""One picture in so many, drawn by chance, and the first, the local graph is asked too, and must agree."""
TIMES_KEPT = 500
LOCK_S = 0.25
"""How long a scan waits for the moment in which the thread changes connections."""
BUSY = "the server is at another scan"
STOPPED = "the server is no longer asked"


class Standing(StrEnum):
    """How a server stands: not asked yet; believed; not there or too late; there, and not believed."""

    CHECKING = "checking"
    TRUSTED = "trusted"
    AWAY = "away"
    REFUSED = "refused"


_PAUSES_S = {Standing.AWAY: (0.5, 30.0), Standing.REFUSED: (5.0, 300.0)}
"""The first pause after a failure and the longest; each failure doubles it, chance takes up to half away."""


@dataclass(frozen=True, slots=True)
class Told:
    """How a server fares. `since_ns` is wall time; `p50_ms`, `p99_ms` are of the last tensors that it judged."""

    standing: Standing
    reason: str
    since_ns: int
    served: int = 0
    fell_back: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None


class Graph(Protocol):
    """What a server is held against: a package's local graph."""

    @property
    def manifest(self) -> Manifest:
        """What the package says of itself."""

    @property
    def described(self) -> Mapping[str, Described]:
        """The outputs that the decoder reads."""

    def local(self, feeds: Mapping[str, NDArray[Any]]) -> Tensors:
        """Return what the local graph makes of tensors. Raises ModelError."""

    def proofs(self) -> Iterable[Proof]:
        """Yield the golden pictures' tensors with the local graph's answers."""


class Remote:
    """The graph of one package on one server."""

    def __init__(
        self,
        server: Server,
        graph: Graph,
        clock: Clock,
        chance: random.Random,
        dial: Callable[[Server], Wire] = connect,
    ) -> None:
        self._server = server
        self._graph = graph
        self._described = dict(graph.described)
        self._clock = clock
        self._chance = chance
        self._dial = dial
        self._name = server.model or graph.manifest.name
        self._lock = threading.Lock()
        self._lost = threading.Event()
        self._stopped = threading.Event()
        self._wire: Wire | None = None
        self._asked_version = ""
        self._answered_version: str | None = None
        self._failures = 0
        self._served = 0
        self._fell_back = 0
        self._times_ms: deque[float] = deque(maxlen=TIMES_KEPT)
        self._standing = (Standing.CHECKING, "the server has not been checked yet", clock.now().wall_ns)
        self._thread = threading.Thread(target=self._watch, name="model-server", daemon=True)

    def start(self) -> None:
        """Begin to prove the server; the local graph judges until that is done."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the server no more; its thread hangs up when it next looks."""
        self._stopped.set()
        self._lost.set()

    def join(self, timeout_s: float) -> None:
        """Wait until the thread has hung up."""
        self._thread.join(timeout_s)

    def told(self) -> Told:
        """Return how the server fares."""
        times = sorted(self._times_ms.copy())
        p50 = round(statistics.median(times), 1) if times else None
        p99 = round(times[min(len(times) - 1, int(len(times) * 0.99))], 1) if times else None
        return Told(*self._standing, self._served, self._fell_back, p50, p99)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Tensors | str:
        """Return the output tensors by name, or why the server did not give them; never raises."""
        if self._lock.acquire(timeout=LOCK_S):
            try:
                result = self._ask(feeds)
            finally:
                self._lock.release()
        else:
            result = BUSY
        if isinstance(result, str):
            self._fell_back += 1
        return result

    def _ask(self, feeds: Mapping[str, NDArray[Any]]) -> Tensors | str:
        if self._stopped.is_set():
            return STOPPED
        if self._wire is None:
            return self._standing[1]
        try:
            return self._served_by(self._wire, feeds)
        except EdgeError as error:
            return self._leave(error)
        except Exception as error:
            # The boundary to a library that raises what it pleases; a verdict is never worse for a server.
            log.exception("%s: the server could not be asked", self._name)
            return self._leave(error)

    def _served_by(self, wire: Wire, feeds: Mapping[str, NDArray[Any]]) -> Tensors:
        started = time.perf_counter()
        answer = wire.infer(self._name, self._asked_version, feeds, list(self._described), self._server.timeout_s)
        check_answer(answer, self._described)
        if self._answered_version is None:
            self._answered_version = answer.version
        elif answer.version != self._answered_version:
            raise ProtocolError("the server has changed its model")
        ms = (time.perf_counter() - started) * 1000
        outputs = wanted(answer, self._described)
        looks = self._served == 0 or self._chance.random() * SPOT_CHECK_EVERY < 1
        if looks and (differs := disagreement(outputs, self._graph.local(feeds))):
            raise ModelError(f"spot check: {differs}")
        self._times_ms.append(ms)
        self._served += 1
        self._failures = 0
        return outputs

    def _leave(self, error: Exception) -> str:
        """Hang up after a failure; the thread tries again. Returns the reason. The lock is held."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()
        self._stands(*_judged(error))
        self._failures += 1
        self._lost.set()
        return self._standing[1]

    def _watch(self) -> None:
        while True:
            self._lost.clear()
            if self._stopped.is_set():  # after the clearing: who stops sets this first, then `_lost`
                break
            self._check()
            if self._wire is not None:
                self._lost.wait(PROVE_S)  # until a scan fails, or it is time to prove it anew
            if self._wire is None:
                self._stopped.wait(self._pause_s())
        with self._lock:
            wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def _check(self) -> None:
        """Prove the server over a connection of its own, and take that one for the scans."""
        wire, version = None, ""
        failure: Exception | None = None
        try:
            wire = self._dial(self._server)
            graph = self._graph
            version = believe(wire, self._name, graph.manifest, self._described, graph.proofs(), self._server.timeout_s)
        except EdgeError as error:
            failure = error
        except Exception as error:  # noqa: BLE001  # libraries raise what they please, and this thread must not end
            failure = error
        with self._lock:
            if failure is None:
                old, self._wire = self._wire, wire
                self._asked_version, self._answered_version = version, None
                self._stands(Standing.TRUSTED, "")
                wire = old
                if old is not None:
                    old.close()
            else:
                self._leave(failure)
                if wire is not None:
                    wire.close()

    def _pause_s(self) -> float:
        first, longest = _PAUSES_S.get(self._standing[0], _PAUSES_S[Standing.AWAY])
        pause = min(longest, first * 2.0 ** min(max(self._failures - 1, 0), 16))
        return pause * (1 - self._chance.random() / 2)

    def _stands(self, standing: Standing, reason: str) -> None:
        before = self._standing
        if (standing, reason) == before[:2]:
            return
        since_ns = before[2] if standing is before[0] else self._clock.now().wall_ns
        self._standing = (standing, reason, since_ns)
        if standing is Standing.TRUSTED:
            log.info("%s: %s judges", self._name, self._server.url)
        else:
            log.warning("%s: %s: the local graph judges: %s", self._name, self._server.url, reason)


def _judged(error: Exception) -> tuple[Standing, str]:
    """Return how a server stands after a failure, and the reason in words."""
    text = codec.one_line(str(error) if isinstance(error, EdgeError) else type(error).__name__)
    return (Standing.AWAY if isinstance(error, LinkError) else Standing.REFUSED), text
