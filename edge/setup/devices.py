"""One device in the dialogue: offered, named, tested, written; by hand where nothing finds it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from drivers import registry
from drivers.contract import DriverInfo, Settings
from drivers.finding import Found, Place
from edge.config.model import DEVICE_NAME
from edge.config.problems import plain_name
from edge.config.template import literal
from edge.probing import Probed, probe
from edge.setup import flags, survey
from edge.setup.desk import Desk
from edge.setup.terminal import Progressed, Terminal
from edge.setup.wanted import Wanted, address, address_key, info_of

if TYPE_CHECKING:
    from drivers.dicos.find import Call
    from drivers.dicos.settings import DicosSettings

CALL_S = 120.0
_SAMPLE = 160


def offer(term: Terminal, desk: Desk, place: Place, found: Found) -> None:
    """Show what was found, and add it where that is wanted."""
    who = ", ".join(f"{key} {value}" for key, value in found.identity.items())
    term.well(f"{place}: {found.driver}, {found.about}{f': {who}' if who else ''}")
    term.say(f"        {info_of(found.driver).summary}")
    if found.sample:
        term.say(f"        {found.sample[:_SAMPLE]}")
    if there := desk.holder(found.settings):
        term.say(f"        It is {there} already.")
        if (other := desk.otherwise(there, found.driver, found.settings)) and flags.unanswered(desk, there) is not None:
            lines = ", ".join(f"{key} = {literal(value)}" for key, value in other.items())
            if term.confirm(f"It does not answer as its file has it. Set {lines} there?"):
                term.say(f"  Written: {desk.change(there, other)}")
        return
    if not term.confirm("Add it?"):
        return
    settings = dict(found.settings)
    if not found.whole:
        more = survey.registers(term, desk, settings)
        if more is None:
            return
        settings |= more
    add(term, desk, Wanted(found.driver, settings))


def add(term: Terminal, desk: Desk, wanted: Wanted) -> None:
    """Name a device, test it, and write it; where it does not answer, say why and ask what then."""
    name = wanted.name or term.text(
        "Its name", desk.free_name(wanted.driver), lambda text: _bad_name(desk, text), better=plain_name
    )
    while True:
        with term.progress(name) as progressed:
            progressed(0.3, "testing")
            probed = probe(wanted.driver, desk.settings(wanted.driver, wanted.settings), flags.PROBE_S)
        _show(term, name, probed)
        unheard = probed.report.ok and not probed.report.answered and probed.report.sample is not None
        if unheard and term.confirm("Try again, and use it meanwhile?"):
            continue
        if probed.report.ok:
            break
        ways = [("again", "try again"), ("leave", "leave it out"), ("write", "write it all the same")]
        match term.choose("What now?", ways):
            case "leave":
                return
            case "write":
                break
    path = desk.device(name, wanted.driver, wanted.settings, flags.notes(probed))
    term.say(f"  Written: {path}")


def _bad_name(desk: Desk, text: str) -> str | None:
    if not re.fullmatch(DEVICE_NAME, text) or len(text) > 63:
        return "lower-case letters, digits, '-' and '_', such as xray-1"
    return f"there is a device {text} already" if text in desk.devices() else None


def _show(term: Terminal, name: str, probed: Probed) -> None:
    report = probed.report
    last = report.steps[-1] if report.steps else ""
    if report.ok:
        term.well(f"{name}: {last} ({probed.took_s:.1f} s)")
        if report.sample:
            term.say(f"        {report.sample[:_SAMPLE]}")
        if not report.answered:
            term.doubt(f"{name}: the way is open, but the device itself was not heard yet")
    else:
        term.fault(f"{name}: {probed.layer}: {last}", probed.mend)


def by_hand(term: Terminal, desk: Desk) -> None:
    """Choose a driver and answer for the settings that it needs."""
    options = [(info, f"{name}: {info.summary}") for name, info in registry.available().items()]
    info = term.choose("Which driver?", options)
    try:
        add(term, desk, Wanted(info.name, _asked(term, desk, info)))
    except Cannot as error:
        term.doubt(str(error), f"`jaitf-edge drivers {info.name}` shows an example of such a file")


class Cannot(Exception):  # no error: it is said, and the dialogue goes on
    """A driver needs settings that are easier written than asked."""


def _asked(term: Terminal, desk: Desk, info: DriverInfo) -> dict[str, Any]:
    cls = registry.settings_class(info)
    key = address_key(info)
    needed = [name for name, field in cls.model_fields.items() if field.is_required() and name != key]
    if needed:
        raise Cannot(f"{info.name} needs {', '.join(needed)}: write that into a file")
    term.say(f"  {cls.model_fields[key].description}")
    protocol = cls.model_fields.get("protocol")
    settings: dict[str, Any] = {}
    if protocol is not None and isinstance(protocol.annotation, type):
        term.say(f"  {protocol.description}")
        settings["protocol"] = term.choose("Protocol?", [(word.value, word.value) for word in protocol.annotation])
    if info.name == "modbus":
        points = {"points": [_ANY_POINT]}
        settings[key] = address(term.text(key, "", lambda text: _wrong(cls, points | {key: address(text, key)})), key)
        settings["unit"] = int(term.text("unit", "1", lambda t: None if t.isdigit() and int(t) < 256 else "0 to 255"))
        more = survey.registers(term, desk, settings)
        if more is None:
            raise Cannot("without registers there is nothing to read")
        return settings | more
    default = "" if cls.model_fields[key].is_required() else str(cls.model_fields[key].get_default())
    typed = term.text(key, default, lambda text: _wrong(cls, settings | {key: address(text, key)}))
    return settings | {key: address(typed, key)}


_ANY_POINT = {"name": "any", "table": "holding", "address": 0}


def _wrong(cls: type[Settings], settings: Mapping[str, Any]) -> str | None:
    try:
        cls.model_validate(settings)
    except ValidationError as error:
        return error.errors()[0]["msg"].removeprefix("Value error, ")
    return None


def scanner(term: Terminal, desk: Desk) -> None:
    """Wait as the device will for a scanner to call, and say who did, and what it called us."""
    from drivers.dicos.settings import DicosSettings

    title = term.text("This appliance's AE title", "EDGE", lambda t: _wrong(DicosSettings, {"ae_title": t}))
    port = term.text("Port to listen on", "11112", _bad_port)
    settings = DicosSettings.model_validate({"listen": f"0.0.0.0:{port}", "ae_title": title})
    addresses = ", ".join(_own_addresses()) or "this machine's address"
    term.say(f"  At the scanner, enter as its store: AE title {title}, address {addresses}, port {port}.")
    term.say("  Then have it test the connection (verify, echo), or send a picture.")
    with term.progress("waiting for a scanner") as progressed:
        call = asyncio.run(_called(settings, progressed))
    if call is None:
        mend = "cable, address and port at the scanner; a firewall between?"
        term.fault(f"nobody called within {CALL_S:.0f} s", mend)
    else:
        echo = ", and had its echo" if call.echoed else ""
        term.well(f"{call.calling} at {call.address} calls us {call.called!r}{echo}")
        if call.called != title:
            term.doubt(
                f"it calls us {call.called!r}, and we are {title!r}: that is taken unless check_called_ae_title is set",
                "enter our AE title at the scanner",
            )
    if call or term.confirm("Add a scanner all the same?", default=False):
        add(term, desk, Wanted("dicos", {"listen": settings.listen, "ae_title": title}))


async def _called(settings: DicosSettings, progressed: Progressed) -> Call | None:
    """Wait for a call, with the time that is left."""
    from drivers.dicos.find import wait_for_call

    waiting = asyncio.create_task(wait_for_call(settings, CALL_S))
    began = time.monotonic()
    while not waiting.done():
        gone_s = time.monotonic() - began
        progressed(gone_s / CALL_S, f"{CALL_S - gone_s:.0f} s left")
        await asyncio.wait({waiting}, timeout=1.0)
    return waiting.result()


def _bad_port(text: str) -> str | None:
    return None if text.isdigit() and 0 < int(text) < 65_536 else "1 to 65535"


def _own_addresses() -> list[str]:
    import socket

    import psutil

    return sorted(
        one.address
        for name, listed in psutil.net_if_addrs().items()
        for one in listed
        if one.family is socket.AF_INET and not one.address.startswith("127.")
    )
