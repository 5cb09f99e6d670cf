"""The portal's lines: golden ones, recordings of a real portal, and whatever else may come."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.clock import Stamp
from drivers.errors import ProtocolError
from drivers.rpm_ascii.codec import (
    MAX_LINE_BYTES,
    Counts,
    Ended,
    Lines,
    Other,
    Ray,
    Setup,
    Speed,
    Tamper,
    When,
    parse,
)
from drivers.rpm_ascii.portal import MAX_RAW_BYTES, Alarm, Background, Event, Passed, Portal, Tampered

RECORDINGS = Path(__file__).parent / "recordings"

# The first three stand in public code and comments about these portals; the others are of a recorded VM-250.
GOLDEN = [
    (b"GB,000188,000206,000262,000243", Counts(Ray.GAMMA, When.BACKGROUND, (188, 206, 262, 243))),
    (b"NB,000002,000002,000002,000002,00-00-04.841", Counts(Ray.NEUTRON, When.BACKGROUND, (2, 2, 2, 2))),
    (b"GB,000822,000750,000770,000757,00-00-04.919", Counts(Ray.GAMMA, When.BACKGROUND, (822, 750, 770, 757))),
    (b"GA,000071,000061,000065,000080", Counts(Ray.GAMMA, When.ALARM, (71, 61, 65, 80))),
    (b"NS,000000,000001,000003,000001", Counts(Ray.NEUTRON, When.SCAN, (0, 1, 3, 1))),
    (b"SP,0.1281,05.323,008.57,000000", Speed(8.57)),
    (b"GX,000594,002391,000000,000000", Ended(594, 2.391)),
    (b"SG1,002000,000068,05,10,05.0,P", Setup("SG1", ("002000", "000068", "05", "10", "05.0", "P"))),
    (b"SG3,0.069,0.455,020,000,1.10.1", Setup("SG3", ("0.069", "0.455", "020", "000", "1.10.1"))),
    (b"SN2,0.504,5.040,0.504,5.040,PP", Setup("SN2", ("0.504", "5.040", "0.504", "5.040", "PP"))),
    (b"AX, -0.0753,  0.0576,  0.5112, -0.1510,  1.1609", Other("AX")),
    (b"TT", Tamper(True)),
    (b"TC", Tamper(False)),
]


@pytest.mark.parametrize(("line", "meaning"), GOLDEN)
def test_golden_lines(line: bytes, meaning: object):
    assert parse(line) == meaning


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GA",
        b"GA,1,2,3",
        b"GA,1,2,3,x",
        b"GA,-1,2,3,4",
        b"ga,1,2,3,4",
        b"GX,1",
        b"GA,1,2,3,\xff4",
        b"GA,1,2,3,12345678",
    ],
)
def test_what_is_damaged_is_no_alarm(line: bytes):
    with pytest.raises(ProtocolError):
        parse(line)


@given(st.binary(max_size=600), st.lists(st.integers(0, 600), max_size=5))
def test_any_bytes_in_any_pieces_give_the_same_lines(data: bytes, cuts: list[int]):
    whole = list(Lines().feed(data))
    lines, pieces, start = Lines(), [], 0
    for cut in [*sorted(cuts), len(data)]:
        pieces += lines.feed(data[start:cut])
        start = max(start, cut)
    assert [line.message for line in pieces] == [line.message for line in whole]
    assert all(len(line.raw) <= MAX_LINE_BYTES for line in whole)


@given(
    st.sampled_from([b"GB", b"GS", b"GA", b"GH", b"GL", b"NB", b"NS", b"NA", b"NH"]),
    st.tuples(*[st.integers(0, 999_999)] * 4),
    st.binary(max_size=40).filter(lambda noise: b"\n" not in noise),
)
def test_a_line_is_found_after_noise(code: bytes, counts: tuple[int, int, int, int], noise: bytes):
    line = code + b"".join(b",%06d" % count for count in counts)
    *_, found = Lines().feed(noise + b"\n" + line + b"\r\n")
    assert found.raw == line
    assert isinstance(found.message, Counts)
    assert found.message.detectors == counts


def test_an_endless_line_costs_no_memory_and_the_next_one_is_read():
    lines = Lines()
    for _ in range(100):
        assert not list(lines.feed(b"7" * 1000))
    cut, whole = lines.feed(b"7\r\nTT\r\n")
    assert cut.message is None
    assert whole.message == Tamper(True)


def played(data: bytes, portal: Portal | None = None) -> list[Event]:
    portal = portal or Portal()
    found: list[Event] = []
    for number, line in enumerate(Lines().feed(data)):
        assert line.message is not None, line.raw
        found += portal.see(line, Stamp(number, number))
    return found


def of(events: list[Event], kind: type) -> list:
    return [event for event in events if isinstance(event, kind)]


def test_a_recorded_source_alarms_once_in_its_occupancy_and_nothing_alarms_without_it():
    (passed,) = of(played((RECORDINGS / "source-none.txt").read_bytes()), Passed)
    assert not passed.occupancy.alarms and not passed.cut
    data = (RECORDINGS / "source-norm.txt").read_bytes()
    events = played(data)
    (alarm,), (passed,) = of(events, Alarm), of(events, Passed)
    assert alarm.ray is Ray.GAMMA
    assert alarm.rate_cps > alarm.background_cps + 4 * math.sqrt(alarm.background_cps)
    assert passed.number == 109 and passed.missed == 0
    assert passed.occupancy.alarms == {Ray.GAMMA}
    assert passed.occupancy.gamma_max_cps > alarm.rate_cps
    assert alarm.raw in data, "what the hit keeps is the wire, bit for bit"
    assert alarm.raw.splitlines()[-1].startswith(b"GA,")


EMPTY = b"NB,000000,000000,000000,000000\r\nGB,000400,000400,000400,000400\r\n"
SCAN, GAMMA, NEUTRON = b"GS,000080,000080,000080,000080\r\n", b"GA,000200,000100,0,0\r\n", b"NA,10,10,0,0\r\n"


def end(number: int) -> bytes:
    return b"GX,%06d,002000,000000,000000\r\n" % number


def test_each_kind_of_alarm_once_an_occupancy():
    events = played(EMPTY + SCAN + GAMMA * 3 + NEUTRON * 2 + SCAN + end(1) + EMPTY + GAMMA + end(2))
    assert [alarm.ray for alarm in of(events, Alarm)] == [Ray.GAMMA, Ray.NEUTRON, Ray.GAMMA]
    first, second = of(events, Passed)
    assert first.occupancy.alarms == {Ray.GAMMA, Ray.NEUTRON}
    assert first.occupancy.neutron_max_cps == 20
    assert second.number == 2
    assert of(events, Alarm)[0].raw.startswith(EMPTY)


def test_an_occupancy_whose_end_is_lost_ends_with_the_next_background_and_is_counted():
    events = played(SCAN + end(5) + SCAN + GAMMA + EMPTY + SCAN + end(7))
    assert [(p.number, p.missed) for p in of(events, Passed)] == [(5, 0), (None, 0), (7, 1)]


def test_occupancies_that_nobody_heard_of_are_counted_and_a_portal_begun_anew_is_not():
    portal = Portal()
    played(SCAN + end(999_999) + SCAN + end(2) + end(2), portal)
    assert portal.missed == 2
    played(SCAN + end(500_000) + SCAN + end(1), portal)
    assert portal.missed == 2
    played(end(3), portal)
    assert portal.missed == 4


def test_faults_stand_until_their_background_is_back():
    portal = Portal()
    played(b"GH,9,9,9,9\r\nNB,1,1,1,1\r\n", portal)
    assert portal.faults[Ray.GAMMA][0] == "gamma-high"
    played(b"GL,9,9,9,9\r\nNH,9,9,9,9\r\n", portal)
    assert {code for code, _ in portal.faults.values()} == {"gamma-low", "neutron-high"}
    played(EMPTY, portal)
    assert not portal.faults


def test_tampering_is_told_once_until_it_is_over():
    assert len(of(played(b"TT\r\nTT\r\nTC\r\nTT\r\n"), Tampered)) == 2


@given(
    st.lists(st.sampled_from([EMPTY, SCAN, GAMMA, NEUTRON, end(1), end(2), b"TT\r\n", b"GH,1,1,1,1\r\n"]), max_size=80)
)
def test_an_alarm_belongs_to_an_occupancy_and_every_occupancy_ends(parts: list[bytes]):
    portal = Portal()
    events = played(b"".join(parts), portal) + portal.lost()
    assert portal.occupancy is None
    alarms, passed = of(events, Alarm), of(events, Passed)
    assert len(alarms) == sum(len(each.occupancy.alarms) for each in passed)
    assert all(len(alarm.raw) <= MAX_RAW_BYTES for alarm in alarms)
    assert len(of(events, Background)) == 2 * parts.count(EMPTY)
