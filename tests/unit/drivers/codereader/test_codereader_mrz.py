"""Machine readable zones: the specimens of Doc 9303, and what one changed character does to them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.codereader.mrz import Document, Zones, begins, judge, split
from simulators.codereader.model import check_digit

DAY = date(2010, 6, 1)
#: ICAO Doc 9303 (8th edition), the appendices of parts 4 to 7; the last is the specimen of the French card.
SPECIMENS = {
    "TD3": ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"),
    "TD2": ("I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6"),
    "TD1": ("I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"),
    "MRV-A": ("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L8988901C4XXX4009078F96121096ZE184226B<<<<<<"),
    "MRV-B": ("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "L8988901C4XXX4009078F9612109<<<<<<<<"),
    "FR-ID": ("IDFRABERTHIER<<<<<<<<<<<<<<<<<<<<<<<", "8806923102858CORINNE<<<<<<<6512068F6"),
}
LONG_NUMBERS = (
    ("I<UTOD23145890<7349<<<<<<<<<<<", "3407127M9507122UTO<<<<<<<<<<<2", "STEVENSON<<PETER<JOHN<<<<<<<<<"),
    ("I<UTOSTEVENSON<<PETER<JOHN<<<<<<<<<<", "D23145890<UTO3407127M95071227349<<<8"),
)


def judged(*lines: str, today: date = DAY) -> Document:
    form = begins(lines[0])
    assert form
    assert len(lines) == form.lines
    return judge(form, lines, today)


def changed(line: str, at: int, char: str) -> str:
    return line[:at] + char + line[at + 1 :]


@pytest.mark.parametrize("name", SPECIMENS)
def test_a_specimen_is_consistent(name):
    found = judged(*SPECIMENS[name])
    assert (found.form, found.wrong) == (name, ())


@pytest.mark.parametrize("lines", LONG_NUMBERS)
def test_a_long_number_goes_on_in_the_optional_data(lines):
    found = judged(*lines)
    assert (found.wrong, found.number) == ((), "D23145890734")
    line, at = (0, 15) if len(lines) == 3 else (1, 28)
    broken = list(lines)
    broken[line] = changed(broken[line], at, "8")
    assert "document number" in judged(*broken).wrong


def test_a_document_expires_at_the_end_of_its_last_day_wherever_it_is_shown():
    assert not judged(*SPECIMENS["TD3"], today=date(2012, 4, 16)).expired
    assert judged(*SPECIMENS["TD3"], today=date(2012, 4, 17)).expired
    assert judged(*SPECIMENS["MRV-A"], today=date(2012, 1, 1)).expired  # 961210 is of the last century
    assert not judged(*SPECIMENS["FR-ID"], today=date(2040, 1, 1)).expired  # its line does not say


@pytest.mark.parametrize(
    ("name", "line", "at", "char", "wrong"),
    [
        ("TD3", 1, 0, "M", {"document number", "composite"}),
        ("TD3", 1, 13, "8", {"date of birth", "composite"}),
        ("TD3", 1, 22, "9", {"date of expiry", "composite"}),
        ("TD3", 1, 42, "7", {"personal number", "composite"}),
        ("TD3", 1, 43, "1", {"composite"}),
        ("TD2", 1, 30, "B", {"composite"}),
        ("TD1", 0, 20, "1", {"composite"}),
        ("MRV-B", 1, 9, "5", {"document number"}),
        ("FR-ID", 0, 6, "F", {"composite"}),
    ],
)
def test_each_check_is_named(name, line, at, char, wrong):
    lines = list(SPECIMENS[name])
    lines[line] = changed(lines[line], at, char)
    assert set(judged(*lines).wrong) == wrong


def test_a_forger_who_mends_the_checks_is_caught_by_the_calendar():
    first, second = SPECIMENS["TD3"]
    second = second[:21] + "120230" + check_digit("120230") + second[28:43]
    second += check_digit(second[:10] + second[13:20] + second[21:43])
    assert judged(first, second).wrong == ("impossible date of expiry",)
    first, second = SPECIMENS["MRV-B"]
    second = second[:13] + "401307" + check_digit("401307") + second[20:]
    assert judged(first, second).wrong == ("impossible date of birth",)


def test_unknown_parts_of_a_date_of_birth_are_no_fault():
    found = judged("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "L8988901C4XXX40<<<<8F9612109<<<<<<<<")
    assert found.wrong == ()


def test_an_empty_personal_number_may_leave_its_check_digit_out():
    for told in ("<", "0"):
        assert judged(SPECIMENS["TD3"][0], "L898902C36UTO7408122F1204159<<<<<<<<<<<<<<" + told + "8").wrong == ()


@given(st.sampled_from(sorted(SPECIMENS)), st.data())
def test_no_single_misread_digit_goes_unseen_where_a_check_stands(name, data):
    """A digit for another digit changes a 7-3-1 sum, always: 7, 3 and 1 have no factor with 10."""
    lines = list(SPECIMENS[name])
    form = begins(lines[0])
    assert form
    span = data.draw(st.sampled_from([span for spans in form.checks.values() for span in spans]))
    line, start, end = span
    places = [at for at in range(start, end) if lines[line][at].isdigit()]
    if not places:
        return
    at = data.draw(st.sampled_from(places))
    digit = data.draw(st.sampled_from([d for d in "0123456789" if d != lines[line][at]]))
    lines[line] = changed(lines[line], at, digit)
    assert judged(*lines).wrong


@pytest.mark.parametrize("name", SPECIMENS)
def test_lines_come_one_by_one_or_in_one_piece(name):
    lines = SPECIMENS[name]
    zones = Zones()
    *parts, last = [zones.take(line, 1.0, DAY) for line in lines]
    assert parts == [True] * (len(lines) - 1)
    assert isinstance(last, Document)
    assert last.form == name
    whole = zones.take("".join(lines), 2.0, DAY)
    assert whole == last
    assert zones.partial == 0


def test_half_a_zone_is_none():
    zones = Zones(gap_s=2)
    first, second = SPECIMENS["TD3"]
    assert zones.take(second, 0, DAY) is False
    assert zones.take(first, 0, DAY) is True
    assert zones.take(second, 3, DAY) is False  # too late: it may be of another
    assert zones.take(first, 4, DAY) is True
    assert zones.take(second[:43], 4, DAY) is False
    assert zones.take(second, 4, DAY) is False
    assert zones.partial == 2


def test_a_document_whose_second_line_was_lost_does_not_take_the_next_ones():
    zones = Zones()
    first, second = SPECIMENS["TD3"]
    other = "P<UTOSTEVENSON<<PETER<JOHN<<<<<<<<<<<<<<<<<<"
    assert zones.take(other, 0, DAY) is True
    assert zones.take(first, 0.5, DAY) is True
    found = zones.take(second, 0.6, DAY)
    assert isinstance(found, Document)
    assert zones.partial == 1


@given(st.text(alphabet="PVIACU<0123456789XT", min_size=1, max_size=100))
def test_any_text_is_taken_without_complaint(text):
    zones = Zones()
    for code in (text, text[:44].ljust(44, "<"), text[:36].ljust(36, "<"), text[:30].ljust(30, "<")):
        zones.take(code, 0, DAY)
    assert split(text) is None or len(text) in (72, 88, 90)
