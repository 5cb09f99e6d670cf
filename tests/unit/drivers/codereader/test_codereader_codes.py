"""What codes say: tags by their ten digits, boarding passes, parcels, symbologies; and what is none of them."""

from __future__ import annotations

from dataclasses import fields
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.codereader import bcbp, parcel
from drivers.codereader.codec import BagTag, BoardingPass, Button, Interpreter, Other
from drivers.codereader.parcel import Parcel
from drivers.codereader.splitter import MAX_CODE_BYTES, End, Splitter

DAY = date(2026, 11, 21)
#: The example of IATA's BCBP guide (one leg, no conditional items), and one with them, as the guide prints it.
PLAIN = "M1DESMARAIS/LUC       EABC123 YULFRAAC 0834 226F001A0025 100"
FULL = (
    "M1DESMARAIS/LUC       EABC123 YULFRAAC 0834 326J001A0025 14D>6181WW6225BAC 00141234560032A0141234567890 1AC AC "
    "1234567890123    20KYLX58Z^108GIWVC5EH7JNT684FVNJ91W2QA4DVN5J8K4F0L0GEQ3DF5TGBN8709HKT5D3DW3GBHFCVHMY7J5T6HFR41W2"
)
TWO_LEGS = "M2DESMARAIS/LUC       EABC123 YULFRAAC 0834 226F001A0025 100DEF456 FRAGVALH 3664 227C012C0002 100"


def said(code: str, **options: object) -> object:
    return Interpreter(**options).take(code, 0, DAY)  # type: ignore[arg-type]


@pytest.mark.parametrize("code", ["0125728359", "]I00125728359", "]C00125728359"])
def test_ten_digits_are_a_bag_tag(code):
    assert said(code) == BagTag("0125728359")


@pytest.mark.parametrize(
    "code",
    [
        "012572835",
        "01257283590",
        "0000000000",
        "]L00125728359",
        "]I10125728359",
        "]E00125728359",
        "BA728359",
        "٠١٢٣٤٥٦٧٨٩",
    ],
)
def test_anything_else_is_none(code):
    assert said(code) == Other()


def test_where_symbologies_are_demanded_a_code_without_is_none():
    assert said("0125728359", aim_required=True) == Other()
    assert said("]I00125728359", aim_required=True) == BagTag("0125728359")


def test_a_code_may_be_a_button():
    assert said("]C0K9-ALERT", buttons={"K9-ALERT": "alert"}) == Button("alert")


@given(st.text(alphabet="0123456789", max_size=30))
def test_a_number_is_a_tag_exactly_when_it_has_ten_digits(digits):
    assert isinstance(said(digits), BagTag) == (len(digits) == 10 and digits != "0" * 10)


def test_a_boarding_pass_says_flight_and_date():
    found = said("]L0" + PLAIN)
    assert isinstance(found, BoardingPass)
    (leg,) = found.legs
    assert (leg.flight, leg.day, leg.origin, leg.destination) == ("AC0834", date(2026, 8, 14), "YUL", "FRA")
    assert leg.sequence == "25"


def test_conditional_items_are_stepped_over():
    legs = bcbp.parse(FULL, DAY)
    assert legs
    assert [(leg.flight, leg.day) for leg in legs] == [("AC0834", date(2026, 11, 22))]


def test_each_leg_is_told():
    legs = bcbp.parse(TWO_LEGS, DAY)
    assert legs
    assert [leg.flight for leg in legs] == ["AC0834", "LH3664"]


def test_nothing_of_whose_pass_it_is_is_kept():
    kept = repr(said(FULL))
    for private in ("DESMARAIS", "LUC", "ABC123", "1234567890123", "001A", "0141234567890"):
        assert private not in kept
    assert {field.name for field in fields(bcbp.Leg)} == {
        "origin", "destination", "carrier", "number", "day", "sequence"
    }  # fmt: skip


@pytest.mark.parametrize("text", [FULL.partition("^")[0], PLAIN, TWO_LEGS])
def test_a_pass_that_breaks_off_is_no_read(text):
    for end in range(len(text)):
        assert bcbp.parse(text[:end], DAY) is None


@pytest.mark.parametrize(
    ("today", "day"),
    [
        (date(2026, 12, 30), date(2027, 1, 2)),  # printed before New Year
        (date(2027, 1, 3), date(2027, 1, 2)),
        (date(2026, 3, 1), date(2026, 1, 2)),
    ],
)
def test_the_year_is_the_nearest(today, day):
    legs = bcbp.parse(PLAIN.replace(" 226F", " 002F"), today)
    assert legs
    assert legs[0].day == day


def test_day_366_is_only_of_a_leap_year():
    legs = bcbp.parse(PLAIN.replace(" 226F", " 366F"), date(2026, 6, 1))
    assert legs == ()
    legs = bcbp.parse(PLAIN.replace(" 226F", " 366F"), date(2029, 1, 2))
    assert legs
    assert legs[0].day == date(2028, 12, 31)


