"""What a Modbus unit holds, in the dialogue: a profile that fits, or what changes while the technician makes it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from drivers import profiles
from drivers.errors import ConfigError, EdgeError, LinkError, LinkTimeout, ProtocolError
from drivers.links.address import SerialAddress
from drivers.modbus.client import ModbusLink, UnitLink
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.line import Line, RtuLink
from drivers.modbus.points import Point, Table
from drivers.modbus.settings import ModbusSettings, endpoint
from drivers.modbus.survey import Change, Span, Surveyor, Trace, changes, joined, snapshot
from edge.config import template
from edge.setup.desk import Desk
from edge.setup.terminal import Terminal

TIMEOUT_S, QUIET_S = 0.6, 0.2
QUIET_WATCH_S = 6.0
PAUSE_S = 0.05
PROFILE_PROBE_S = 6.0
_SHOWN, _SHOWN_CHANGES = 12, 5

_READS_ALL = (
    "to find out, all its registers are read: one that clears on reading is then cleared, and opening a serial port "
    "raises DTR, which starts some boards anew; with no nothing is read, and you say what the manual says"
)
_OTHER_UNIT = "is that its unit? `jaitf-edge setup --find HOST:PORT` asks every one; or the manual names its addresses"


def _nothing_said(unit: int) -> str:
    return f"unit {unit} answers at no address that was asked"


@contextmanager
def unit_link(url: str, unit: int) -> Iterator[UnitLink]:
    """Yield a way to one unit; the line under it is let go at the end."""
    where = endpoint(url)
    if isinstance(where, SerialAddress):
        line = Line(url, TIMEOUT_S, QUIET_S)
        try:
            yield RtuLink(line, unit)
        finally:
            line.close()
    else:
        with closing(ModbusLink(where.host, where.port, unit, TIMEOUT_S)) as link:
            yield link


async def spans_of(url: str, unit: int, told: Callable[[float, str], None]) -> list[Span]:
    """Return which addresses of a unit answer. Raises LinkError."""
    with unit_link(url, unit) as link:
        await link.connect()
        return await Surveyor(link, told).spans()


@dataclass
class Watch:
    """Reads a unit again and again in a thread of its own, while somebody does something to it."""

    url: str
    unit: int
    spans: list[Span]
    trace: Trace = field(default_factory=Trace)
    failure: EdgeError | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[Watch]:
        """Watch for as long as the block lasts."""
        thread = threading.Thread(target=lambda: asyncio.run(self._watch()), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join(10)

    async def _watch(self) -> None:
        with unit_link(self.url, self.unit) as link:
            while not self._stop.is_set():
                try:
                    self.trace.see(await snapshot(link, self.spans))
                    self.failure = None
                except (LinkTimeout, ProtocolError) as error:
                    self.failure = error
                except EdgeError as error:
                    self.failure = error
                    await asyncio.sleep(10 * PAUSE_S)
                await asyncio.sleep(PAUSE_S)

    def shown(self, quiet: Trace) -> list[str]:
        """Return in lines what changed so far that does not change by itself."""
        if self.failure:
            return [str(self.failure)]
        said = [change.says for change in changes(quiet, self.trace)]
        return [f"read {self.trace.rounds} times; changed: {'' if said else 'nothing yet'}", *said[:_SHOWN_CHANGES]]


def watched(url: str, unit: int, spans: list[Span], seconds: float) -> Trace:
    """Return what a unit does by itself for a while. Raises LinkError where it was not read once."""
    watch = Watch(url, unit, spans)
    with watch.running():
        time.sleep(seconds)
    if not watch.trace.rounds:
        raise watch.failure or LinkError(f"{url} unit {unit}: not read once")
    return watch.trace


def by_flags(url: str, watch_s: float, tell: Callable[[str, dict[str, Any]], None]) -> None:
    """Tell which addresses of a unit answer, and what changes meanwhile, as points of a device file.

    `url` has `unit=N` in its query. Raises ConfigError for another, LinkError where the unit is lost.
    """
    place, _, query = url.partition("?")
    line = dict(parse_qsl(query))
    number = line.pop("unit", "1")
    if not number.isdigit() or int(number) > 255:
        raise ConfigError(f"--survey {url}: unit is 0 to 255")
    where, unit = place + (f"?{urlencode(line, safe='/')}" if line else ""), int(number)
    try:
        endpoint(where)
    except ValueError as error:
        raise ConfigError(f"--survey {url}: {error}") from None

    def step(done: float, says: str) -> None:
        tell("step", {"done": done, "says": says})

    spans = asyncio.run(spans_of(where, unit, step))
    if not spans:
        raise LinkTimeout(f"{url}: {_nothing_said(unit)}; {_OTHER_UNIT}")
    tell("answers", {"spans": [str(span) for span in spans], "lines": [f"answers: {span}" for span in spans]})
    if not watch_s:
        return
    step(0, f"leave the device alone for {QUIET_WATCH_S:.0f} s")
    quiet = watched(where, unit, spans, QUIET_WATCH_S)
    step(0, f"now trip its alarm, press its button: {watch_s:g} s")
    for change in changes(quiet, watched(where, unit, spans, watch_s)):
        rows = [f"{key} = {template.literal(value)}" for key, value in change.point.items()]
        lines = [f"# {change.says}", "[[settings.points]]", *rows, ""]
        tell("changes", {"point": change.point, "says": change.says, "lines": lines})


def registers(term: Terminal, desk: Desk, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the settings that say what a unit holds: a profile, or points; None where it is left out."""
    url, unit = str(settings["url"]), int(settings["unit"])
    term.doubt(_READS_ALL)
    fitting: list[tuple[str, str]] = []
    options = [("points", "I know table and address from the manual"), ("leave", "leave it out")]
    if term.confirm("Read it, to find out what it is?"):
        with term.progress("profiles") as progressed:
            fitting = _fitting(url, unit, progressed)
        options.insert(0, ("survey", "find out: read everything, and see what changes when the device is made to"))
        options = [*((f"profile {name}", f"profile {name}: {title}") for name, title in fitting), *options]
    if fitting:
        term.say("  These profiles could be read; that alone does not prove that the device is one.")
    while True:
        chosen = term.choose(f"What does unit {unit} hold?", options)
        if chosen == "leave":
            return None
        if chosen.startswith("profile "):
            return {"profile": chosen.removeprefix("profile ")}
        points = surveyed(term, url, unit) if chosen == "survey" else _typed(term)
        if points:
            return _kept(term, desk, points)


