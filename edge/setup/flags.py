"""Setting up without questions: everything by flags, or found out; for scripts, and where there is no terminal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from drivers.errors import ConfigError, LinkBusy, LinkLost
from drivers.finding import Found, Kind, Miss, Place
from drivers.mends import scheme_of
from edge.config.model import DEVICE_NAME, Console
from edge.config.problems import plain_name
from edge.config.template import literal
from edge.doctor.broker import certificates_of, reach
from edge.doctor.finding import Finding, Grade
from edge.finding import Step, place_of, search, serial_ports, summary
from edge.probing import Probed, probe
from edge.setup import known
from edge.setup.desk import Desk
from edge.setup.wanted import Wanted, address_key, info_of, parse

PROBE_S = 10.0
ALL_SERIAL = "serial"
#: What must be said where it is not known already, and by which flag.
NEEDED = {"site": "--site", "lane": "--lane", "id": "--id"}


@dataclass(frozen=True, slots=True)
class Given:
    """What the flags say: values by table and key, devices, places to search, and whether a test may fail."""

    values: dict[tuple[str, str], Any]
    devices: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    untested: bool = False


@dataclass(slots=True)
class Outcome:
    """What became of it: what failed, with its mend."""

    failed: list[str] = field(default_factory=list)


Tell = Callable[[str, dict[str, Any]], None]


def console_of(values: dict[str, Any], folder: Path) -> Console:
    """Return `[console]`, its files seen from the configuration's folder. Raises ConfigError."""
    files = {key: folder.absolute() / value for key, value in values.items() if key.endswith("_file") and value}
    try:
        return Console.model_validate(values | files)
    except ValidationError as error:
        raise ConfigError("; ".join(map(_said, error.errors()))) from None


def _said(error: ErrorDetails) -> str:
    key, said = str(error["loc"][0]), error["msg"].removeprefix("Value error, ")
    if error["type"] == "string_pattern_mismatch":
        said = f"must be {Console.model_fields[key].description}; it is {error['input']!r}"
    return f"console.{key}: {said}"


def console_tests(values: dict[str, Any], folder: Path) -> list[Finding]:
    """Return what the doctor says of the way to the console. Raises ConfigError."""
    console = console_of(values, folder)
    files = certificates_of(console) if console.url.startswith("mqtts://") else ()
    return [*files, reach(console)]


def needs_insecure(url: str) -> bool:
    """Say whether an address is clear text that leaves this machine."""
    host = url.removeprefix("mqtt://").rpartition(":")[0] or url.removeprefix("mqtt://")
    return url.startswith("mqtt://") and not (host in ("localhost", "[::1]") or host.startswith("127."))