def test_an_open_ticket_names_no_flight():
    assert bcbp.parse(PLAIN.replace("0834 226", "        "), DAY) == ()
    assert said(PLAIN.replace("0834 226", "        ")) == Other()


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=200), st.dates())
def test_any_text_is_taken(text, today):
    bcbp.parse(text, today)
    bcbp.parse("M1" + text, today)
    bcbp.parse(PLAIN[:58] + text, today)
    parcel.logistic_unit(text)
    parcel.logistic_unit("00" + text)


def test_parcels():
    assert said("RB123456785GB") == Parcel("RB123456785GB")  # UPU S10's own example is 47312482 9
    assert said("EE473124829US") == Parcel("EE473124829US")
    assert said("EE473124828US") == Other()
    assert said("]C01601234567500001") == said("1601234567500001") == Parcel("160-12345675")  # 1234567 mod 7 is 5
    assert said("1601234567400001") == Other()
    # GS1 General Specifications, 4.14: an SSCC; with gross weight in 0.1 kg; with net weight in pounds.
    assert said("]C100106141411234567897") == Parcel("106141411234567897")
    assert said("]C1001061414112345678973301000125") == Parcel("106141411234567897", 12.5)
    pounds = said("]C100106141411234567897" + "3200000010" + "10LOT7\x1d")
    assert pounds == Parcel("106141411234567897", pytest.approx(4.5359237))
    assert said("]C100106141411234567890") == Other()
    assert said("]C1001061414112") == Other()


@given(st.integers(0, 99_999_999), st.integers(0, 9))
def test_a_postal_item_has_one_check_digit(serial, digit):
    from simulators.codereader.model import postal_item

    right = postal_item(serial)
    assert parcel.postal(right) == Parcel(right)
    other = right[:10] + str(digit) + right[11:]
    assert (parcel.postal(other) is not None) == (other == right)


@pytest.mark.parametrize("end", list(End))
def test_codes_are_cut_at_their_end(end):
    byte = {End.CR: b"\r", End.LF: b"\n", End.TAB: b"\t", End.ETX: b"\x03"}[end]
    assert list(Splitter(end).feed(b"\x020125728359" + byte + b"M1" + byte)) == ["0125728359", "M1"]


def test_cr_lf_is_one_end():
    splitter = Splitter()
    assert list(splitter.feed(b"0125728359\r\n")) == ["0125728359"]
    splitter.quiet()
    assert splitter.endless == 0
    assert list(splitter.feed(b"0125728358\r\n")) == ["0125728358"]


def test_what_breaks_off_is_forgotten_and_counted():
    splitter = Splitter()
    assert list(splitter.feed(b"01257")) == []
    assert splitter.waiting
    splitter.quiet()
    assert list(splitter.feed(b"28359\r")) == ["28359"]
    assert splitter.endless == 1


def test_noise_spoils_its_code_alone():
    splitter = Splitter()
    assert list(splitter.feed(b"0125\xff728359\r0125728358\r01257\n28357\r")) == ["0125728358"]
    assert splitter.damaged == 2


def test_a_flood_without_an_end_takes_no_memory():
    splitter = Splitter()
    for _ in range(100):
        assert list(splitter.feed(b"1" * 1000)) == []
    assert list(splitter.feed(b"\r0125728358\r")) == ["0125728358"]
    assert splitter.damaged == 1
    assert MAX_CODE_BYTES < 5000


@given(st.lists(st.from_regex(r"[!-~]{1,40}", fullmatch=True), max_size=8), st.data())
def test_however_the_bytes_are_split_the_codes_are_the_same(codes, data):
    wire = b"".join(code.encode() + b"\r\n" for code in codes)
    splitter, found = Splitter(), []
    while wire:
        size = data.draw(st.integers(1, len(wire)))
        found += splitter.feed(wire[:size])
        wire = wire[size:]
    assert found == codes


@given(st.lists(st.from_regex(r"[1-9][0-9]{9}", fullmatch=True), min_size=1, max_size=6), st.data())
def test_doubled_bytes_and_noise_lose_tags_but_make_none(tags, data):
    """Whatever is added to a line (not taken away), a tag that comes out is one that went in."""
    wire = bytearray(b"".join(b"]I0" + tag.encode() + b"\r" for tag in tags))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(wire) - 1))
        kind = data.draw(st.sampled_from(["double", "noise"]))
        wire[at:at] = wire[at : at + 1] if kind == "double" else data.draw(st.binary(min_size=1, max_size=3))
    interpreter = Interpreter(aim_required=True)
    found = [interpreter.take(code, 0, DAY) for code in Splitter().feed(bytes(wire))]
    assert {one.number for one in found if isinstance(one, BagTag)} <= set(tags)
