"""The `llrp` driver's waiting: takes the reader over, has it report every tag, and watches its inputs."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from drivers.contract import DeviceState, Driver, Finding, Measurement, Port, ProbeReport, Reading
from drivers.errors import DeviceRefused, EdgeError, LinkLost, LinkTimeout
from drivers.llrp import codec
from drivers.llrp.client import Client
from drivers.llrp.codec import Message, Type
from drivers.llrp.settings import Input, LlrpSettings
from drivers.outgoing import Outgoing
from drivers.tags import Gathered

ROSPEC = 0x4A46
MISSED_KEEPALIVES = 3
#: A complaint of the reader's, which it never takes back, stands for so long.
COMPLAINT_S = 60.0
#: What one hit keeps of the wire.
MAX_RAW_BYTES = 4096
#: Makers by IANA private enterprise number, as readers name them.
_MAKERS = {25882: "Impinj", 10642: "Zebra", 161: "Motorola", 17996: "ThingMagic", 1729: "Alien"}

Facts = dict[str, str | int | float | bool]


class LlrpDriver(Driver):
    """The client of one reader; what it remembers of the inputs outlives the connection."""

    progress_deadline_s: ClassVar[float | None] = 180.0

    def __init__(self, settings: LlrpSettings) -> None:
        self._settings = settings
        self._inputs = {one.port: one for one in settings.gpi}
        self._levels: dict[int, bool] = {}
        self._pressed_at: dict[int, float] = {}
        self._gathered = Gathered(settings.min_rssi_dbm)
        self._outgoing = Outgoing()
        self._news: list[asyncio.Task[None]] = []
        self._unplugged: set[int] = set()
        self._complaint: tuple[str, str, float] | None = None
        self._facts: Facts = {}

    async def run(self, port: Port) -> None:
        """Serve until cancelled; see `Driver.run`. Raises LinkError, ProtocolError or DeviceRefused."""
        client = Client(self._settings.url, self._settings.timeout_ms / 1000)
        self._unplugged.clear()
        self._complaint = None
        try:
            await client.connect()
            await self._take_over(client, port)
            self._say(port)
            await self._listen(client, port)
        finally:
            await client.goodbye()

    async def _take_over(self, client: Client, port: Port) -> None:
        """Throw out what an earlier client left in the reader, and set it to work for us."""
        self._facts = await self._identity(client)
        # Many readers refuse to delete all where there is nothing, and some know a ROSpec by its number alone.
        for rospec in (codec.ALL_ROSPECS, ROSPEC):
            await client.order(codec.rospec_order(Type.DELETE_ROSPEC, rospec), tolerate=True)
        keepalive_ms = round(self._settings.keepalive_s * 1000)
        await client.order(codec.set_config(keepalive_ms, sorted(self._inputs)))
        await client.order(codec.add_rospec(ROSPEC, self._settings.antennas))
        for order in (Type.ENABLE_ROSPEC, Type.START_ROSPEC):
            await client.order(codec.rospec_order(order, ROSPEC))
        if self._inputs:
            response = await client.order(codec.get_inputs())
            for number, high in codec.parse_inputs(response.body).items():
                if high is not None:
                    self._level(number, high, response.body, port)
        # Where an earlier client had reports held until asked for; a reader that cannot hold them says so, later.
        await client.tell(Type.ENABLE_EVENTS_AND_REPORTS)

    async def _identity(self, client: Client) -> Facts:
        try:
            response = await client.order(codec.get_capabilities())
        except DeviceRefused:
            return {}
        known = codec.parse_capabilities(response.body)
        if known is None:
            return {}
        maker = _MAKERS.get(known.maker, f"maker {known.maker}")
        return {"maker": maker, "model": known.model, "firmware": known.firmware, "antennas": known.antennas}

    async def _listen(self, client: Client, port: Port) -> None:
        """Take messages until the reader falls silent; tell the tags window by window."""
        loop = asyncio.get_running_loop()
        silence_s = MISSED_KEEPALIVES * self._settings.keepalive_s
        report_s = self._settings.report_ms / 1000
        heard = told = loop.time()
        while True:
            self._outgoing.check()
            now = loop.time()
            if now - heard >= silence_s:
                raise LinkTimeout(f"{self._settings.url}: {MISSED_KEEPALIVES} keepalives missed; power, cable?")
            if now - told >= report_s:
                told = now
                self._tell(port)
                self._say(port)
                port.progress()
            try:
                message = await client.receive(max(min(heard + silence_s, told + report_s) - now, 0))
            except LinkTimeout:
                continue
            heard = loop.time()
            self._take(message, port)

    def _tell(self, port: Port) -> None:
        """Hand the window's tags over, unless the last ones are still on their way: then the window goes on."""
        self._news = [task for task in self._news if not task.done()]
        if not self._news and self._gathered:
            self._news = [self._outgoing.push(port, reading) for reading in self._gathered.take(port.clock.now())]

    def _take(self, message: Message, port: Port) -> None:
        if message.type == Type.RO_ACCESS_REPORT:
            at = port.clock.now()
            for tag in codec.parse_report(message.body):
                self._gathered.see(tag.epc, tag.antenna, tag.rssi_dbm, at)
        elif message.type == Type.READER_EVENT_NOTIFICATION:
            self._event(codec.parse_event(message.body), message.body, port)

    def _event(self, event: codec.Event, body: bytes, port: Port) -> None:
        for number, high in event.inputs:
            self._level(number, high, body, port)
        for antenna, connected in event.antennas:
            (self._unplugged.discard if connected else self._unplugged.add)(antenna)
        if event.closing:
            raise LinkLost(f"{self._settings.url}: the reader ends the connection")
        if event.overflow:
            self._complain("reader-overflow", "the reader's memory was full: tags were missed")
        if event.exception is not None:
            self._complain("reader-exception", f"the reader reports: {event.exception}"[:400])
        self._say(port)

    def _complain(self, code: str, reason: str) -> None:
        self._complaint = (code, reason, asyncio.get_running_loop().time() + COMPLAINT_S)

    def _level(self, number: int, high: bool, body: bytes, port: Port) -> None:
        """Take an input's level; a press raises a hit, also one that is found when the reader is reached."""
        watched = self._inputs.get(number)
        if watched is None or self._levels.get(number) == high:
            return
        if self._outgoing.full:
            self._complain("overrun", "the appliance does not take readings as fast as they come: presses are missed")
            return
        self._levels[number] = high
        pressed = high is (watched.on == "high")
        now = asyncio.get_running_loop().time()
        if pressed and now - self._pressed_at.get(number, float("-inf")) < self._settings.debounce_ms / 1000:
            return
        if pressed:
            self._pressed_at[number] = now
        self._outgoing.push(port, _contact(watched, pressed, body, port))

    def _say(self, port: Port) -> None:
        if self._unplugged:
            named = ", ".join(map(str, sorted(self._unplugged)))
            reason = f"antenna {named} is not connected; cable, connector?"
            port.state(DeviceState.DEGRADED, reason, "antenna", **self._facts)
        elif self._complaint and asyncio.get_running_loop().time() < self._complaint[2]:
            port.state(DeviceState.DEGRADED, self._complaint[1], self._complaint[0], **self._facts)
        else:
            port.state(DeviceState.UP, "", "", **self._facts)

    async def probe(self, deadline_s: float) -> ProbeReport:
        """Connect and ask who the reader is; it is not set to work. See `Driver.probe`."""
        client = Client(self._settings.url, self._settings.timeout_ms / 1000)
        steps: list[str] = []
        try:
            async with asyncio.timeout(deadline_s):
                await client.connect()
                steps.append(f"connected to {self._settings.url}; the reader takes us as its client")
                facts = await self._identity(client)
        except TimeoutError:
            return ProbeReport.failed(steps, LinkTimeout(f"not done within {deadline_s:g} s"))
        except EdgeError as error:
            return ProbeReport.failed(steps, error)
        finally:
            await client.goodbye()
        return ProbeReport(True, tuple(steps), {name: str(value) for name, value in facts.items()})


def _contact(watched: Input, pressed: bool, body: bytes, port: Port) -> Reading:
    finding = Finding(
        label=watched.label,
        measurement=Measurement(f"gpi {watched.port}", pressed),
        category=watched.category,
        severity=watched.severity,
    )
    findings = (finding,) if pressed else ()
    return Reading(port.clock.now(), {"contacts": {watched.label: pressed}}, findings, raw=body[:MAX_RAW_BYTES])
