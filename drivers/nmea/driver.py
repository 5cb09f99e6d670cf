"""The `nmea` driver's waiting: listens to a receiver, and tells where it is while it knows."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from drivers.contract import DeviceState, Driver, Port, ProbeReport, Reading
from drivers.errors import EdgeError, LinkTimeout, ProtocolError
from drivers.links.serial import Line, Stream, open_stream
from drivers.nmea.codec import Place, Receiver, Sentences
from drivers.nmea.settings import DEFAULT_PORT, NmeaSettings
from drivers.outgoing import Outgoing

READ_BYTES = 4096
OPEN_S = 5.0
#: NMEA 0183's own speed.
LINE = Line(baud=4800)


class NmeaDriver(Driver):
    """Listens to one receiver; nothing is asked of it."""

    progress_deadline_s: ClassVar[float | None] = 180.0

    def __init__(self, settings: NmeaSettings) -> None:
        self._settings = settings
        self._outgoing = Outgoing()
        self._on_its_way: asyncio.Task[None] | None = None
        self._told_fix: bool | None = None

    async def _open(self) -> Stream:
        return await open_stream(self._settings.url, OPEN_S, LINE, DEFAULT_PORT)

    async def run(self, port: Port) -> None:
        """Listen until cancelled; see `Driver.run`. Raises LinkError or ProtocolError when the receiver is lost."""
        stream = await self._open()
        try:
            await self._listen(stream, port)
        finally:
            stream.close()
            # Who is no longer heard is nowhere.
            self._tell(None, port)

    async def _listen(self, stream: Stream, port: Port) -> None:
        loop = asyncio.get_running_loop()
        sentences, receiver = Sentences(), Receiver()
        valid_at, told_at, valid = loop.time(), float("-inf"), 0
        while True:
            self._outgoing.check()
            port.progress()
            data = await self._read(stream, valid_at + self._settings.silence_s - loop.time(), sentences)
            place, heard = None, False
            for one in sentences.feed(data):
                place, heard = receiver.take(one), True
            if sentences.valid > valid:
                valid, valid_at = sentences.valid, loop.time()
            if heard and (place is None or loop.time() - told_at >= self._settings.report_s):
                told_at = loop.time()
                self._tell(place, port)
                self._say(place, port)

    async def _read(self, stream: Stream, left_s: float, sentences: Sentences) -> bytes:
        try:
            return await stream.read(READ_BYTES, max(left_s, 0))
        except LinkTimeout:
            pass
        where, silence_s = self._settings.url, self._settings.silence_s
        if sentences.damaged:
            raise ProtocolError(f"{where}: bytes came for {silence_s:g} s, but no valid sentence; baud rate?")
        raise LinkTimeout(f"{where}: no sentence within {silence_s:g} s; power, cable, NMEA output switched on?")

    def _tell(self, place: Place | None, port: Port) -> None:
        """Hand the place over, unless the last one is still on its way; that there is none, once."""
        fix = place is not None
        waits = self._on_its_way is not None and not self._on_its_way.done()
        if (not fix and self._told_fix is not True) or (fix and waits) or self._outgoing.full:
            return
        self._told_fix = fix
        self._on_its_way = self._outgoing.push(port, Reading(port.clock.now(), values_of(place)))

    def _say(self, place: Place | None, port: Port) -> None:
        if place is None:
            port.state(DeviceState.DEGRADED, "the receiver has no fix; does it see the sky?", "no-fix")
        else:
            port.state(DeviceState.UP)

    async def probe(self, deadline_s: float) -> ProbeReport:
        """Open the line and wait for a sentence; see `Driver.probe`."""
        steps: list[str] = []
        stream: Stream | None = None
        sentences, receiver = Sentences(), Receiver()
        try:
            async with asyncio.timeout(deadline_s):
                stream = await self._open()
                steps.append(f"opened {self._settings.url}")
                while True:
                    data = await self._read(stream, self._settings.silence_s, sentences)
                    for heard in sentences.feed(data):
                        place = receiver.take(heard)
                        steps.append(f"{heard.kind} with a valid checksum")
                        sample = f"{place.latitude}, {place.longitude}" if place else "no fix"
                        return ProbeReport(True, tuple(steps), sample=sample)
        except TimeoutError:
            where = self._settings.url
            if sentences.damaged:
                return ProbeReport.failed(steps, ProtocolError(f"{where}: bytes came, but no valid sentence"))
            return ProbeReport.failed(steps, LinkTimeout(f"{where}: no RMC or GGA within {deadline_s:g} s"))
        except EdgeError as error:
            return ProbeReport.failed(steps, error)
        finally:
            if stream:
                stream.close()


def values_of(place: Place | None) -> dict[str, Any]:
    """Return a place as it is published; every key each time, so that none of an older place is left."""
    if place is None:
        return {"fix": False, "position": None}
    position = {
        "latitude_deg": place.latitude,
        "longitude_deg": place.longitude,
        "speed_mps": place.speed_mps,
        "satellites": place.satellites,
        "hdop": place.hdop,
    }
    return {"fix": True, "position": position}
