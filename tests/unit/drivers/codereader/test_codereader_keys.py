"""What a HID reader types: records to characters, whatever the pieces they come in."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.codereader.keys import RECORD, UNKNOWN, KeyDecoder, Layout, characters, code_of
from drivers.errors import ProtocolError
from simulators.codereader.wire import record, stroke, typed

#: As a Datalogic Gryphon GFS4400 was recorded (python-evdev, a public question of 2017): num lock, then each character
#: by its number on the keypad while Alt is held. The code that was read begins with 48.
GRYPHON = [(69, 1), (69, 0)] + [
    (code, value)
    for number in ((82, 76, 80), (82, 76, 77))
    for code, value in [(56, 1), *((key, value) for key in number for value in (1, 0)), (56, 0)]
]
#: As a 2D reader was recorded (python-evdev, a public question of 2013): 1, 2, then Ctrl and Shift with J.
CONTROL = [(2, 1), (2, 0), (3, 1), (3, 0), (29, 1), (42, 1), (36, 1), (36, 0), (29, 0), (32, 1), (32, 0)]


def recorded(keys: list[tuple[int, int]]) -> bytes:
    """Records as the kernel writes them: the scan code, the key, the report."""
    return b"".join(
        RECORD.pack(1_491_586_389, at, 4, 4, 0x70000 + code)
        + RECORD.pack(1_491_586_389, at, 1, code, value)
        + RECORD.pack(1_491_586_389, at, 0, 0, 0)
        for at, (code, value) in enumerate(keys)
    )


def text_of(data: bytes, layout: Layout = Layout.US) -> str:
    return "".join(press.text for press in KeyDecoder(layout).feed(data))


def test_a_record_is_what_the_kernel_writes_on_this_machine():
    assert RECORD.size == 24


def test_numbers_on_the_keypad_are_characters():
    assert text_of(recorded(GRYPHON)) == "48"
    assert text_of(recorded(GRYPHON), Layout.FR) == "48"


def test_control_characters():
    assert text_of(recorded(CONTROL)) == "12\nD"  # the shift is still held
    assert text_of(record(1, 97, 1) + stroke(27)) == "\x1d"
    assert text_of(record(1, 97, 1) + stroke(2)) == UNKNOWN


@given(st.text(alphabet=[chr(n) for n in range(32, 127)] + ["\r"], max_size=60), st.integers(1, 100))
def test_what_is_typed_is_read_however_the_bytes_come(text, size):
    records = typed(text)
    decoder, found = KeyDecoder(Layout.US), ""
    for start in range(0, len(records), size):
        found += "".join(press.text for press in decoder.feed(records[start : start + size]))
    assert found == text


def test_a_key_held_down_is_pressed_once():
    assert text_of(record(1, 2, 1) + record(1, 2, 2) * 5 + record(1, 2, 0)) == "1"


def test_what_the_kernel_dropped_makes_the_code_unreadable():
    assert text_of(typed("01") + record(0, 3, 0) + typed("57")) == "01" + UNKNOWN + "57"


def test_a_modifier_that_was_down_when_records_were_dropped_is_forgotten():
    assert text_of(record(1, 42, 1) + record(0, 3, 0) + stroke(30)) == UNKNOWN + "a"


@pytest.mark.parametrize("layout", list(Layout))
def test_every_layout_types_all_that_codes_are_made_of(layout):
    found = {char for level in characters(layout) for char in level.values()}
    assert set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789< />]\r\t") <= found


def test_other_bytes_are_told_from_records():
    with pytest.raises(ProtocolError, match="no input records"):
        text_of(b"0125728359\r" * 5)


@given(st.binary(max_size=400))
def test_any_bytes_are_taken_or_refused(data):
    with contextlib.suppress(ProtocolError):
        text_of(data)


def test_keys_have_the_kernels_names():
    assert [code_of(name) for name in ("KEY_F1", "KEY_F10", "KEY_F11", "KEY_F12", "KEY_F13", "KEY_F24")] == [
        59, 68, 87, 88, 183, 194
    ]  # fmt: skip
    assert code_of(0x2FF) == 0x2FF
    for wrong in ("F1", 0, 0x300, 42, 56):
        with pytest.raises(ValueError, match="key"):
            code_of(wrong)
