"""The simulated Modbus device apart from its wire."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from simulators.modbus.model import Device, Values, registers


@given(st.integers(0, 100_000), st.sampled_from([1.0, 2.0, 10.0, 25.0, 50.0]))
def test_the_counter_has_risen_once_for_every_period(count: int, hz: float) -> None:
    assert Device(hz).values(count / hz).counter == count
    assert Device(hz).values((count + 0.5) / hz).counter == count


def test_the_contacts_follow_a_passing_trolley() -> None:
    device = Device(trolley_s=10)
    assert [device.values(s).bits for s in (0, 0.4, 0.6, 1.9, 2.1, 9.9, 10.1)] == [3, 3, 1, 1, 0, 0, 3]


def test_the_register_map() -> None:
    words = registers(Values(counter=0x1_2345_6789, bits=2, level=12.5, tenths_degc=-25))
    assert words[0] == 0x6789
    assert words[1] == 2
    assert struct.unpack(">f", struct.pack(">HH", *words[2:4])) == (12.5,)
    assert words[4] == 65_536 - 25
    assert words[5:] == [0x6789, 0x2345]


@given(st.floats(0, 1e7))
def test_every_register_fits_its_sixteen_bits(seconds: float) -> None:
    assert all(0 <= word <= 0xFFFF for word in registers(Device().values(seconds)))
