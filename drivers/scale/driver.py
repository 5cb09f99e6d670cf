"""The `scale` driver's waiting: asks a scale, or listens to one that talks unasked, and tells each weighing."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import ClassVar

from drivers.contract import DeviceState, Driver, Finding, Port, ProbeReport, Reading
from drivers.errors import EdgeError, LinkTimeout, ProtocolError
from drivers.links.serial import Stream, open_stream
from drivers.outgoing import Outgoing
from drivers.scale.declared import finding, is_far
from drivers.scale.frames import Family, Framer, Seen, Weight
from drivers.scale.nci import Nci
from drivers.scale.settings import Protocol, ScaleSettings
from drivers.scale.sics import Sics
from drivers.scale.toledo import Toledo
from drivers.scale.weighing import Weighing

READ_BYTES = 4096
OPEN_S = 5.0
#: A fault that the scale reports stands until so many frames went without one.
GOOD_FRAMES = 5

_SEVEN_BITS = bytes(byte & 0x7F for byte in range(256))


def _family(settings: ScaleSettings) -> Family:
    match settings.protocol:
        case Protocol.SICS:
            return Sics()
        case Protocol.TOLEDO:
            return Toledo(checksum=settings.checksum)
        case Protocol.NCI:
            return Nci()


class Scale:
    """One scale on its open line: asks, and takes only valid frames for answers."""

    def __init__(self, settings: ScaleSettings) -> None:
        self._where = settings.url
        self._family = _family(settings)
        self._timeout_s = settings.timeout_ms / 1000
        self._strip_parity = settings.strip_parity
        self._framer: Framer = self._family.framer()
        self._stream: Stream | None = None
        self.asked = bool(self._family.ask)

    async def open(self) -> None:
        """Open the line; raises LinkError."""
        self._framer = self._family.framer()
        self._stream = await open_stream(self._where, OPEN_S, self._family.line)

    def close(self) -> None:
        """Let the line go; safe to call at any time."""
        if self._stream:
            self._stream.close()
            self._stream = None

    async def identity(self) -> str | None:
        """Return the scale's serial number where it has a way to say it; raises LinkError or ProtocolError."""
        if not self._family.ask_identity:
            return None
        for seen in await self._heard(self._family.ask_identity):
            if seen.identity:
                return seen.identity
        return None

    async def weights(self) -> list[Seen]:
        """Ask, where the scale wants to be asked, and return what it says.

        Raises LinkTimeout where nothing valid comes, ProtocolError where bytes come that are no frames.
        """
        return await self._heard(self._family.ask)

    async def _heard(self, question: bytes) -> list[Seen]:
        assert self._stream is not None
        loop = asyncio.get_running_loop()
        before, due = self._framer.skipped, loop.time() + self._timeout_s
        if question:
            await self._forget_late_answers()
            await self._stream.write(question, self._timeout_s)
        while (left := due - loop.time()) > 0:
            try:
                data = await self._stream.read(READ_BYTES, left)
            except LinkTimeout:
                self._framer.quiet()
                break
            if seen := list(self._framer.feed(data.translate(_SEVEN_BITS) if self._strip_parity else data)):
                return seen
        if noise := self._framer.skipped - before:
            raise ProtocolError(f"{self._where}: {noise} bytes came, but no valid frame; baud rate, parity, protocol?")
        raise LinkTimeout(f"{self._where}: nothing within {self._timeout_s:g} s; power, cable, TX and RX swapped?")

    async def _forget_late_answers(self) -> None:
        """Else each answer would be that to the question before, from the first late one on."""
        assert self._stream is not None
        try:
            while True:
                list(self._framer.feed(await self._stream.read(READ_BYTES, 0)))
        except LinkTimeout:
            return