def _fitting(url: str, unit: int, progressed: Callable[[float, str], None]) -> list[tuple[str, str]]:
    """Return the shipped profiles whose registers the unit has, by name and title."""
    from drivers.modbus.profiles import Profile

    found = []
    names = profiles.shipped()
    for number, name in enumerate(names):
        progressed(number / len(names), name)
        settings = ModbusSettings.model_validate({"url": url, "unit": unit, "profile": name})
        if asyncio.run(ModbusDriver(settings).probe(PROFILE_PROBE_S)).ok:
            found.append((name, profiles.load(name, Profile).title))
    return found


def surveyed(term: Terminal, url: str, unit: int) -> list[dict[str, Any]]:
    """Guide through the survey; return the points that were named, none where nothing came of it."""
    try:
        with term.progress("reading everything") as progressed:
            spans = asyncio.run(spans_of(url, unit, progressed))
        spans = _further(term, url, unit, spans)
        points: list[dict[str, Any]] = []
        while spans:
            quiet = _quiet(term, url, unit, spans)
            points += _pressed(term, url, unit, spans, quiet)
            if not term.confirm("Look for another alarm or contact?", default=not points):
                return points
    except LinkError as error:
        term.fault(str(error))
    return []


def _further(term: Terminal, url: str, unit: int, spans: list[Span]) -> list[Span]:
    """Show what answers; look around addresses that the manual names."""
    while True:
        named = ", ".join(map(str, spans[:_SHOWN]))
        if spans:
            term.well(f"these answer: {named}{' ...' if len(spans) > _SHOWN else ''}")
        else:
            term.fault(_nothing_said(unit), _OTHER_UNIT)
        ways = [("more", "the manual names a further address"), ("on", "see what changes")]
        if not spans:
            ways[1] = ("on", "leave it")
        if term.choose("And now?", ways if not spans else ways[::-1]) == "on":
            return spans
        address = int(term.text("Address, as on the wire, from 0", "0", _bad_address))
        spans = joined([*spans, *asyncio.run(_around(url, unit, address))])


async def _around(url: str, unit: int, address: int) -> list[Span]:
    with unit_link(url, unit) as link:
        return await Surveyor(link).around(address)


