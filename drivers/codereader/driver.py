"""The `codereader` driver's waiting: takes what a reader sends, code by code, and tells what may be told of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import ClassVar

from drivers.clock import Stamp
from drivers.codereader.codec import BagTag, BoardingPass, Button, Found, Interpreter, Other, Part
from drivers.codereader.keys import KeyDecoder, code_of
from drivers.codereader.mrz import Document
from drivers.codereader.parcel import Parcel
from drivers.codereader.reading import reading_of
from drivers.codereader.repeats import Repeats
from drivers.codereader.settings import HID, CodereaderSettings
from drivers.codereader.splitter import Splitter
from drivers.contract import DeviceState, Driver, Port, ProbeReport
from drivers.errors import EdgeError, LinkTimeout
from drivers.links.hid import HidStream, open_hid
from drivers.links.serial import Stream, open_stream
from drivers.outgoing import Outgoing

READ_BYTES = 4096
OPEN_S = 5.0
IDLE_S = 30.0
#: What there is to complain of stands until so many codes came well since, or for so long.
WELL_CODES, COMPLAINT_S = 3, 60.0
#: An inconsistent document is one hit, however often it is read within this of the last time.
DOCUMENT_S = 60.0
#: How long a probe waits for somebody to have a code read.
PROBE_S = 3.0
NO_CODE = "no code came meanwhile: have one read while the probe waits"

_WORDS: dict[type[Found], str] = {
    BagTag: "a bag tag",
    BoardingPass: "a boarding pass",
    Parcel: "a parcel",
    Document: "a travel document",
    Button: "a button",
    Other: "none that is looked for",
}

Facts = dict[str, str | int | float | bool]


async def _open(url: str) -> Stream:
    return open_hid(url) if url.startswith(HID) else await open_stream(url, OPEN_S)


def _today(at: Stamp) -> date:
    return datetime.fromtimestamp(at.wall_ns // 1_000_000_000, UTC).date()


class Ears:
    """Turns one open link's bytes into buttons pressed and codes read."""

    def __init__(self, settings: CodereaderSettings) -> None:
        self._keys = {code_of(button.key): button.name for button in settings.buttons if button.key is not None}
        self._hid = settings.url.startswith(HID)
        self._decoder = KeyDecoder(settings.layout)
        self.splitter = Splitter(settings.end)

    def feed(self, data: bytes) -> list[str | Button]:
        """Take bytes; return codes and buttons in the order in which they came. Raises ProtocolError."""
        if not self._hid:
            return list(self.splitter.feed(data))
        heard: list[str | Button] = []
        for press in self._decoder.feed(data):
            if name := self._keys.get(press.code):
                heard.append(Button(name))
            else:
                heard += self.splitter.feed(press.text.encode("ascii"))
        return heard


