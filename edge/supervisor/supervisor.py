"""Keeps a process running for each device, restarts the one that fails without touching the others, and tells."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from pathlib import Path

from drivers import registry, wire
from drivers.clock import Clock
from drivers.contract import DeviceState
from drivers.errors import EdgeError
from edge.config import DeviceConfig
from edge.supervisor.child import Child, Nursery
from edge.supervisor.device import (
    PICTURE_WINDOW,
    READING_WINDOW,
    DeviceService,
    Handle,
    ProcessEnded,
    Status,
)

log = logging.getLogger("jaitf.device")

FIRST_WAIT_S = 0.5
MAX_WAIT_S = 10.0  # with the time to notice a stopped process and to start another: back within 20 s, however often
STABLE_S = 60.0
SAME_NEWS_NS = 600_000_000_000
SETTLE_S = 1.0


class Supervisor:
    """One task a device. `on_state` is called in the event loop whenever a device's status changes."""

    def __init__(
        self,
        devices: tuple[DeviceConfig, ...],
        data_dir: Path,
        clock: Clock,
        chance: random.Random,
        handle: Handle,
        on_state: Callable[[str, Status], None],
    ) -> None:
        self.status: dict[str, Status] = {}
        self._devices = {device.name: device for device in devices}
        self._data_dir = data_dir
        self._clock = clock
        self._chance = chance
        self._handle = handle
        self._on_state = on_state
        self._nursery = Nursery(device.driver for device in devices)
        self._children: dict[str, Child] = {}
        self._services: dict[str, DeviceService] = {}
        self._orders: dict[str, wire.Order] = {}
        self._ordering: set[asyncio.Task[None]] = set()
        self._commanded: set[str] = set()
        self._unsettled: dict[str, set[asyncio.Task[None]]] = {device.name: set() for device in devices}
        self._said: dict[str, wire.State] = {}
        self._flooding: set[str] = set()
        self._store_problem: str | None = None
        self._logged: dict[tuple[str, DeviceState], tuple[str, int]] = {}
        self._wanted = {device.name: asyncio.Event() for device in devices}
        for device in devices:
            how = (DeviceState.DOWN, "starting") if device.enabled else (DeviceState.DISABLED, "by configuration")
            self.status[device.name] = Status(*how, "starting" if device.enabled else "disabled", clock.now())
            if device.enabled:
                self._wanted[device.name].set()

    async def run(self) -> None:
        """Keep the devices' processes running until cancelled, then end them all; what they brought by then is kept."""
        try:
            async with asyncio.TaskGroup() as group:
                for device in self._devices.values():
                    group.create_task(self._keep(device), name=f"device {device.name}")
        finally:
            await self._settle()
            await self._nursery.close()

    async def _settle(self) -> None:
        """Give what has reached the core a moment to be committed, and give up what waits for more than the disk."""
        if tasks := set[asyncio.Task[None]]().union(*self._unsettled.values()):
            _, late = await asyncio.wait(tasks, timeout=SETTLE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def restart(self, name: str) -> None:
        """End a device's process; another one follows. Raises KeyError for an unknown device."""
        if child := self._children.get(self._devices[name].name):
            self._commanded.add(name)
            child.kill()

    def disable(self, name: str) -> None:
        """End a device's process and start no other. Raises KeyError for an unknown device."""
        self._wanted[name].clear()
        self.restart(name)
        self.set_state(name, DeviceState.DISABLED, "by command", "disabled")

    def enable(self, name: str) -> None:
        """Let a device's process run again. Raises KeyError for an unknown device."""
        if not self._wanted[name].is_set():
            self.set_state(name, DeviceState.DOWN, "starting", "starting")
            self._wanted[name].set()

    def order(self, name: str, order: wire.Order) -> None:
        """Have a device's outputs show this from now on, also once its process is another."""
        self._orders[name] = order
        if service := self._services.get(name):
            task = asyncio.get_running_loop().create_task(service.order(order))
            self._ordering.add(task)
            task.add_done_callback(self._ordering.discard)

    def set_state(self, name: str, state: DeviceState, reason: str, code: str, facts: wire.State | None = None) -> None:
        """Note how a device is; tell and log it only where that changed."""
        status = self.status[name]
        if facts:
            status.facts = dict(facts.facts)
        if (status.state, status.reason, status.code) == (state, reason, code):
            return
        if status.state is not state:
            status.since = self._clock.now()
        level = logging.INFO if state in (DeviceState.UP, DeviceState.DISABLED) else logging.WARNING
        if not self._is_news(name, state, code):
            level = logging.DEBUG
        status.state, status.reason, status.code = state, reason, code
        log.log(level, "%s: %s%s", name, state, f": {reason}" if reason else "", extra={"device": name, "code": code})
        self._on_state(name, status)

    def _is_news(self, name: str, state: DeviceState, code: str) -> bool:
        """Return whether the log is owed a line: a device that comes and goes for one reason is said now and then."""
        now = self._clock.now().monotonic_ns
        known, since_ns = self._logged.get((name, state), ("", 0))
        if known == code and now - since_ns < SAME_NEWS_NS and self.status[name].restarts > 1:
            return False
        self._logged[name, state] = (code, now)
        return True

    def store_changed(self, problem: str | None) -> None:
        """Mark every running device degraded while the store refuses what they bring, and let them be what they are."""
        self._store_problem = problem
        for name, said in self._said.items():
            self._show(name, said)

    def _show(self, name: str, said: wire.State) -> None:
        """Set what a device's process said, or what the core knows better."""
        if not self._wanted[name].is_set():
            return  # its last words, while it is being ended by command
        if self._store_problem is not None and said.state is DeviceState.UP:
            self.set_state(name, DeviceState.DEGRADED, self._store_problem, "store-full", said)
        elif name in self._flooding and said.state is DeviceState.UP:
            self.set_state(name, DeviceState.DEGRADED, "more observations than any item explains", "flooding", said)
        else:
            self.set_state(name, said.state, said.reason, said.code, said)

    async def _keep(self, device: DeviceConfig) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            await self._wanted[device.name].wait()
            started = self._clock.now().monotonic_ns
            self._commanded.discard(device.name)
            try:
                await self._serve_one(device)
            except ProcessEnded as ended:
                if self._by_command(device.name):
                    continue
                self.status[device.name].restarts += 1
                self.set_state(device.name, DeviceState.DOWN, str(ended), ended.finding)
            except EdgeError as error:
                self.set_state(device.name, DeviceState.DOWN, str(error), error.code)
            except Exception as error:
                # Whatever goes wrong about one device must not end the others' supervision, nor the core.
                log.exception("%s: its process could not be served", device.name)
                self.set_state(device.name, DeviceState.DOWN, f"{type(error).__name__}: {error}", "internal")
            if self._clock.now().monotonic_ns - started > STABLE_S * 1e9:
                wait_s = FIRST_WAIT_S
            await asyncio.sleep(wait_s * (0.5 + self._chance.random() / 2))
            wait_s = min(2 * wait_s, MAX_WAIT_S)

    def _by_command(self, name: str) -> bool:
        """Return whether a process ended because it was told to; that is no finding."""
        if not self._wanted[name].is_set():
            return True
        if name in self._commanded:
            self.set_state(name, DeviceState.DOWN, "restarting by command", "starting")
            return True
        return False

    async def _serve_one(self, device: DeviceConfig) -> None:
        info = registry.available()[device.driver]
        state_dir = self._data_dir / "devices" / device.name
        state_dir.mkdir(parents=True, exist_ok=True)
        await self._until_settled(device.name, PICTURE_WINDOW if info.pictures else READING_WINDOW)
        child = await self._nursery.spawn(device.name, device.memory_bytes)
        if not self._wanted[device.name].is_set():  # disabled while it was being born
            child.kill()
            child.close()
            return
        self._children[device.name] = child

        def set_state(message: wire.State) -> None:
            self._said[device.name] = message
            self._show(device.name, message)

        service = DeviceService(
            device,
            child,
            pictures=info.pictures,
            state_dir=state_dir,
            clock=self._clock,
            handle=self._handle,
            set_state=set_state,
            unsettled=self._unsettled[device.name],
        )
        self._services[device.name] = service
        if device.name in self._orders:
            await service.order(self._orders[device.name])
        watch = asyncio.create_task(self._watch(device.name, service))
        try:
            await service.serve()
        finally:
            watch.cancel()
            self._services.pop(device.name, None)
            self._children.pop(device.name, None)
            self._said.pop(device.name, None)
            self._flooding.discard(device.name)

    async def _until_settled(self, name: str, window: int) -> None:
        """Wait while the processes before have left as much to be done as one may have under way."""
        while len(unsettled := self._unsettled[name]) >= window:
            await asyncio.wait(unsettled, return_when=asyncio.FIRST_COMPLETED)

    async def _watch(self, name: str, service: DeviceService) -> None:
        """Carry the last observation's time over, and let a flood be seen while it lasts."""
        while True:
            await asyncio.sleep(1.0)
            self.status[name].last_observation = service.last_observation or self.status[name].last_observation
            if service.flooding != (name in self._flooding):
                (self._flooding.add if service.flooding else self._flooding.discard)(name)
                if said := self._said.get(name):
                    self._show(name, said)
