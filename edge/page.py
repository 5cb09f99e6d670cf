"""The core's side of the technician's page: starts its process, tells it what there is to show, takes its orders.

The page's process is expendable: one that ends, hangs or grows is ended and started again, and nothing of the lane
waits for it. What is told is bounded and may be lost; the newest state is told again a second later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from drivers.clock import Clock
from drivers.errors import ProtocolError
from drivers.ports import holder
from edge.allowance import Allowance
from edge.commands.redact import redacted_line
from edge.config import listen
from edge.config.model import Config
from edge.logs import Recent
from edge.messages import PageBody, Reply
from edge.web import wire

log = logging.getLogger("jaitf.page")

TICK_S = 1.0
IDLE_TICKS = 5
BEAT_DEADLINE_S = 15.0
STOP_DEADLINE_S = 3.0
FIRST_WAIT_S = 1.0
MAX_WAIT_S = 30.0
BACKLOG = 64
AT_ONCE = 32
MAX_ORDERS = 8
MAX_ANSWERS = 32
LINES_AT_ONCE = 100
SIGNS_PER_S = 1.0
SIGNS_MAX = 20.0
FAILED = ("sign-in-failed", "sign-in-held-off")
MEMORY_BYTES = 256 * 1024 * 1024

Order = Callable[[str, str, dict[str, Any]], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where what is shown comes from: state, scores by device, log; and where orders and what is audited go."""

    state: Callable[[], dict[str, Any]]
    scores: Callable[[], dict[str, dict[str, Any]]]
    recent: Recent
    order: Order
    audit: Callable[[str, str, str, str], None]


@dataclass(slots=True)
class _Served:
    """One run of the page's process."""

    sock: socket.socket
    heard_ns: int
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    watchers: int = 0
    lines: int = 0
    scores: dict[str, Any] = field(default_factory=dict)
    answers: deque[wire.Message] = field(default_factory=lambda: deque(maxlen=MAX_ANSWERS))
    under_way: set[asyncio.Task[None]] = field(default_factory=set)
    untold: set[str] = field(default_factory=set)


