"""The protocols of scales: frames as the makers' documents print them, damaged ones, and any bytes at all."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.scale.declared import is_far
from drivers.scale.frames import Framer, Seen, Weight
from drivers.scale.nci import NciFramer
from drivers.scale.sics import SicsFramer
from drivers.scale.toledo import ToledoFramer
from drivers.scale.weighing import Weighing
from simulators.scale.model import Load
from simulators.scale.wire import nci, sics, toledo

#: 12.34 kg, standing still, gross: the worked example of the maker's table, with its checksum.
TOLEDO = bytes.fromhex("022C3020 303031323334 303030303030 0D2B")


def framers() -> list[Framer]:
    return [SicsFramer(), NciFramer(), ToledoFramer(checksum=True), ToledoFramer(checksum=False)]


def seen(framer: Framer, data: bytes) -> list[Seen]:
    return list(framer.feed(data))


def weights(framer: Framer, data: bytes) -> list[Weight]:
    return [one.weight for one in framer.feed(data) if one.weight]


@pytest.mark.parametrize(
    ("line", "weight"),
    [
        (b"S S     100.00 g\r\n", Weight(Decimal("0.10000"), True)),  # MT-SICS reference manual, command S
        (b"S D     129.07 g\r\n", Weight(Decimal("0.12907"), False)),  # ... command SI
        (b"S S      -0.50 kg\r\n", Weight(Decimal("-0.50"), True)),
        (b"SI S      12.50 kg\r\n", Weight(Decimal("12.50"), True)),
        (b"S S         12 lb\r\n", Weight(12 * Decimal("0.45359237"), True)),
    ],
)
def test_sics_weights(line, weight):
    assert weights(SicsFramer(), line) == [weight]


@pytest.mark.parametrize(
    ("line", "word"),
    [(b"S +\r\n", "overload"), (b"S -\r\n", "underload"), (b"ES\r\n", "ES"), (b"ET\r\n", "ET"), (b"SI +\r\n", "over")],
)
def test_sics_faults_are_told(line, word):
    (found,) = seen(SicsFramer(), line)
    assert word in (found.fault or "")


def test_sics_busy_and_identity():
    assert seen(SicsFramer(), b"S I\r\n")[0].busy
    assert seen(SicsFramer(), b'I4 A "0123456789"\r\n')[0].identity == "0123456789"


@pytest.mark.parametrize("at", range(len(b"S S     100.00 g\r\n")))
def test_a_sics_line_with_a_byte_doubled_or_lost_is_no_weight(at):
    line = b"S S     100.00 g\r\n"
    assert weights(SicsFramer(), line[:at] + line[at + 1 :]) in ([], [Weight(Decimal("0.10000"), True)])
    doubled = weights(SicsFramer(), line[:at] + line[at : at + 1] + line[at:])
    assert doubled in ([], [Weight(Decimal("0.10000"), True)])


def test_toledos_worked_example():
    assert weights(ToledoFramer(checksum=True), TOLEDO) == [Weight(Decimal("12.34"), True)]
    assert weights(ToledoFramer(checksum=False), TOLEDO[:-1]) == [Weight(Decimal("12.34"), True)]


@pytest.mark.parametrize(
    ("at", "byte", "expected"),
    [
        (1, 0x28, Weight(Decimal("123400"), True)),  # status A: two dummy zeros
        (1, 0x2D, Weight(Decimal("1.234"), True)),
        (1, 0x2F, Weight(Decimal("0.01234"), True)),
        (2, 0x38, Weight(Decimal("12.34"), False)),  # status B: motion, kg
        (2, 0x31, Weight(Decimal("12.34"), True, net=True)),
        (2, 0x32, Weight(Decimal("-12.34"), True)),
        (2, 0x20, Weight(Decimal("12.34") * Decimal("0.45359237"), True)),  # pounds
        (3, 0x21, Weight(Decimal("0.01234"), True)),  # status C: grams
    ],
)
def test_toledos_status_bits(at, byte, expected):
    frame = bytearray(TOLEDO[:-1])
    frame[at] = byte
    frame.append(-sum(frame) & 0x7F)
    assert weights(ToledoFramer(checksum=True), bytes(frame)) == [expected]


@pytest.mark.parametrize(("byte", "word"), [(0x34, "out of range"), (0x70, "no zero")])
def test_toledos_faults(byte, word):
    frame = bytearray(TOLEDO[:-1])
    frame[2] = byte
    frame.append(-sum(frame) & 0x7F)
    (found,) = seen(ToledoFramer(checksum=True), bytes(frame))
    assert word in (found.fault or "")


@given(st.integers(0, 17), st.integers(1, 127))
def test_a_toledo_frame_with_any_one_byte_changed_is_no_frame(at, change):
    """The checksum is a sum of the low seven bits: any one of them changed is seen."""
    frame = bytearray(TOLEDO)
    frame[at] ^= change
    assert seen(ToledoFramer(checksum=True), bytes(frame)) == []


def test_a_toledo_scale_of_seven_bits_with_parity_is_read_on_a_line_of_eight():
    even = bytes(byte | (byte.bit_count() % 2) << 7 for byte in TOLEDO)
    assert even != TOLEDO
    assert weights(ToledoFramer(checksum=True), even) == [Weight(Decimal("12.34"), True)]


@pytest.mark.parametrize(
    ("frame", "weight"),
    [
        # NCI 7800 and Weigh-Tronix SCP-01: LF weight units CR LF status CR ETX.
        (b"\n0012.34kg\r\n00\r\x03", Weight(Decimal("12.34"), True)),
        (b"\n  12.34lb\r\n10\r\x03", Weight(Decimal("12.34") * Decimal("0.45359237"), False)),
        (b"\n -0.50kg\r\n00\r\x03", Weight(Decimal("-0.50"), True)),
        (b"\n  12.34KG\r\n0p4\r\x03", Weight(Decimal("12.34"), True, net=True)),  # a third byte: net
        (b"\n 1lb  8.0oz\r\n00\r\x03", Weight(Decimal("0.680388555"), True)),
        (b"\n  500 g \r\n00\r\x03", Weight(Decimal("0.500"), True)),
    ],
)
def test_nci_weights(frame, weight):
    assert weights(NciFramer(), frame) == [weight]


@pytest.mark.parametrize(
    ("frame", "word"),
    [
        (b"\n------kg\r\n02\r\x03", "overload"),
        (b"\n02\r\x03", "overload"),
        (b"\n01\r\x03", "underload"),
        (b"\n40\r\x03", "memory"),
        (b"\n08\r\x03", "calibration"),
        (b"\n?\r\x03", "command"),
    ],
)
def test_nci_faults(frame, word):
    (found,) = seen(NciFramer(), frame)
    assert word in (found.fault or "")


def test_what_nci_shows_that_is_no_weight():
    assert seen(NciFramer(), b"\n CAL   \r\n00\r\x03")[0].busy
    assert seen(NciFramer(), b"\n12.34kg\r\n\x0f\x0f\r\x03") == []  # the two bits that are always set are not


@pytest.mark.parametrize("load", [Load(Decimal("12.34")), Load(Decimal("0.00"), moving=True), Load(Decimal("59.99"))])
def test_the_simulators_are_understood(load):
    expected = [Weight(load.kg, not load.moving)]
    assert weights(SicsFramer(), sics(b"SI\r\n", load)[1]) == expected
    assert weights(NciFramer(), nci(b"W\r", load)[1]) == expected
    assert weights(ToledoFramer(checksum=True), toledo(load)) == expected


@given(st.binary(max_size=300))
def test_any_bytes_are_taken_and_the_next_frame_is_found(noise):
    for framer, frame in zip(
        framers(),
        (b"S S     100.00 g\r\n", b"\n0012.34kg\r\n00\r\x03", TOLEDO, TOLEDO[:-1]),
        strict=True,
    ):
        list(framer.feed(noise))
        assert len(framer.buffer) <= 128
        framer.quiet()
        assert weights(framer, frame), framer


@given(st.data())
def test_however_the_bytes_are_split_the_weights_are_the_same(data):
    for framer, frame in zip(
        framers(), (b"S S     100.00 g\r\n", b"\n0012.34kg\r\n00\r\x03", TOLEDO, TOLEDO[:-1]), strict=True
    ):
        wire, found = frame * 3, []
        while wire:
            size = data.draw(st.integers(1, len(wire)))
            found += weights(framer, wire[:size])
            wire = wire[size:]
        assert len(found) == 3


def at_rest(kg: str) -> Weight:
    return Weight(Decimal(kg), True)


def test_a_weighing_stands_still_and_was_said_often_enough():
    weighing = Weighing(confirm=2, change_kg=Decimal("0.02"))
    moving = Weight(Decimal("12.34"), False)
    steps = [at_rest("0"), at_rest("0"), moving, at_rest("12.34"), moving, at_rest("12.34"), at_rest("12.34")]
    assert [bool(weighing.take(one)) for one in steps] == [False, True, False, False, False, False, True]
    # The same again is no news, nor is what differs by less than the change.
    more = [at_rest("12.34"), at_rest("12.35"), at_rest("12.35"), at_rest("12.36"), at_rest("12.36")]
    assert [bool(weighing.take(one)) for one in more] == [False, False, False, False, True]


def test_one_frame_that_noise_made_is_no_weighing():
    weighing = Weighing(confirm=2, change_kg=Decimal("0.02"))
    steps = [at_rest("12.34"), at_rest("12.34"), at_rest("112.34"), at_rest("12.34"), at_rest("12.34")]
    assert [bool(weighing.take(one)) for one in steps] == [False, True, False, False, False]


def test_far_is_beyond_the_larger_tolerance():
    assert not is_far(20.9, 20, tolerance_kg=0.5, tolerance_percent=5)
    assert is_far(21.1, 20, tolerance_kg=0.5, tolerance_percent=5)
    assert is_far(1.6, 1, tolerance_kg=0.5, tolerance_percent=5)
    assert not is_far(0.6, 1, tolerance_kg=0.5, tolerance_percent=5)


@pytest.mark.parametrize("line", [b"S S 0   100.00 g\r\n", b"S S  1.29.07  g\r\n", b"S S     100.0- g\r\n"])
def test_ten_characters_that_are_no_number_are_no_weight(line):
    assert seen(SicsFramer(), line) == []
