"""The code reader's parsers beside other people's: npm bcbp, the Python package mrz, libxkbcommon."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from mrz.checker.mrva import MRVACodeChecker
from mrz.checker.mrvb import MRVBCodeChecker
from mrz.checker.td1 import TD1CodeChecker
from mrz.checker.td2 import TD2CodeChecker
from mrz.checker.td3 import TD3CodeChecker
from mrz.generator.mrva import MRVACodeGenerator
from mrz.generator.mrvb import MRVBCodeGenerator
from mrz.generator.td1 import TD1CodeGenerator
from mrz.generator.td2 import TD2CodeGenerator
from mrz.generator.td3 import TD3CodeGenerator

from drivers.codereader import bcbp
from drivers.codereader.keys import Layout, characters
from drivers.codereader.mrz import begins, judge

pytestmark = pytest.mark.protocol
ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / ".cache" / "peers_js" / "node_modules"
DEADLINE_S = 60.0
TODAY = date(2026, 11, 21)


def ask_bcbp(questions: list[dict[str, Any]]) -> list[Any]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: scripts/setup test installs it")
    if not (MODULES / "bcbp").is_dir():
        pytest.skip("the npm package bcbp is not installed: scripts/setup test installs it")
    ran = subprocess.run(
        [node, ROOT / "tests" / "peers_js" / "bcbp.js"],
        input="".join(json.dumps(question) + "\n" for question in questions),
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE_S,
        env={**os.environ, "NODE_PATH": str(MODULES)},
    )
    return [json.loads(line) for line in ran.stdout.splitlines()]


def some_pass(chance: random.Random) -> dict[str, Any]:
    def leg() -> dict[str, Any]:
        day = TODAY + timedelta(days=chance.randrange(-20, 60))
        made = {
            "operatingCarrierPNR": f"{chance.randrange(16**6):06X}",
            "departureAirport": chance.choice(["LFW", "ABJ", "CDG"]),
            "arrivalAirport": chance.choice(["BRU", "IST", "DKR"]),
            "operatingCarrierDesignator": chance.choice(["AF", "U2", "3S"]),
            "flightNumber": f"{chance.randrange(1, 9999):04d}" + chance.choice(["", "", "A"]),
            "flightDate": f"{day.isoformat()}T00:00:00.000Z",
            "compartmentCode": "Y",
            "seatNumber": f"{chance.randrange(1, 60):03d}C",
            "checkInSequenceNumber": f"{chance.randrange(1, 400):04d}",
            "passengerStatus": "1",
        }
        if chance.random() < 0.5:
            made |= {"airlineNumericCode": "057", "serialNumber": f"{chance.randrange(10**10):010d}"}
            made |= {"frequentFlyerNumber": f"{chance.randrange(10**9)}", "airlineInfo": "X" * chance.randrange(20)}
        return made

    data: dict[str, Any] = {"legs": [leg() for _ in range(chance.randrange(1, 5))], "passengerName": "NOBODY/REAL"}
    if chance.random() < 0.5:
        data |= {"passengerDescription": "1", "baggageTagNumber": "0057123456002", "boardingPassIssuanceDate": None}
        del data["boardingPassIssuanceDate"]
    if chance.random() < 0.3:
        data |= {"securityDataType": "1", "securityData": "SIGNATURE" * 3}
    return {"data": data}


def test_boarding_passes_that_bcbp_writes_are_read_as_it_means_them():
    chance = random.Random(7)
    passes = [some_pass(chance) for _ in range(200)]
    texts = ask_bcbp([{"encode": one} for one in passes])
    back = ask_bcbp([{"decode": text, "year": TODAY.year} for text in texts])
    for one, text, theirs in zip(passes, texts, back, strict=True):
        legs = bcbp.parse(text, TODAY)
        assert legs is not None, text
        assert [leg.flight for leg in legs] == [
            leg["operatingCarrierDesignator"] + leg["flightNumber"] for leg in theirs["data"]["legs"]
        ]
        assert [(leg.origin, leg.destination, leg.sequence.zfill(4)) for leg in legs] == [
            (leg["departureAirport"], leg["arrivalAirport"], leg["checkInSequenceNumber"])
            for leg in theirs["data"]["legs"]
        ]
        # The package takes the year that it is told; ours is the one that was meant.
        assert [leg.day.isoformat() for leg in legs] == [leg["flightDate"][:10] for leg in one["data"]["legs"]]


CHECKERS = {
    "TD1": TD1CodeChecker,
    "TD2": TD2CodeChecker,
    "TD3": TD3CodeChecker,
    "MRV-A": MRVACodeChecker,
    "MRV-B": MRVBCodeChecker,
}


def made_by_mrz(name: str, chance: random.Random) -> str:
    kind, state, number = (
        ("V" if name[0] == "M" else "P" if name == "TD3" else "I"),
        "UTO",
        f"X{chance.randrange(10**8):08d}",
    )
    born = date(1990, 1, 1) - timedelta(days=chance.randrange(15_000))
    until = TODAY + timedelta(days=chance.randrange(-3_000, 3_000))
    dates = (f"{born:%y%m%d}", chance.choice("MF"), f"{until:%y%m%d}")
    if name == "TD1":
        return str(TD1CodeGenerator(kind, state, number, *dates, state, "NOBODY", "REAL"))
    generator = {
        "TD2": TD2CodeGenerator, "TD3": TD3CodeGenerator, "MRV-A": MRVACodeGenerator, "MRV-B": MRVBCodeGenerator
    }[name]  # fmt: skip
    return str(generator(kind, state, "NOBODY", "REAL", number, state, *dates))


@pytest.mark.parametrize("name", CHECKERS)
def test_zones_that_mrz_writes_are_consistent_and_what_it_refuses_is_not(name):
    chance = random.Random(name)
    for _ in range(40):
        lines = made_by_mrz(name, chance).split("\n")
        form = begins(lines[0])
        assert form
        assert form.name == name
        assert judge(form, tuple(lines), TODAY).wrong == ()
        # One digit of a checked field changed, and both are asked.
        line, start, end = chance.choice([span for spans in form.checks.values() for span in spans])
        places = [at for at in range(start, end) if lines[line][at].isdigit()]
        if not places:
            continue
        at = chance.choice(places)
        digit = chance.choice([d for d in "0123456789" if d != lines[line][at]])
        lines[line] = lines[line][:at] + digit + lines[line][at + 1 :]
        theirs = bool(CHECKERS[name]("\n".join(lines)))
        ours = not judge(form, tuple(lines), TODAY).wrong
        assert (theirs, ours) == (False, False)


NAMED = (
    "space exclam quotedbl numbersign dollar percent ampersand apostrophe parenleft parenright asterisk plus comma "
    "minus period slash colon semicolon less equal greater question at bracketleft backslash bracketright asciicircum "
    "underscore grave braceleft bar braceright asciitilde"
)
#: X key symbols of ASCII characters that are neither letters nor digits; dead keys stand for their character.
SYMBOLS = dict(zip(re.findall(r"\w+", NAMED), " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", strict=True))
SYMBOLS |= {"dead_circumflex": "^", "dead_grave": "`", "dead_tilde": "~"}


def keys_of_xkb(layout: str) -> list[dict[int, str]]:
    """Return key code to ASCII character on the first three levels, as libxkbcommon has them."""
    program = shutil.which("xkbcli")
    if program is None:
        pytest.fail("xkbcli is not installed: apt-get install libxkbcommon-tools")
    command = [program, "compile-keymap", "--layout", layout]
    keymap = subprocess.run(command, capture_output=True, text=True, check=True, timeout=DEADLINE_S).stdout
    codes = {name: int(code) - 8 for name, code in re.findall(r"<(\w+)>\s*= (\d+);", keymap)}
    levels: list[dict[int, str]] = [{}, {}, {}]
    for name, body in re.findall(r"key <(\w+)>\s*\{(.*?)\};", keymap, re.DOTALL):
        symbols = re.search(r"\[([^\]]*)\]", body.replace("symbols[1]=", ""))
        names = symbols[1].split(",") if symbols else []
        for level, symbol in zip(levels, names * 2 if len(names) == 1 else names, strict=False):
            named = symbol.strip()
            char = SYMBOLS.get(named, named)
            if len(char) == 1 and char.isascii():
                level[codes[name]] = char
    return levels


@pytest.mark.parametrize("layout", list(Layout))
def test_keyboards_are_as_libxkbcommon_has_them(layout):
    theirs = keys_of_xkb(layout)
    typing = {41, *range(2, 14), *range(16, 28), *range(30, 41), 43, *range(44, 54), 57, 86}
    assert len(theirs[0]) > 40
    for level, (ours, keymap) in enumerate(zip(characters(layout), theirs, strict=True)):
        told = {code: char for code, char in ours.items() if code in typing}
        if level < 2:
            expected = {code: char for code, char in keymap.items() if code in typing}
            assert told == expected, level
        else:  # what AltGr adds; on a US keyboard it is a second Alt
            assert told.items() <= keymap.items()


async def test_the_simulator_in_a_process_of_its_own_is_read(tmp_path):
    import sys

    from drivers.codereader.driver import CodereaderDriver
    from drivers.codereader.settings import CodereaderSettings
    from tests.fakeport import FakePort, running

    command = [sys.executable, "-m", "simulators.cli", "codereader", "--json", "--every-s", "0.05", "--button-s", "0.3"]
    command += ["--kinds", "tag,pass,parcel,document", "--forged-every", "2", "--hid", str(tmp_path / "keys")]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    try:
        async with asyncio.timeout(DEADLINE_S):
            told = json.loads(await process.stdout.readline())
        assert told["simulated"] is True
        buttons = [{"key": "KEY_F1", "name": "alert"}]
        driver = CodereaderDriver(CodereaderSettings.model_validate({"url": told["listening"], "buttons": buttons}))
        port = FakePort(state_dir=tmp_path)

        def seen() -> set[str]:
            kinds = {code["kind"] for reading in port.readings for code in reading.values.get("codes", ())}
            return kinds | {finding.label for reading in port.readings for finding in reading.findings}

        wanted = {"bag_tag", "boarding_pass", "parcel", "travel_document", "alert"}
        async with running(driver, port):
            await port.until(lambda: seen() >= wanted)
            await port.until(
                lambda: any(f.measurement.name == "inconsistent" for r in port.readings for f in r.findings)
            )
        assert seen() == wanted
    finally:
        process.terminate()
        async with asyncio.timeout(DEADLINE_S):
            await process.wait()