class CodereaderDriver(Driver):
    """One reader; of codes that were read it remembers salted hashes, for as long as a repeat is one."""

    progress_deadline_s: ClassVar[float | None] = 180.0

    def __init__(self, settings: CodereaderSettings) -> None:
        self._settings = settings
        self._cards = {button.code: button.name for button in settings.buttons if button.code is not None}
        self._outgoing = Outgoing()
        self._repeats, self._documents = Repeats(), Repeats()
        self._complaint: tuple[str, str, float] | None = None
        self._well = 0

    async def run(self, port: Port) -> None:
        """Listen until cancelled; see `Driver.run`. Raises LinkError, or ProtocolError where it is no input device."""
        ears = Ears(self._settings)
        interpreter = Interpreter(aim_required=self._settings.aim_required, buttons=self._cards)
        self._complaint = None
        stream = await _open(self._settings.url)
        facts: Facts = {"input": stream.name} if isinstance(stream, HidStream) and stream.name else {}
        try:
            while True:
                self._outgoing.check()
                self._say(port, facts)
                port.progress()
                for heard in await self._listen(stream, ears):
                    self._take(heard, interpreter, port)
        finally:
            stream.close()

    async def _listen(self, stream: Stream, ears: Ears) -> list[str | Button]:
        splitter = ears.splitter
        damaged, endless = splitter.damaged, splitter.endless
        heard: list[str | Button] = []
        try:
            data = await stream.read(READ_BYTES, self._settings.gap_ms / 1000 if splitter.waiting else IDLE_S)
            heard = ears.feed(data)
        except LinkTimeout:
            splitter.quiet()
        if splitter.damaged > damaged:
            self._complain("unreadable", "bytes came that no code has; another baud rate, another layout, noise?")
        elif splitter.endless > endless:
            self._complain("no-end", f"a code broke off; is the reader set to send {self._settings.end} after each?")
        return heard

    def _take(self, heard: str | Button, interpreter: Interpreter, port: Port) -> None:
        at, now_s = port.clock.now(), asyncio.get_running_loop().time()
        found: Found = heard if isinstance(heard, Button) else interpreter.take(heard, now_s, _today(at))
        if isinstance(found, Part) or self._is_repeat(found, heard, now_s):
            return
        if self._outgoing.full:
            self._complain("overrun", "the appliance does not take readings as fast as they come: codes are missed")
            return
        self._well += 1
        self._outgoing.push(port, reading_of(found, at, self._settings))

    def _is_repeat(self, found: Found, heard: str | Button, now_s: float) -> bool:
        settings = self._settings
        if isinstance(found, Button):
            return self._repeats.count(f"button {found.name}", now_s, settings.debounce_ms / 1000) > 1
        if isinstance(found, Document):
            # One that holds together needs no second look; of the others some are only misread.
            needed, window_s = (settings.document_reads, DOCUMENT_S) if found.wrong else (1, settings.repeat_ms / 1000)
            named = f"{found.form} {found.number} {found.wrong}"
            return self._documents.count(named, now_s, window_s) != needed
        assert isinstance(heard, str)
        return self._repeats.count(heard, now_s, settings.repeat_ms / 1000) > 1

    def _complain(self, code: str, reason: str) -> None:
        self._complaint = (code, reason, asyncio.get_running_loop().time() + COMPLAINT_S)
        self._well = 0

    def _say(self, port: Port, facts: Facts) -> None:
        if self._complaint and self._well < WELL_CODES and asyncio.get_running_loop().time() < self._complaint[2]:
            port.state(DeviceState.DEGRADED, self._complaint[1], self._complaint[0], **facts)
        else:
            port.state(DeviceState.UP, "", "", **facts)

    async def probe(self, deadline_s: float) -> ProbeReport:
        """Open the link and wait a moment for a code, which is said by its kind alone; see `Driver.probe`."""
        steps: list[str] = []
        stream: Stream | None = None
        sample = NO_CODE
        try:
            async with asyncio.timeout(deadline_s):
                stream = await _open(self._settings.url)
                steps.append(f"opened {self._settings.url}")
                sample = await self._first(stream, min(PROBE_S, deadline_s / 2)) or sample
        except TimeoutError:
            return ProbeReport.failed(steps, LinkTimeout(f"not done within {deadline_s:g} s"))
        except EdgeError as error:
            return ProbeReport.failed(steps, error)
        finally:
            if stream:
                stream.close()
        answered = sample != NO_CODE
        identity = {"input": stream.name} if isinstance(stream, HidStream) and stream.name else {}
        return ProbeReport(True, tuple(steps), identity, sample, answered=answered)

    async def _first(self, stream: Stream, wait_s: float) -> str | None:
        loop = asyncio.get_running_loop()
        due, ears = loop.time() + wait_s, Ears(self._settings)
        interpreter = Interpreter(aim_required=self._settings.aim_required, buttons=self._cards)
        while (left := due - loop.time()) > 0:
            try:
                data = await stream.read(READ_BYTES, left)
            except LinkTimeout:
                break
            for heard in ears.feed(data):
                found = heard if isinstance(heard, Button) else interpreter.take(heard, loop.time(), date.today())
                if not isinstance(found, Part):
                    return f"a code came: {_WORDS[type(found)]}"
        if ears.splitter.waiting:
            return f"bytes came, but no code ended; is the reader set to send {self._settings.end} after each?"
        return None