def lane_values(folder: Path, given: dict[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    """Return all values of `edge.toml` that setup sets. Raises ConfigError that names the flags that are missing."""
    lane = known.lane(folder)
    values = {("appliance", key): value for key, value in lane.items()} | given
    if missing := [flag for key, flag in NEEDED.items() if ("appliance", key) not in values]:
        raise ConfigError(f"cannot be found out here, say it: {', '.join(missing)}")
    if ("console", "url") not in values:
        there = known.existing(folder).get("console", {}).get("url")
        if url := there or next(iter(known.brokers()), None):
            values["console", "url"] = url
        else:
            raise ConfigError("no broker listens on this machine: say --broker mqtts://HOST:8883")
    if str(values["console", "url"]).startswith("mqtts://"):
        there = known.existing(folder).get("console", {})
        files = known.tls_files(folder)
        for key in ("ca_file", "cert_file", "key_file"):
            path = getattr(files, key)
            if path is not None and key not in there:
                values.setdefault(("console", key), within(folder, path))
    return values


def within(folder: Path, path: Path) -> str:
    """Return a file's path as the configuration writes it: relative where it lies in its folder."""
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path.absolute())


def set_up(folder: Path, given: Given, tell: Tell) -> Outcome:
    """Write the lane and the devices that pass their test, and tell each thing done. Raises ConfigError, StoreError."""
    desk, outcome = Desk(folder), Outcome()
    wanted = [parse(text) for text in given.devices]
    for one in wanted:
        _named(one)
    places = [place for text in given.places for place in _places(text)]
    if ALL_SERIAL in given.places and not any(place.kind is Kind.SERIAL for place in places):
        outcome.failed.append("no serial port")
        mend = "plug the adapter in; `ls -l /dev/serial/by-id` shows the ports there are"
        tell(
            "miss",
            {"place": ALL_SERIAL, "code": LinkLost.code, "text": "this machine has no serial port", "mend": mend},
        )
    values = lane_values(folder, given.values)
    _console(desk, values, given, tell, outcome)
    desk.edge(values)
    for place in places:
        wanted += _found(place, tell, outcome)
    for one in wanted:
        _device(desk, one, given.untested, tell, outcome)
    for path in desk.written:
        tell("written", {"file": str(path)})
    for path in desk.kept:
        tell("kept", {"file": str(path)})
    return outcome


def _named(wanted: Wanted) -> None:
    """Raise ConfigError where a device is given a name that none may have."""
    if wanted.name and not (re.fullmatch(DEVICE_NAME, wanted.name) and len(wanted.name) <= 63):
        meant = plain_name(wanted.name)
        hint = f" (did you mean {meant}?)" if meant else ""
        raise ConfigError(f"--device {wanted.name}:...: lower-case letters, digits, '-' and '_'{hint}")


def _places(text: str) -> list[Place]:
    if text != ALL_SERIAL:
        return [place_of(text)]
    return [Place(Kind.SERIAL, path) for path in serial_ports()]


def _console(desk: Desk, values: dict[tuple[str, str], Any], given: Given, tell: Tell, outcome: Outcome) -> None:
    there = known.existing(desk.folder).get("console", {})
    console = there | {key: value for (table, key), value in values.items() if table == "console"}
    if needs_insecure(console["url"]) and not console.get("insecure"):
        raise ConfigError(f"{console['url']}: hits would travel in clear text: use mqtts://, or say --insecure")
    for finding in console_tests(console, desk.folder):
        said = {"grade": finding.grade.value, "text": finding.text, "mend": finding.mend or None}
        tell("console", said)
        if finding.grade is Grade.FAIL:
            outcome.failed.append(finding.text)


def _found(place: Place, tell: Tell, outcome: Outcome, driver: str | None = None) -> list[Wanted]:
    found, misses, unknown = list[Wanted](), list[Miss](), False
    for event in search(place, driver):
        match event:
            case Step():
                tell("step", {"place": str(place), "says": event.says, "done": event.done})
            case Found():
                settings = dict(event.settings)
                said = {"driver": event.driver, "settings": settings, "identity": dict(event.identity)}
                tell("found", {"place": str(place), "about": event.about, **said})
                if event.whole:
                    found.append(Wanted(event.driver, settings))
                else:
                    why = f"{place}: a {event.driver} device answers ({event.about}), and nobody knows what it holds"
                    url, unit = settings.get(address_key(info_of(event.driver))), settings.get("unit", 1)
                    where = f"{url}{'&' if '?' in str(url) else '?'}unit={unit}"
                    mend = f"name its profile: --device 'modbus={where}&profile=NAME'; or survey it: --survey '{where}'"
                    tell("miss", {"place": str(place), "code": "unknown", "text": why, "mend": mend})
                    outcome.failed.append(why)
                    unknown = True
            case Miss():
                misses.append(event)
    if not found and not unknown:
        miss = summary(place, misses)
        outcome.failed.append(miss.why)
        tell("miss", {"place": str(place), "code": miss.code, "text": miss.why, "mend": mend_of(place, miss)})
    return found


def mend_of(place: Place, miss: Miss) -> str | None:
    """Return what mends that nothing was found at a place."""
    from drivers.mends import mend

    return mend(miss.code, {Kind.SERIAL: "serial", Kind.FOLDER: "file"}.get(place.kind, "tcp"))


def _device(desk: Desk, wanted: Wanted, untested: bool, tell: Tell, outcome: Outcome) -> None:
    wanted = _completed(wanted, tell, outcome)
    if (there := desk.holder(wanted.settings)) is not None and wanted.name in (None, there):
        _held(desk, there, wanted, tell, outcome)
        return
    name = wanted.name or desk.free_name(wanted.driver)
    probed = probe(wanted.driver, desk.settings(wanted.driver, wanted.settings), PROBE_S)
    report = probed.report
    tell("device", {"device": name, "driver": wanted.driver, "ok": report.ok, **about(probed)})
    if not report.ok:
        outcome.failed.append(f"{name}: {report.steps[-1] if report.steps else report.code}")
    if report.ok or untested:
        desk.device(name, wanted.driver, wanted.settings, notes(probed))


def _held(desk: Desk, there: str, wanted: Wanted, tell: Tell, outcome: Outcome) -> None:
    """Say how a device is that has this address already; its file is left as it is."""
    probed = unanswered(desk, there)
    if probed is None:
        tell("device", {"device": there, "ok": True, "text": "is configured already: left as it is"})
        return
    why = "is configured already, and does not answer as its file has it"
    said = {"layer": probed.layer or None, "code": probed.report.code or None}
    differing = desk.otherwise(there, wanted.driver, wanted.settings)
    if differing and probe(wanted.driver, desk.settings(wanted.driver, wanted.settings), PROBE_S).report.ok:
        lines = ", ".join(f"{key} = {literal(value)}" for key, value in differing.items())
        mend = f"it answers with {lines}: put that into devices/{there}.toml"
    else:
        mend = probed.mend or ""
    tell("device", {"device": there, "ok": False, "text": why, "mend": mend or None, **said})
    outcome.failed.append(f"{there}: {why}")


def unanswered(desk: Desk, name: str) -> Probed | None:
    """Return what came of trying a device on a serial line as its file has it, None where it answers, or none tries.

    Elsewhere an address has no speed that could be wrong; and what a running appliance holds is its own to say.
    """
    device = desk.configured(name)
    if device is None or not device.enabled or scheme_of(device.settings) != "serial":
        return None
    probed = probe(device.driver, device.settings, PROBE_S)
    return None if probed.report.ok or probed.report.code == LinkBusy.code else probed


def _completed(wanted: Wanted, tell: Tell, outcome: Outcome) -> Wanted:
    """Return a device on a serial line with its speed, which is found out where nobody said it."""
    info = info_of(wanted.driver)
    url = str(wanted.settings.get(address_key(info), ""))
    if not info.finder or not url.startswith("serial://") or "?" in url:
        return wanted
    for found in _found(Place(Kind.SERIAL, url.removeprefix("serial://")), tell, Outcome(), wanted.driver):
        return Wanted(
            wanted.driver, found.settings | {k: v for k, v in wanted.settings.items() if k != "url"}, wanted.name
        )
    return wanted


def about(probed: Probed) -> dict[str, Any]:
    """Return what a probe said, for one who reads it."""
    report = probed.report
    said = {"text": report.steps[-1] if report.steps else "", "identity": report.identity, "sample": report.sample}
    return {**said, "layer": probed.layer or None, "code": report.code or None, "mend": probed.mend}


def notes(probed: Probed) -> list[str]:
    """Return the comment at the head of a device's file: when it was tested, and what answered."""
    from datetime import date

    report = probed.report
    if not report.ok:
        return [f"Written by jaitf-edge setup on {date.today():%Y-%m-%d}; it did not answer then."]
    who = ", ".join(f"{key} {value}" for key, value in report.identity.items())
    return [
        f"Tested by jaitf-edge setup on {date.today():%Y-%m-%d}: {who or (report.steps[-1] if report.steps else 'ok')}."
    ]


def lines_of(event: str, said: dict[str, Any]) -> Iterable[str]:
    """Return what is told of an event to a person; nothing of steps."""
    match event:
        case "console":
            yield f"console: {said['grade']}: {said['text']}"
        case "found":
            who = ", ".join(f"{key} {value}" for key, value in said["identity"].items())
            yield f"{said['place']}: {said['driver']}, {said['about']}{f': {who}' if who else ''}"
        case "miss":
            yield f"fail: {said['text']}"
        case "device":
            yield f"{said['device']}: {'ok' if said['ok'] else 'fail: ' + str(said.get('layer'))}: {said['text']}"
            if said.get("sample"):
                yield f"  sample: {said['sample']}"
        case "written" | "kept":
            yield f"{event}: {said['file']}"
        case _:
            return
    if said.get("mend"):
        yield f"  try: {said['mend']}"
