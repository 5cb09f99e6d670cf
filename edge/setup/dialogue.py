"""The dialogue: lane, console, devices. Each piece is tested and then written at once; running it again goes on."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from typing import Any

from drivers.errors import ConfigError, EdgeError
from drivers.finding import Found, Kind, Miss, Place
from edge.config.load import examine
from edge.config.model import NAME, Appliance
from edge.config.problems import plain_name
from edge.doctor import Grade, examine_box
from edge.doctor.box import running
from edge.finding import Step, place_of, search, serial_ports, summary
from edge.setup import devices, flags, known
from edge.setup.desk import Desk
from edge.setup.terminal import Terminal
from edge.setup.wanted import parse

_SHOWN = 12
_PASSWORD_FILE = "console.password"
_ASKED = {"site": "airport or post office", "lane": "screening lane", "id": "this appliance, unique in the site"}


class Next(Enum):
    """What can be done about devices."""

    PORTS = auto()
    PLACE = auto()
    SCANNER = auto()
    HAND = auto()
    DONE = auto()


def run(folder: Path, given: dict[tuple[str, str], Any], wanted: tuple[str, ...], places: tuple[str, ...]) -> bool:
    """Hold the dialogue; return whether it came to its end. What was written by then stays, whatever happens."""
    term, desk = Terminal(), Desk(folder)
    term.heading("JAITF Edge: setting up a lane")
    term.say(f"The configuration is {folder}. Each piece is written once it is tested; run this again to go on.")
    try:
        lane(term, desk, given)
        console(term, desk, given)
        _devices(term, desk, wanted, places)
        _closing(term, desk)
    except (KeyboardInterrupt, EOFError):
        term.say()
        term.say(
            f"Stopped. What was written stays: {', '.join(map(str, dict.fromkeys(desk.written))) or 'nothing yet'}."
        )
        return False
    return True


def lane(term: Terminal, desk: Desk, given: dict[tuple[str, str], Any]) -> None:
    """Name the lane, unless a configuration or flags have named it."""
    term.heading("1 of 3  The lane")
    there = known.existing(desk.folder).get("appliance", {})
    values = known.lane(desk.folder) | {key: value for (table, key), value in given.items() if table == "appliance"}
    told = all(("appliance", key) in given for key in _ASKED)
    complete = told or all(key in there for key in _ASKED)
    if complete:
        stream = values.get("stream", "passenger")
        term.well(f"site {values['site']}, lane {values['lane']}, appliance {values['id']}, {stream}")
    if not complete or not (told or term.confirm("Keep these names?")):
        for key, what in _ASKED.items():
            values[key] = term.text(f"{key} ({what})", str(values.get(key, "")), _bad_name, better=_plain)
        streams = [(word, word) for word in ("passenger", "cargo", "post")]
        values["stream"] = term.choose("What does the lane screen?", streams, values.get("stream", "passenger"))
    for key in Appliance.model_fields:
        if key in values:
            given["appliance", key] = values[key]
    term.say(f"  Hits and evidence are kept in {values['data_dir']}.")


def _bad_name(text: str) -> str | None:
    if re.fullmatch(NAME, text) and len(text) <= 63:
        return None
    return f"lower-case letters, digits and '-'{f', such as {meant}' if (meant := _plain(text)) else ''}"


def _plain(text: str) -> str:
    return plain_name(text).replace("_", "-")


def console(term: Terminal, desk: Desk, given: dict[tuple[str, str], Any]) -> None:
    """Find the way to the console, test it, and write `edge.toml`."""
    term.heading("2 of 3  The console")
    there = known.existing(desk.folder).get("console", {})
    said = there | {key: value for (table, key), value in given.items() if table == "console"}
    if said.get("url") is None:
        said["url"] = _broker(term)
    while True:
        _secured(term, desk, said)
        if _tested(term, desk, said):
            break
        ways = [("again", "try again"), ("other", "another address"), ("user", "it wants a user name and a password")]
        way = term.choose("What now?", [*ways, ("on", "go on all the same: hits wait on the disk")])
        if way == "on":
            break
        if way == "other":
            said["url"] = _typed_broker(term, str(said["url"]))
        if way == "user":
            said["username"] = term.text("User name", str(said.get("username", given["appliance", "id"])), _empty)
            said["password_file"] = desk.secret(_PASSWORD_FILE, term.secret("Password")).name
    before = len(desk.written)
    desk.edge(given | {("console", key): value for key, value in said.items()})
    if len(desk.written) > before:
        term.say(f"  Written: {desk.written[-1]}")


def _broker(term: Terminal) -> str:
    here = [(url, f"{url}: a broker listens there, on this machine") for url in known.brokers()]
    if here and (chosen := term.choose("Where is the console's broker?", [*here, ("", "at another address")])):
        return chosen
    return _typed_broker(term, "mqtts://")


def _typed_broker(term: Terminal, before: str) -> str:
    asked = "Address of the console's broker, as you were given it"
    return _url(term.text(asked, before, lambda text: _bad_url(_url(text)), begun=before.endswith("://")))


def _url(text: str) -> str:
    """Return an address as it was meant: whole behind what stood there already, or without its scheme."""
    text = re.sub(r"^mqtts?://(?=mqtts?://)", "", text)
    return text if "://" in text else f"mqtts://{text}"


def _empty(text: str) -> str | None:
    return None if text else "a name"


def _bad_url(text: str) -> str | None:
    if re.fullmatch(r"mqtts?://[^/\s:]+(:\d{1,5})?", text):
        return None
    return "mqtts://HOST:8883, or mqtt://127.0.0.1:1883 for a broker on this machine"


def _secured(term: Terminal, desk: Desk, said: dict[str, Any]) -> None:
    """Complete an address: its port, its files, or that clear text is allowed."""
    url = str(said["url"])
    if not re.search(r":\d+$", url):
        said["url"] = url = f"{url}:{8883 if url.startswith('mqtts') else 1883}"
    if flags.needs_insecure(url) and not said.get("insecure"):
        term.doubt("mqtt:// beyond this machine: everybody on the way reads the hits, and can make some up")
        said["insecure"] = term.confirm("Allow that all the same?", default=False) or None
    if not url.startswith("mqtts://") or said.get("ca_file"):
        return
    files = known.tls_files(desk.folder)
    for key in ("ca_file", "cert_file", "key_file"):
        if path := getattr(files, key):
            said[key] = flags.within(desk.folder, path)
            term.well(f"{key}: {path}")
    if not said.get("ca_file"):
        where = term.text("File with the authority's certificate (Enter: this system's own authorities)", "", _no_file)
        if where:
            said["ca_file"] = str(Path(where).expanduser().absolute())


def _no_file(text: str) -> str | None:
    return None if not text or Path(text).expanduser().is_file() else "there is no such file"


def _tested(term: Terminal, desk: Desk, said: dict[str, Any]) -> bool:
    if flags.needs_insecure(str(said["url"])) and not said.get("insecure"):
        term.fault("clear text is not allowed, so there is no way to this broker", "an address with mqtts://")
        return False
    try:
        with term.progress("asking the broker") as progressed:
            progressed(0.1, str(said["url"]))
            found = flags.console_tests({k: v for k, v in said.items() if v is not None}, desk.folder)
    except ConfigError as error:
        term.fault(str(error))
        return False
    for finding in found:
        {Grade.OK: lambda t, m: term.well(t), Grade.WARN: term.doubt, Grade.FAIL: term.fault}[finding.grade](
            finding.text, finding.mend or None
        )
    return all(finding.grade is not Grade.FAIL for finding in found)


def _devices(term: Terminal, desk: Desk, wanted: tuple[str, ...], places: tuple[str, ...]) -> None:
    term.heading("3 of 3  The devices")
    for text in wanted:
        devices.add(term, desk, parse(text))
    for text in places:
        _look(term, desk, place_of(text))
    acts: dict[Next, Callable[[], None]] = {
        Next.PORTS: lambda: _ports(term, desk),
        Next.PLACE: lambda: _somewhere(term, desk),
        Next.SCANNER: lambda: devices.scanner(term, desk),
        Next.HAND: lambda: devices.by_hand(term, desk),
    }
    looked = False
    while (chosen := _menu(term, desk, looked)) is not Next.DONE:
        looked |= chosen is Next.PORTS
        try:
            acts[chosen]()
        except EdgeError as error:
            term.fault(str(error))


def _menu(term: Terminal, desk: Desk, looked: bool) -> Next:
    there = desk.devices()
    term.say()
    named = ", ".join(f"{name} ({table.get('driver')})" for name, table in there.items())
    term.say(f"  Configured: {named or 'no device yet'}")
    ports = len(serial_ports())
    options = [(Next.PORTS, f"look at the serial ports ({ports} here)")] if ports else []
    options += [
        (Next.PLACE, "look at one place: an address on the network, a port, an export folder"),
        (Next.SCANNER, "wait for a scanner to call (DICOM)"),
        (Next.HAND, "choose a driver by hand"),
        (Next.DONE, "that is all"),
    ]
    first = options[0][0] if not looked and not there else Next.DONE
    return term.choose("What is to be connected?", options, first)


def _ports(term: Terminal, desk: Desk) -> None:
    if _opened(term, "each of them"):
        for path in serial_ports():
            _look(term, desk, Place(Kind.SERIAL, path))


def _opened(term: Terminal, what: str) -> bool:
    """Say what opening a serial port may do, and return whether it shall be done."""
    term.doubt(
        f"opening a serial port raises DTR, which starts some boards anew, and {what} is asked at every usual speed; "
        "unplug what must not be asked, or choose its driver by hand"
    )
    return term.confirm("Look now?")


def _somewhere(term: Terminal, desk: Desk) -> None:
    def wrong(text: str) -> str | None:
        try:
            place_of(text)
        except ConfigError as error:
            return str(error)
        return None

    term.say("  Such as 10.0.0.5, 10.0.0.5:502, /dev/ttyUSB0 or /srv/scanner-export")
    if seen := known.neighbours():
        term.say(f"  Seen on the network: {', '.join(seen[:_SHOWN])}")
    place = place_of(term.text("Where", "", wrong))
    if place.kind is not Kind.SERIAL or _opened(term, "whatever is there"):
        _look(term, desk, place)


def _look(term: Terminal, desk: Desk, place: Place) -> None:
    """Search one place, and offer what is found there."""
    if place.kind is Kind.SERIAL and (there := desk.holder({"url": f"serial://{place.where}"})):
        if flags.unanswered(desk, there) is None:
            term.well(f"{place}: is {there} already")
            return
        term.doubt(f"{place}: is {there}, which does not answer as its file has it: looking for what does")
    found, misses = _searched(term, place)
    for one in found:
        devices.offer(term, desk, place, one)
    if not found:
        miss = summary(place, misses)
        term.fault(miss.why, flags.mend_of(place, miss))


def _searched(term: Terminal, place: Place) -> tuple[list[Found], list[Miss]]:
    found: list[Found] = []
    misses: list[Miss] = []
    with term.progress(str(place)) as progressed:
        for event in search(place):
            match event:
                case Step():
                    progressed(event.done, event.says)
                case Found():
                    found.append(event)
                case Miss():
                    misses.append(event)
    return found, misses


def _closing(term: Terminal, desk: Desk) -> None:
    """Check the whole box, say what was written and what comes next."""
    term.heading("Done")
    for path in dict.fromkeys(desk.written):
        term.say(f"  written: {path}")
    for path in desk.kept:
        term.say(f"  what it was before: {path}")
    if term.confirm("Check the whole box now?"):
        with term.progress("checking") as progressed:
            graded = []
            for check, finding in examine_box(desk.folder):
                progressed(0.5, check)
                graded.append(finding)
        for finding in graded:
            if finding.grade is not Grade.OK:
                (term.doubt if finding.grade is Grade.WARN else term.fault)(finding.text, finding.mend)
        well = sum(finding.grade is Grade.OK for finding in graded)
        again = f"again at any time: jaitf-edge doctor --config {desk.folder}"
        term.well(f"{well} of {len(graded)} checks are well; {again}")
    if desk.written and ((config := examine(desk.folder).config) and (pid := running(config))):
        term.doubt(
            f"an appliance runs on this configuration (process {pid})", "restart it, so that it takes the change"
        )
    else:
        term.say(f"  Start the appliance: jaitf-edge run --config {desk.folder}")