def _bad_address(text: str) -> str | None:
    return None if text.isdigit() and int(text) < 65_536 else "0 to 65535"


def _quiet(term: Terminal, url: str, unit: int, spans: list[Span]) -> Trace:
    term.say(f"  Leave the device alone for {QUIET_WATCH_S:.0f} s: what changes by itself is learnt.")
    with term.progress("at rest") as progressed:
        progressed(0.5, "leave it alone")
        quiet = watched(url, unit, spans, QUIET_WATCH_S)
    if by_itself := quiet.changed:
        named = ", ".join(f"{table} {address}" for table, address in list(by_itself)[:_SHOWN])
        term.say(f"  These change by themselves, and are left out: {named}")
    return quiet


def _pressed(term: Terminal, url: str, unit: int, spans: list[Span], quiet: Trace) -> list[dict[str, Any]]:
    watch = Watch(url, unit, spans)
    with watch.running():
        term.watched(
            "Now press the button, open the contact or trip the alarm, a few times; then press Enter ",
            lambda: watch.shown(quiet),
        )
    found = changes(quiet, watch.trace)
    if not found:
        term.doubt("nothing changed that does not change by itself", "try again, longer; or its manual names the place")
        return []
    none = Change({}, "none of these")
    chosen = term.choose("Which of these is it?", [(one, one.says) for one in [*found[:9], none]])
    if not chosen.point:
        return []
    label = term.text("What is it (as the console shall show it)", "alarm", _bad_label)
    severities = [(word, word) for word in ("low", "medium", "high", "critical")]
    severity = term.choose("How urgent is its alarm?", severities, "medium")
    return [chosen.point | {"name": label, "label": label, "severity": severity}]


def _bad_label(text: str) -> str | None:
    return None if 0 < len(text) < 64 else "1 to 63 characters"


_ALARMS = (
    ("nonzero", "when it is not 0"),
    ("on_change", "at every change"),
    ("counts", "at every count"),
    ("", "never"),
)


def _typed(term: Terminal) -> list[dict[str, Any]]:
    """Ask for points as the manual has them."""
    points: list[dict[str, Any]] = []
    term.say("  Addresses count from 0: what many manuals call 40001 is holding 0, 30001 input 0, 10001 discrete 0.")
    while True:
        names = [(table.value, table.value) for table in Table]
        table = term.choose("Table?", names)
        address = term.text("Address", "0", _bad_address)
        point = {"name": term.text("What it is", "alarm"), "table": table, "address": int(address)}
        if alarm := term.choose("When is it a hit?", _ALARMS):
            point["alarm"] = alarm
        points.append(point)
        if not term.confirm("One more?", default=False):
            return points


def _kept(term: Terminal, desk: Desk, points: list[dict[str, Any]]) -> dict[str, Any]:
    """Return points as settings, in the device's file or as a profile that further devices of the kind can use."""
    for number, point in enumerate(points):  # names are the points' own
        same = [other for other in points[:number] if other["name"] == point["name"]]
        if same:
            point["name"] = f"{point['name']} {number + 1}"
        Point.model_validate(point)
    ways = [("", "in this device's file"), ("profile", "as a profile, for more devices of this kind")]
    if not term.choose("Where shall these points stand?", ways):
        return {"points": points}
    name = term.text("The profile's name", "our-device", _bad_profile)
    title = term.text("The device, as a person calls it", name)
    desk.write(desk.folder / profiles.FOLDER / f"{name}.toml", profile_toml(title, points))
    term.say(f"  Written: {desk.folder / profiles.FOLDER / name}.toml")
    return {"profile": name}


def _bad_profile(text: str) -> str | None:
    ok = bool(text) and all(c.islower() or c.isdigit() or c == "-" for c in text) and text not in profiles.shipped()
    return None if ok else "lower-case letters, digits and '-', and no name of a shipped one"


def profile_toml(title: str, points: list[dict[str, Any]]) -> str:
    """Return a profile file of points."""
    from datetime import date

    head = {"driver": "modbus", "title": title, "source": f"survey by jaitf-edge setup, {date.today():%Y-%m-%d}"}
    rows = [f"{key} = {template.literal(value)}" for key, value in head.items()]
    for point in points:
        rows += ["", "[[points]]", *(f"{key} = {template.literal(value)}" for key, value in point.items())]
    return "\n".join(["# What this device's registers mean; see jaitf-edge drivers modbus.", *rows, ""])
