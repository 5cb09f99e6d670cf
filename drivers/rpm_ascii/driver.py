"""The `rpm-ascii` driver's waiting: listens to a portal, and tells alarms at once."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, ClassVar

from drivers.clock import Stamp
from drivers.contract import DeviceState, Driver, Finding, Measurement, Port, ProbeReport, Reading, Severity
from drivers.errors import EdgeError, LinkTimeout, ProtocolError
from drivers.links.serial import Stream, open_stream
from drivers.outgoing import Outgoing
from drivers.rpm_ascii.codec import Line, Lines, Ray
from drivers.rpm_ascii.portal import Alarm, Background, Event, Passed, Portal, Tampered
from drivers.rpm_ascii.settings import DEFAULT_PORT, RpmAsciiSettings

READ_BYTES = 4096
OPEN_S = 5.0
#: How long one read waits; the portal is asked for nothing, so this only paces the looks at silence.
LOOK_S = 1.0
#: Of so many lines at most so many may be damaged before it is told.
WATCHED_LINES, DAMAGED_LINES = 50, 5
#: While readings wait beyond their limit the driver reads no further, and looks again this often.
HELD_S = 0.1


class RpmAsciiDriver(Driver):
    """Listens to one portal; what it knows of tampering and faults outlives the connection."""

    progress_deadline_s: ClassVar[float | None] = 180.0

    def __init__(self, settings: RpmAsciiSettings) -> None:
        self._settings = settings
        self._portal = Portal()
        self._outgoing = Outgoing()
        self._damaged: deque[bool] = deque(maxlen=WATCHED_LINES)
        self._noisy = False

    async def _open(self) -> Stream:
        return await open_stream(self._settings.url, OPEN_S, default_port=DEFAULT_PORT)

    async def run(self, port: Port) -> None:
        """Listen until cancelled; see `Driver.run`. Raises LinkError or ProtocolError when the portal is lost."""
        stream = await self._open()
        self._damaged.clear()
        self._noisy = False
        try:
            await self._listen(stream, port)
        finally:
            stream.close()
            self._tell(self._portal.lost(), port)

    async def _listen(self, stream: Stream, port: Port) -> None:
        lines, silence = Lines(), Silence(self._settings)
        while True:
            self._outgoing.check()
            if self._outgoing.full:
                port.state(DeviceState.DEGRADED, "the appliance does not take readings as fast as they come", "overrun")
                port.progress()
                await asyncio.sleep(HELD_S)
                continue
            try:
                data = await stream.read(READ_BYTES, LOOK_S)
            except LinkTimeout:
                data = b""
            found = list(lines.feed(data))
            for line in found:
                self._take(line, port)
            silence.heard(data, found)
            silence.check()
            if silence.over:
                self._say(port)
            port.progress()

    def _take(self, line: Line, port: Port) -> None:
        self._damaged.append(line.message is None)
        if line.message is not None:
            self._tell(self._portal.see(line, port.clock.now()), port)

    def _tell(self, events: list[Event], port: Port) -> None:
        at = port.clock.now()
        for event in events:
            self._outgoing.push(port, self._reading(event, at))

    def _reading(self, event: Event, at: Stamp) -> Reading:
        match event:
            case Alarm():
                return _alarm(event, at, self._severity(event.ray))
            case Tampered():
                found = Finding("tamper", Measurement("cabinet", "opened"), severity=self._settings.tamper_severity)
                return Reading(at, {"tamper": True}, (found,), raw=event.raw + b"\r\n")
            case Background():
                return Reading(at, {f"{event.ray.value}_background_cps": {"detectors": list(event.detectors)}})
            case Passed():
                return Reading(at, {"occupancies": [_summary(event, at)]})

    def _severity(self, ray: Ray) -> Severity:
        return self._settings.gamma_severity if ray is Ray.GAMMA else self._settings.neutron_severity

    def _say(self, port: Port) -> None:
        state, reason, code = self._state(port.clock.now())
        facts: dict[str, str | int | float | bool] = dict(self._portal.facts)
        if self._portal.missed:
            facts["missed_occupancies"] = self._portal.missed
        port.state(state, reason, code, **facts)

    def _state(self, now: Stamp) -> tuple[DeviceState, str, str]:
        portal = self._portal
        self._noisy = sum(self._damaged) > (DAMAGED_LINES // 2 if self._noisy else DAMAGED_LINES - 1)
        occupied_s = (now.monotonic_ns - portal.occupancy.started.monotonic_ns) / 1e9 if portal.occupancy else 0.0
        if portal.opened:
            return DeviceState.DEGRADED, "the portal's cabinet is open", "tamper"
        if portal.faults:
            code, reason = next(iter(portal.faults.values()))
            return DeviceState.DEGRADED, reason, code
        if occupied_s > self._settings.occupied_s:
            reason = "the portal has been occupied for too long: something stands in its light barrier"
            return DeviceState.DEGRADED, reason, "occupied"
        if self._noisy:
            return DeviceState.DEGRADED, "many lines are damaged: noise on the line, or another baud rate", "noise"
        if self._outgoing.refused:
            return DeviceState.DEGRADED, "the appliance has no room: readings wait in memory", "no-room"
        return DeviceState.UP, "", ""

    async def probe(self, deadline_s: float) -> ProbeReport:
        """Open the line and wait for the first whole line; see `Driver.probe`."""
        steps: list[str] = []
        stream: Stream | None = None
        lines = Lines()
        damaged = 0
        try:
            async with asyncio.timeout(deadline_s):
                stream = await self._open()
                steps.append(f"opened {self._settings.url}")
                while True:
                    for line in lines.feed(await stream.read(READ_BYTES, deadline_s)):
                        if line.message is not None:
                            sample = line.raw.decode("ascii")
                            return ProbeReport(True, (*steps, "the portal sends lines"), sample=sample)
                        damaged += 1
        except TimeoutError:
            return ProbeReport.failed(steps, self._no_line(damaged, deadline_s))
        except EdgeError as error:
            return ProbeReport.failed(steps, error)
        finally:
            if stream:
                stream.close()

    def _no_line(self, damaged: int, deadline_s: float) -> EdgeError:
        where = self._settings.url
        if damaged:
            return ProtocolError(f"{where}: {damaged} lines came within {deadline_s:g} s, and none is a portal's")
        return LinkTimeout(f"{where}: no line within {deadline_s:g} s; an empty portal sends one every 5 s")


class Silence:
    """How long no whole line has come, and whether anything else did instead."""

    def __init__(self, settings: RpmAsciiSettings) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._noise_bytes = 0
        self.over = False

    def heard(self, data: bytes, lines: list[Line]) -> None:
        """Take what came; a whole line ends the silence."""
        self._noise_bytes += len(data)
        if any(line.message is not None for line in lines):
            self.over = True
            self._since = self._loop.time()
            self._noise_bytes = 0

    def check(self) -> None:
        """Raise LinkTimeout where the portal is silent, ProtocolError where bytes come that are no lines."""
        if self._loop.time() - self._since < self._settings.silence_s:
            return
        where, limit_s = self._settings.url, self._settings.silence_s
        if self._noise_bytes:
            raise ProtocolError(
                f"{where}: {self._noise_bytes} bytes in {limit_s:g} s, but no line of a portal; another baud rate?"
            )
        raise LinkTimeout(f"{where}: no line within {limit_s:g} s; power, cable, the portal's serial output?")


def _alarm(alarm: Alarm, at: Stamp, severity: Severity) -> Reading:
    name = f"{alarm.ray.value}_alarm"
    found = Finding(
        f"{alarm.ray.value} alarm", Measurement(alarm.ray.value, alarm.rate_cps, "counts/s"), severity=severity
    )
    values = {name: {"rate_cps": alarm.rate_cps, "background_cps": alarm.background_cps, "at": at.rfc3339()}}
    # Each passing person, trolley or vehicle that alarms is a hit of its own, however soon the next one follows.
    return Reading(at, values, (found,), raw=alarm.raw, distinct=True)


def _summary(passed: Passed, at: Stamp) -> dict[str, Any]:
    occupancy = passed.occupancy
    return {
        "number": passed.number,
        "started_at": occupancy.started.rfc3339(),
        "seconds": round((at.monotonic_ns - occupancy.started.monotonic_ns) / 1e9, 1),
        "gamma_alarm": Ray.GAMMA in occupancy.alarms,
        "neutron_alarm": Ray.NEUTRON in occupancy.alarms,
        "gamma_max_cps": occupancy.gamma_max_cps,
        "neutron_max_cps": occupancy.neutron_max_cps,
        "kmh": occupancy.kmh,
        "cut": passed.cut,
        "missed_before": passed.missed,
    }