class ScaleDriver(Driver):
    """Reads one scale."""

    progress_deadline_s: ClassVar[float | None] = 180.0

    def __init__(self, settings: ScaleSettings) -> None:
        self._settings = settings
        self._weighing = Weighing(settings.confirm, Decimal(str(settings.change_kg)))
        self._outgoing = Outgoing()
        self._failures = 0
        self._fault: str | None = None
        self._good_frames = 0
        self._overrun = False
        self._identity: str | None = None

    async def run(self, port: Port) -> None:
        """Read until cancelled; see `Driver.run`. Raises LinkError or ProtocolError when the scale is lost."""
        loop = asyncio.get_running_loop()
        scale = Scale(self._settings)
        self._failures, self._fault = 0, None
        self._weighing.unsettle()
        try:
            await scale.open()
            self._identity = await scale.identity()
            while True:
                self._outgoing.check()
                start = loop.time()
                await self._round(scale, port)
                self._say(port)
                port.progress()
                if scale.asked:
                    await asyncio.sleep(max(start + self._settings.poll_ms / 1000 - loop.time(), 0))
        finally:
            scale.close()

    async def _round(self, scale: Scale, port: Port) -> None:
        try:
            heard = await scale.weights()
        except (LinkTimeout, ProtocolError):
            self._failures += 1
            self._weighing.unsettle()
            if self._failures >= self._settings.max_timeouts:
                raise
            return
        self._failures = 0
        for seen in heard:
            self._good_frames = 0 if seen.fault else self._good_frames + 1
            if seen.fault:
                self._fault = seen.fault
            elif self._good_frames >= GOOD_FRAMES:
                self._fault = None
            if seen.weight is None:
                self._weighing.unsettle()
            elif weighed := self._weighing.take(seen.weight):
                self._overrun = self._outgoing.full
                if not self._overrun:
                    self._outgoing.push(port, reading_of(weighed, seen.raw, port, self._settings))

    def _say(self, port: Port) -> None:
        facts = {"serial": self._identity} if self._identity else {}
        if self._fault:
            port.state(DeviceState.DEGRADED, f"the scale reports: {self._fault}", "scale-fault", **facts)
        elif self._overrun:
            reason = "the appliance does not take readings as fast as they come: weighings are missed"
            port.state(DeviceState.DEGRADED, reason, "overrun", **facts)
        elif not self._failures:
            port.state(DeviceState.UP, "", "", **facts)

    async def probe(self, deadline_s: float) -> ProbeReport:
        """Open the line, ask who the scale is and what lies on it; see `Driver.probe`."""
        scale = Scale(self._settings)
        steps: list[str] = []
        try:
            async with asyncio.timeout(deadline_s):
                await scale.open()
                steps.append(f"opened {self._settings.url}")
                identity = await scale.identity()
                heard = await scale.weights()
                steps.append("the scale answers")
        except TimeoutError:
            return ProbeReport.failed(steps, LinkTimeout(f"not done within {deadline_s:g} s"))
        except EdgeError as error:
            return ProbeReport.failed(steps, error)
        finally:
            scale.close()
        found = {"serial": identity} if identity else {}
        return ProbeReport(True, tuple(steps), found, _sample(heard[-1]))


def _sample(seen: Seen) -> str:
    if seen.weight:
        return f"{seen.weight.kg.normalize():f} kg, {'standing still' if seen.weight.stable else 'moving'}"
    return seen.fault or "the scale shows no weight just now"


def reading_of(weight: Weight, raw: bytes, port: Port, settings: ScaleSettings) -> Reading:
    """Return a weighing as a reading; a finding where it is far from what is declared, and something lies there."""
    kg = round(float(weight.kg), 6)
    findings: tuple[Finding, ...] = ()
    declared = settings.declared_kg
    if (
        declared is not None
        and kg >= settings.empty_kg
        and is_far(kg, declared, settings.tolerance_kg, settings.tolerance_percent)
    ):
        findings = (finding(kg, settings.category, settings.severity),)
    values = {"weight_kg": kg, "net": weight.net, "empty": kg < settings.empty_kg}
    # Two parcels within seconds are two hits.
    return Reading(port.clock.now(), values, findings, raw=raw, distinct=True)
