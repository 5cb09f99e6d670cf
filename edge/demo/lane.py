"""Starts the parts of the demo in order, tells what they do, and takes everything down again."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
import random
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from drivers.ports import free_port, holder
from edge.config.load import load
from edge.demo.devices import LANES, configuration, readdressed
from edge.demo.process import Child, DemoFailed, Sweeper, our_program, program
from edge.demo.watch import Heard, Watch

START_DEADLINE_S = 60.0
BROKER_ATTEMPTS = 3
SITE, EDGE_ID = "demo", "edge-01"

_EDGE = """\
[appliance]
site = "{site}"
lane = "lane-1"
id = "{id}"
stream = "{stream}"
data_dir = "{folder}/data"
[console]
url = "mqtt://127.0.0.1:{broker}"
[storage]
quota_bytes = 1_000_000_000
[web]
listen = "127.0.0.1:{web}"
"""
_MOSQUITTO = """\
listener {broker} 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
log_type error
log_type warning
user {user}
"""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Options:
    """What the demo was asked for: how long (None: until told to stop), the bags' seed, the page's port, which lane."""

    seconds: float | None = None
    seed: int | None = None
    port: int | None = None
    lane: str = "passenger"


@dataclass(frozen=True, slots=True)
class Tell:
    """Where the demo's news go: words of progress, the addresses of console and appliance's page, each hit once."""

    progress: Callable[[str], None]
    address: Callable[[str, str], None]
    hit: Callable[[Heard], None]


async def run(options: Options, tell: Tell) -> int:
    """Run the lane for as long as asked, or until SIGINT, SIGTERM or SIGHUP; return the number of hits.

    Raises DemoFailed where a part does not come up or ends; whatever happens, no process and no file is left.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    folder = Path(tempfile.mkdtemp(prefix="jaitf-edge-demo-"))
    sweeper = await Sweeper.start(folder)
    lane = _Lane(folder, options, tell)
    try:
        await _first(lane.live(), stopped.wait())
    finally:
        await lane.stop()
        await sweeper.sweep()
    return lane.hits