def bound(address: listen.Address) -> socket.socket:
    """Return a socket that listens there, for the page's process. Raises OSError."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address.host, address.port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


class PageSide:
    """Keeps the page served. `body` says how it is; a port in use is a state, and is tried again."""

    def __init__(self, config: Config, clock: Clock, sources: Sources) -> None:
        self._config = config
        self._clock = clock
        self._sources = sources
        self._served: _Served | None = None
        self._state: Literal["up", "down", "off"] = "down"
        self._reason = "starting"
        self._url = ""
        self._signs = Allowance.full(SIGNS_PER_S, SIGNS_MAX, clock.now().monotonic_ns)

    @property
    def body(self) -> PageBody:
        """How the page is, as health says it."""
        return PageBody(state=self._state, address=self._url or self._config.web.listen, reason=self._reason)

    @property
    def watched(self) -> bool:
        """Whether somebody looks at the page now: else no picture is made for it."""
        return self._served is not None and self._served.watchers > 0

    def show(self, said: dict[str, Any], picture: bytes) -> None:
        """Tell of a scan and its picture (JPEG), where there is room for it now."""
        if self._served is not None:
            self._send(self._served, wire.Message("scan", said, picture))

    async def run(self) -> None:
        """Keep the page's process running until cancelled; then end it."""
        address = listen.parse(self._config.web.listen)
        if address is None:
            self._state, self._reason = "off", self._config.page_off or "web.listen is empty"
            return
        wait_s = FIRST_WAIT_S
        while True:
            began_ns = self._clock.now().monotonic_ns
            try:
                with bound(address) as sock:
                    await self._serve(sock)
            except OSError as error:
                self._say_down(f"{address}: {_why(error, address)}")
            except Exception as error:
                # Whatever is wrong with what only shows must not end what judges.
                log.exception("the page could not be served")
                self._say_down(f"{type(error).__name__}: the log says more")
            if self._clock.now().monotonic_ns - began_ns > MAX_WAIT_S * 1e9:
                wait_s = FIRST_WAIT_S
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, MAX_WAIT_S)

    async def _serve(self, listening: socket.socket) -> None:
        """Run the page's process once, until it ends or has to be ended. Raises OSError where it cannot be started."""
        core, theirs = wire.pair()
        with core:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "edge.web", str(theirs.fileno()), str(listening.fileno())),
                    str(os.getpid()),
                    pass_fds=(theirs.fileno(), listening.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                )
            self._served = served = _Served(core, self._clock.now().monotonic_ns)
            self._send(served, wire.Message("start", self._start()))
            loop = asyncio.get_running_loop()
            loop.add_reader(core, self._hear, served)
            works = [
                asyncio.create_task(each) for each in (process.wait(), self._tell(served), self._watch(process.pid))
            ]
            try:
                done, _ = await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
                ended = done.pop().result()
                if served.ended.is_set():
                    with contextlib.suppress(TimeoutError):
                        ended = await asyncio.wait_for(asyncio.shield(works[0]), STOP_DEADLINE_S)
                self._say_down(ended if isinstance(ended, str) else f"its process ended with status {ended}")
            except asyncio.CancelledError:
                for order in served.under_way:
                    order.cancel()
                raise
            finally:
                # Orders go on where only the page ended: half a configuration is worse than one nobody waits for.
                loop.remove_reader(core)
                self._served = None
                for work in works:
                    work.cancel()
                core.close()  # it ends by itself when it sees that
                await _ended(process)

    def _start(self) -> dict[str, Any]:
        """Return what the page's process must know: where things are, and nothing that is secret."""
        return {
            "config": str(self._config.folder),
            "data_dir": str(self._config.appliance.data_dir),
            "web": self._config.web.model_dump(mode="json"),
        }

    def _say_down(self, reason: str) -> None:
        if (self._state, self._reason) != ("down", reason):
            log.warning("the technician's page is down: %s", reason)
        self._state, self._reason, self._url = "down", reason, ""

    async def _tell(self, served: _Served) -> str:
        """Tell state, scores and log lines, every second where somebody looks; return what ended it."""
        tick = 0
        while not served.ended.is_set():
            if served.watchers or tick % IDLE_TICKS == 0:
                self._send(served, wire.Message("state", {"state": self._sources.state()}))
                for device, scores in self._sources.scores().items():
                    said = {"device": device, **scores}
                    if served.scores.get(device) != said and self._send(served, wire.Message("scores", said)):
                        served.scores[device] = said
            number, lines = self._sources.recent.after(served.lines, LINES_AT_ONCE)
            said = {"number": number, "lines": [redacted_line(line) for line in lines]}
            if lines and self._send(served, wire.Message("log", said)):
                served.lines = number
            self._answer(served)
            tick += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(served.ended.wait(), TICK_S)
        return "its process closed the wire"

    async def _watch(self, pid: int) -> str:
        """Return why the process has to be ended: it is silent, or has grown too large."""
        while True:
            before_ns = self._clock.now().monotonic_ns
            await asyncio.sleep(TICK_S)
            now_ns, served = self._clock.now().monotonic_ns, self._served
            if served is None or now_ns - before_ns > 3e9 * TICK_S:
                if served is not None:
                    served.heard_ns = now_ns  # it is the core that did not listen
                continue
            if now_ns - served.heard_ns > BEAT_DEADLINE_S * 1e9:
                return f"no heartbeat for {BEAT_DEADLINE_S:.0f} s"
            if (rss := _rss_bytes(pid)) > MEMORY_BYTES:
                return f"{rss} bytes of memory, {MEMORY_BYTES} are allowed"

    def _hear(self, served: _Served) -> None:
        """Take what the page's process says; it is believed no more than a stranger."""
        try:
            for _ in range(AT_ONCE):  # then the lane has its turn
                if (message := wire.receive(served.sock)) is None:
                    return
                served.heard_ns = self._clock.now().monotonic_ns
                self._take(served, message)
        except (ProtocolError, OSError) as error:
            log.debug("the page's wire: %s", error)
            asyncio.get_running_loop().remove_reader(served.sock)
            served.ended.set()

    def _take(self, served: _Served, message: wire.Message) -> None:
        said = message.said
        match message.kind:
            case "hello":
                self._url, self._state, self._reason = str(said.get("url", ""))[:200], "up", ""
                log.info("the technician's page: %s", self._url)
            case "beat":
                watchers = said.get("watchers")
                served.watchers = watchers if isinstance(watchers, int) else 0
            case "order":
                self._ordered(served, said)
            case "sign":
                self._signed({key: str(said.get(key, ""))[:200] for key in ("deed", "name", "address", "detail")})
            case _:
                raise ProtocolError(f"the page may not send {message.kind}")

    def _signed(self, said: dict[str, str]) -> None:
        """Audit who came to the page and who went; of a flood, a part."""
        if self._signs.take(self._clock.now().monotonic_ns):
            outcome = "failed" if said["deed"] in FAILED else "done"
            detail = " ".join(filter(None, (said["address"] and f"from {said['address']}", said["detail"])))
            self._sources.audit(f"page {said['deed']}", outcome, detail, f"web:{said['name'] or '?'}")

    def _ordered(self, served: _Served, said: dict[str, Any]) -> None:
        number, name, by, args = (said.get(key) for key in ("number", "name", "by", "args"))
        if not (isinstance(number, int) and isinstance(name, str) and isinstance(by, str) and isinstance(args, dict)):
            raise ProtocolError("no order")
        if len(served.under_way) >= MAX_ORDERS:
            busy = {"status": "failed", "code": "busy", "detail": f"{MAX_ORDERS} orders wait already"}
            served.answers.append(wire.Message("answer", {"number": number, "reply": busy}))
            self._answer(served)
            return
        task = asyncio.create_task(self._do(served, number, name[:64], f"web:{by}"[:120], args))
        served.under_way.add(task)
        task.add_done_callback(served.under_way.discard)

    async def _do(self, served: _Served, number: int, name: str, by: str, args: dict[str, Any]) -> None:
        reply = await self._sources.order(name, by, args)
        said = {"number": number, "reply": reply.model_dump(mode="json")}
        served.answers.append(wire.Message("answer", said))
        self._answer(served)

    def _answer(self, served: _Served) -> None:
        """Send the answers that wait, in order; what finds no room waits for the next tick."""
        while served.answers and self._send(served, served.answers[0]):
            served.answers.popleft()

    def _send(self, served: _Served, message: wire.Message) -> bool:
        try:
            return wire.send(served.sock, message)
        except ProtocolError as error:
            if message.kind not in served.untold:
                served.untold.add(message.kind)
                log.warning("the page is not told its %s: %s", message.kind, error)
            return True  # it will be no smaller the next time
        except OSError:
            served.ended.set()
            return False


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Wait until a process has ended, and see to it after a deadline."""
    try:
        async with asyncio.timeout(STOP_DEADLINE_S):
            await process.wait()
    except (TimeoutError, asyncio.CancelledError) as error:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()
        if isinstance(error, asyncio.CancelledError):
            raise


def _why(error: OSError, address: listen.Address) -> str:
    said = os.strerror(error.errno).lower() if error.errno else str(error)
    with contextlib.suppress(OSError):
        if held := holder(address.host, address.port):
            return f"{said}: held by {held}"
    return said


def _rss_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0
