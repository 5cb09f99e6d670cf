"""The collar's driver beside pynmeagps, which writes and reads NMEA 0183 on its own, and our simulator as a process."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from pynmeagps import GET, NMEAMessage, NMEAReader

from drivers.contract import DeviceState
from drivers.nmea.codec import Sentences
from drivers.nmea.driver import NmeaDriver
from drivers.nmea.settings import NmeaSettings
from simulators.collar.model import Spot, sentences
from tests.fakeport import FakePort, running
from tests.simulated import simulated

pytestmark = pytest.mark.protocol


def test_what_pynmeagps_writes_is_read_as_it_means_it():
    chance = random.Random(7)
    for _ in range(200):
        latitude, longitude = chance.uniform(-89, 89), chance.uniform(-179, 179)
        status, mode = chance.choice([("A", "A"), ("A", "D"), ("V", "N"), ("A", "E")])
        quality = chance.choice([0, 1, 2, 6])
        where = {"lat": latitude, "NS": "SN"[latitude >= 0], "lon": longitude, "EW": "WE"[longitude >= 0]}
        rmc = NMEAMessage("GN", "RMC", GET, status=status, spd=3.25, posMode=mode, **where)
        gga = NMEAMessage("GN", "GGA", GET, quality=quality, numSV=9, HDOP=1.1, **where)
        for message, fix in ((rmc, (status, mode) in (("A", "A"), ("A", "D"))), (gga, quality in (1, 2))):
            (heard,) = Sentences().feed(message.serialize())
            assert (heard.place is not None) == fix, message
            if heard.place:
                assert heard.place.latitude == pytest.approx(latitude, abs=2e-6)
                assert heard.place.longitude == pytest.approx(longitude, abs=2e-6)


def test_what_the_simulated_collar_says_pynmeagps_reads():
    wire = sentences(Spot(6.16561, -1.25451, 1.5), 45_296)
    rmc, gga = (NMEAReader.parse(line) for line in wire.splitlines(keepends=True))
    for message in (rmc, gga):
        assert (message.lat, message.lon) == (pytest.approx(6.16561, abs=2e-6), pytest.approx(-1.25451, abs=2e-6))
    assert (rmc.status, gga.quality, gga.numSV) == ("A", 1, 8)
    assert rmc.spd == pytest.approx(1.5 * 3600 / 1852, abs=0.01)


async def test_the_simulator_in_a_process_of_its_own_is_read_killed_and_read_again(tmp_path: Path):
    path, port = tmp_path / "collar", FakePort(state_dir=tmp_path)
    settings = NmeaSettings.model_validate({"url": f"serial://{path}", "report_s": 0.05, "silence_s": 20})
    async with running(NmeaDriver(settings), port):
        for _ in range(2):
            seen = len(port.readings)
            async with simulated("collar", "--every-s", "0.1", "--pty", str(path)) as process:
                await port.until(lambda seen=seen: any(reading.values["fix"] for reading in port.readings[seen:]))
                process.kill()
            await port.until(lambda: port.last and port.last.state is DeviceState.DOWN)