class _Lane:
    def __init__(self, folder: Path, options: Options, tell: Tell) -> None:
        self.hits = 0
        self._folder = folder
        self._options = options
        self._tell = tell
        self._devices = LANES[options.lane]
        self._early: list[Heard] | None = []
        """Hits of devices that were up before the others; they are told behind the address."""
        self._children: list[Child] = []
        self._watch: Watch | None = None
        self._ended: asyncio.Queue[tuple[Child, int]] = asyncio.Queue()
        self._waits: set[asyncio.Task[None]] = set()
        self._up: dict[str, asyncio.Event] = {device.name: asyncio.Event() for device in self._devices}
        self._page: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def live(self) -> None:
        """Set up, and run for as long as asked. Raises DemoFailed for a part that ends before."""
        await _first(self._run(), self._fail_with_the_first())

    async def stop(self) -> None:
        """End every process, those that feed before those that are fed."""
        for task in self._waits:
            task.cancel()
        if self._watch:
            await self._watch.close()
        for child in reversed(self._children):
            await child.stop()

    async def _run(self) -> None:
        started = time.monotonic()
        ports = {device.name: free_port() for device in self._devices}
        seed = random.randrange(1 << 31) if self._options.seed is None else self._options.seed
        self._refuse_taken_port()
        self._tell.progress("Setting up: broker")
        broker, watch = await self._broker()
        following = asyncio.create_task(self._follow(watch))
        self._waits.add(following)
        web = free_port()
        self._configure(broker, ports, web)
        await self._served(ports, seed)
        self._tell.progress(", console page")
        await self._console(broker)
        self._tell.progress(", appliance")
        await self._start("appliance", our_program("jaitf-edge"), "run", "--config", str(self._folder))
        page = await _soon(self._page, "the console's page")
        for device in self._devices:
            self._tell.progress(f", {device.name}")
            await _soon(self._up[device.name].wait(), f"{device.name} to be up")
        await self._callers(ports, seed)
        self._tell.progress(f": ready in {time.monotonic() - started:.1f} s\n")
        self._tell.address(page, f"http://127.0.0.1:{web}/")
        early, self._early = self._early or [], None
        for heard in early:
            self._tell.hit(heard)
        # The task is awaited too: what goes wrong in it, such as a closed standard output, ends the demo.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(following, self._options.seconds)

    def _refuse_taken_port(self) -> None:
        port = self._options.port
        if port and (taken := holder("127.0.0.1", port)):
            raise DemoFailed(f"port {port} is held by {taken}; choose another with --port")

    async def _broker(self) -> tuple[int, Watch]:
        """Start a mosquitto and a subscription to it; another process may take the free port first, so try again."""
        binary = program("mosquitto", "mosquitto")
        for attempt in range(1, BROKER_ATTEMPTS + 1):
            port = free_port()
            conf = self._folder / "mosquitto.conf"
            # As the user that it runs as already: mosquitto would give root's rights up, and with them be deaf to the
            # kernel's word that its parent died.
            conf.write_text(_MOSQUITTO.format(broker=port, user=getpass.getuser()))
            child = await Child.start("broker", [binary, "-c", str(conf)], self._folder)
            self._children.append(child)
            watch = Watch(f"jaitf/v1/{SITE}/{EDGE_ID}")
            if await _answers(port, child):
                self._expect(child)
                await _soon(watch.open(port), "the broker's answer")
                self._watch = watch
                return port, watch
            if attempt == BROKER_ATTEMPTS:
                raise DemoFailed(f"the {child.name} does not start", child.lines)
            await child.stop()
        raise AssertionError

    def _configure(self, broker: int, ports: dict[str, int], web: int) -> None:
        """Write the lane's example with this machine's addresses in it, and the demo's own site and broker."""
        stream = self._options.lane
        who = {"site": SITE, "id": EDGE_ID, "stream": stream, "folder": self._folder}
        files = configuration(stream)
        laid_out = files["edge.toml"].partition("[lane")
        files["edge.toml"] = _EDGE.format(**who, broker=broker, web=web) + "".join(laid_out[1:])
        (self._folder / "devices").mkdir()
        for name, port in ports.items():
            files[f"devices/{name}.toml"] = readdressed(files[f"devices/{name}.toml"], port)
        for name, text in files.items():
            (self._folder / name).write_text(text)
        load(self._folder)

    async def _console(self, broker: int) -> None:
        def told(line: str) -> None:
            with contextlib.suppress(ValueError, AttributeError):
                event: dict[str, Any] = json.loads(line)
                if event.get("event") == "listening" and not self._page.done():
                    self._page.set_result(str(event["url"]))

        await self._start(
            "console",
            *(our_program("jaitf-console"), "--broker", f"mqtt://127.0.0.1:{broker}", "--json"),
            *("--listen", f"127.0.0.1:{self._options.port or free_port()}", "--data", str(self._folder / "console")),
            told=told,
        )

    async def _served(self, ports: dict[str, int], seed: int) -> None:
        """Start the devices that the appliance calls, all in one process."""
        served = []
        for device in self._devices:
            if device.served:
                kind, *options = device.served.split()
                served += ["--serve", " ".join((kind, f"127.0.0.1:{ports[device.name]}", *options))]
        await self._start("simulated lane", our_program("jaitf-sim"), "lane", "--seed", str(seed), *served)

    async def _callers(self, ports: dict[str, int], seed: int) -> None:
        """Start the devices that call the appliance, a process each."""
        for device in self._devices:
            if device.program:
                arguments = [text.format(port=ports[device.name], seed=seed) for text in device.program]
                await self._start(f"simulated {device.name}", our_program("jaitf-sim"), *arguments)

    async def _start(self, name: str, *command: str, told: Callable[[str], None] | None = None) -> None:
        child = await Child.start(name, command, self._folder, told)
        self._children.append(child)
        self._expect(child)

    def _expect(self, child: Child) -> None:
        """Take note that this process has to live as long as the demo."""

        async def wait() -> None:
            await self._ended.put((child, await child.ended()))

        self._waits.add(asyncio.create_task(wait()))

    async def _fail_with_the_first(self) -> None:
        child, status = await self._ended.get()
        raise DemoFailed(f"the {child.name} ended with status {status}", child.lines)

    async def _follow(self, watch: Watch) -> None:
        seen: set[tuple[str, int]] = set()
        async for heard in watch.messages():
            kind, _, device = heard.topic.partition("/")
            if kind == "device" and device in self._up and heard.body.get("state") == "up":
                self._up[device].set()
            elif kind == "hit":
                # A hit is sent again until the console has receipted it.
                data = heard.body["data"]
                if (key := (data["hit_id"], data["rev"])) not in seen:
                    seen.add(key)
                    self.hits += 1
                    (self._early.append if self._early is not None else self._tell.hit)(heard)


async def _answers(port: int, child: Child) -> bool:
    """Say whether the process comes to listen on the port before it ends and before the deadline."""
    deadline = time.monotonic() + START_DEADLINE_S
    ended = asyncio.create_task(child.ended())
    try:
        while time.monotonic() < deadline and not ended.done():
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return True
            await asyncio.wait([ended], timeout=0.02)
        return False
    finally:
        ended.cancel()


async def _soon(awaitable: Awaitable[T], what: str) -> T:
    try:
        return await asyncio.wait_for(awaitable, START_DEADLINE_S)
    except TimeoutError:
        raise DemoFailed(f"waited {START_DEADLINE_S:g} s for {what}") from None


async def _first(*works: Awaitable[object]) -> None:
    """Return when the first of several ends, or raise what it raises; the others are cancelled."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
