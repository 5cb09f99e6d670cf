"""Sentences of NMEA 0183: known ones, damaged ones, and above all those without a fix."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.nmea.codec import Heard, Place, Receiver, Sentences, parse
from simulators.collar.model import Spot, Walk, sentence, sentences

#: The two sentences that every description of NMEA 0183 shows; their checksums are known to be right.
RMC = b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A"
GGA = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47"
MUNICH = (48.1173, 11.516667)


def place(line: bytes) -> Place | None:
    heard = parse(line)
    assert isinstance(heard, Heard), line
    return heard.place


def test_the_known_sentences():
    found = place(RMC)
    assert found
    assert (found.latitude, found.longitude) == MUNICH
    assert found.speed_mps == pytest.approx(22.4 * 0.514444, abs=0.01)
    found = place(GGA)
    assert found
    assert (found.latitude, found.longitude, found.satellites, found.hdop) == (*MUNICH, 8, 0.9)


@pytest.mark.parametrize(
    "body",
    [
        "GPRMC,123519,V,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W",  # a place, but void
        "GNRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,,,E",  # estimated
        "GNRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,,,N",
        "GNRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,,,S",  # simulated
        "GPRMC,123519,A,,,,,,,230394,,",  # pynmea2 gives an empty field as 0
        "GPRMC,123519,A,0000.000,N,00000.000,E,,,230394,,",
        "GPRMC,123519,A,4807.038,,01131.000,E,,,230394,,",
        "GPRMC,,V,,,,,,,,,,N",
        "GPGGA,123519,4807.038,N,01131.000,E,0,08,0.9,545.4,M,46.9,M,,",
        "GPGGA,123519,4807.038,N,01131.000,E,6,08,0.9,545.4,M,46.9,M,,",
        "GPGGA,123519,4807.038,N,01131.000,E,x,08,0.9,545.4,M,46.9,M,,",
        "GPGGA,123519,4877.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,",  # 77 minutes
        "GPGGA,123519,4807.038,N,19131.000,E,1,08,0.9,545.4,M,46.9,M,,",
    ],
)
def test_no_fix_is_no_place(body):
    assert place(sentence(body).strip()) is None


@pytest.mark.parametrize(
    "line",
    [
        RMC[:-3],  # no checksum at all
        RMC[:-2] + b"6B",
        RMC.replace(b"4807", b"4808"),
        b"x" + RMC,
        RMC + b"A",
        b"",
        b"$" + b"A" * 200,
        sentence("GPRMC,123519,A,4807.038,N,01131.000,E,fast,084.4,230394,003.1,W").strip(),
        sentence("GPGGA,123519,4807.038,N,01131.000,E,1,many,0.9,545.4,M,46.9,M,,").strip(),
    ],
)
def test_what_is_damaged_is_none(line):
    assert parse(line) is False


def test_other_sentences_are_signs_of_life():
    assert parse(sentence("GPGSV,1,1,01,21,00,000,00").strip()) is True
    assert parse(b"!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C") is True
    assert parse(b"!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5D") is False


def test_both_kinds_of_one_moment_make_one_place():
    receiver = Receiver()
    for line in (RMC, GGA):
        heard = parse(line)
        assert isinstance(heard, Heard)
        found = receiver.take(heard)
    assert found
    assert (found.satellites, found.hdop, round(found.speed_mps or 0, 1)) == (8, 0.9, 11.5)


def test_a_place_stands_only_while_every_kind_has_a_fix():
    receiver = Receiver()
    good, lost = sentences(Walk().at(0), 0), sentences(Spot(0, 0, 0, fix=False), 1)
    found = [receiver.take(heard) for heard in Sentences().feed(good + lost.splitlines(keepends=True)[1] + good)]
    assert [one is not None for one in found] == [True, True, False, False, True]


@given(st.floats(-89.9, 89.9), st.floats(-179.9, 179.9))
def test_a_place_comes_back_as_it_was_sent(latitude, longitude):
    found = [heard.place for heard in Sentences().feed(sentences(Spot(latitude, longitude, 1.5), 40_000))]
    if abs(latitude) < 1e-5 and abs(longitude) < 1e-5:
        return
    assert len(found) == 2
    for one in found:
        assert one
        assert one.latitude == pytest.approx(latitude, abs=2e-6)
        assert one.longitude == pytest.approx(longitude, abs=2e-6)


@given(st.binary(max_size=400))
def test_any_bytes_are_taken_and_the_next_sentence_is_found(noise):
    reader = Sentences()
    list(reader.feed(noise))
    assert [heard.kind for heard in reader.feed(b"\r\n" + RMC + b"\r\n")][-1:] == ["RMC"]


@given(st.data())
def test_a_byte_changed_doubled_or_lost_makes_no_other_place(data):
    """The checksum is one of 8 bits over all characters: a single error of these kinds is always seen."""
    line = bytearray(data.draw(st.sampled_from([RMC, GGA])))
    at = data.draw(st.integers(0, len(line) - 1))
    kind = data.draw(st.sampled_from(["change", "double", "lose"]))
    if kind == "change":
        line[at] = data.draw(st.integers(0, 255))
    elif kind == "double":
        line[at:at] = line[at : at + 1]
    else:
        del line[at]
    heard = parse(bytes(line))
    if isinstance(heard, Heard):
        assert bytes(line).upper() in (RMC, GGA)


@given(st.data())
def test_however_the_bytes_are_split_the_places_are_the_same(data):
    wire, reader, found = (RMC + b"\r\n" + GGA + b"\r\n") * 2, Sentences(), []
    while wire:
        size = data.draw(st.integers(1, len(wire)))
        found += [heard.kind for heard in reader.feed(wire[:size])]
        wire = wire[size:]
    assert found == ["RMC", "GGA"] * 2
    assert reader.damaged == 0
