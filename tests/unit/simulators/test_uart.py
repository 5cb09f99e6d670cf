"""A line of another speed garbles as a UART does, and the speed of a terminal's other end can be seen."""

import os
import pty
import termios

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.uart import heard, speed_of

BAUDS = (4800, 9600, 19200, 38400, 57600, 115200)


@given(st.binary(max_size=40), st.sampled_from(BAUDS))
def test_the_same_speed_changes_nothing(data, baud):
    assert heard(data, baud, baud) == data


@pytest.mark.parametrize("factor", [0.97, 1.03])
@given(data=st.binary(max_size=60))
def test_two_clocks_that_are_nearly_the_same_understand_each_other(data, factor):
    assert heard(data, 9600, round(9600 * factor)) == data


def test_a_character_at_half_the_speed_has_every_bit_twice():
    # U is 0101010101 on the line, start and stop included; twice as fast each is heard twice: 0 01100110 0 ...
    assert heard(b"U", 9600, 19_200)[0] == 0b01100110


@given(st.binary(min_size=4, max_size=40), st.sampled_from(BAUDS), st.sampled_from(BAUDS))
def test_another_speed_never_breaks_and_never_makes_more_than_it_could(data, sent, got):
    made = heard(data, sent, got)
    assert len(made) <= len(data) * max(got / sent, 1) + 1


def test_the_speed_of_the_other_end_is_seen():
    master, slave = pty.openpty()
    try:
        settings = termios.tcgetattr(slave)
        settings[4] = settings[5] = termios.B57600
        termios.tcsetattr(slave, termios.TCSANOW, settings)
        assert speed_of(master) == 57_600
    finally:
        os.close(master)
        os.close(slave)
