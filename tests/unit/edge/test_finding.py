"""Where to look: this machine's serial ports by the names that stay, and places as somebody writes them."""

import os
import pty

import pytest

from drivers.errors import ConfigError
from drivers.finding import Kind, Miss, Place
from edge.finding import place_of, serial_ports, summary


def test_ports_are_named_by_what_stays_and_no_port_twice(tmp_path):
    for name in ("ttyUSB0", "ttyUSB1", "ttyACM0", "ttyS0"):
        (tmp_path / name).touch()
    by_id = tmp_path / "serial" / "by-id"
    by_id.mkdir(parents=True)
    (by_id / "usb-FTDI_RS485-if00-port0").symlink_to("../../ttyUSB1")
    assert serial_ports(tmp_path) == [
        str(by_id / "usb-FTDI_RS485-if00-port0"),
        str(tmp_path / "ttyUSB0"),
        str(tmp_path / "ttyACM0"),
    ]
    assert serial_ports(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("10.0.0.5", Place(Kind.HOST, "10.0.0.5")),
        ("tcp://10.0.0.5:502/", Place(Kind.HOST, "10.0.0.5", 502)),
        ("[fd00::5]:502", Place(Kind.HOST, "fd00::5", 502)),
        ("portal.lane", Place(Kind.HOST, "portal.lane")),
        ("/dev/ttyUSB7", Place(Kind.SERIAL, "/dev/ttyUSB7")),
    ],
)
def test_a_place_is_read(text, place):
    assert place_of(text) == place


def test_a_folder_and_a_terminal_are_seen_for_what_they_are(tmp_path):
    assert place_of(str(tmp_path)) == Place(Kind.FOLDER, str(tmp_path))
    master, slave = pty.openpty()
    try:
        (tmp_path / "line").symlink_to(os.ttyname(slave))
        assert place_of(str(tmp_path / "line")).kind is Kind.SERIAL
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize("text", ["/no/such/thing", "", "10.0.0.5:99999", "http://10.0.0.5", "10.0.0.5/x"])
def test_what_is_no_place_is_refused(text):
    with pytest.raises(ConfigError):
        place_of(text)


HOST, PORT = Place(Kind.HOST, "10.0.0.5"), Place(Kind.SERIAL, "/dev/null")


@pytest.mark.parametrize(
    ("place", "codes", "code"),
    [
        (PORT, ["link-timeout", "link-denied"], "link-denied"),
        (PORT, ["link-timeout", "link-busy"], "link-busy"),
        (PORT, ["link-timeout", "protocol", "link-timeout"], "protocol"),
        (PORT, ["link-timeout", "link-timeout"], "link-timeout"),
        (HOST, ["link-lost", "link-lost"], "link-lost"),
        (HOST, ["link-lost", "link-timeout"], "link-timeout"),
        (HOST, ["link-lost", "refused"], "refused"),
    ],
)
def test_of_all_misses_the_one_that_tells_most_is_told(place, codes, code):
    assert summary(place, [Miss(each, each) for each in codes]).code == code


def test_a_port_that_is_not_there_is_said_so_also_where_the_attempt_was_too_slow_to_see_it(tmp_path):
    said = summary(Place(Kind.SERIAL, str(tmp_path / "ttyUSB9")), [Miss("link-timeout", "not done within 1 s")])
    assert (said.code, said.why) == ("link-lost", f"{tmp_path}/ttyUSB9: there is no such port")
