"""When a wedged adapter is asked to be bound anew: late, seldom, for such devices alone."""

from types import SimpleNamespace

import pytest

from drivers.clock import Stamp
from drivers.contract import DeviceState
from edge.lastresort import AFTER_S, AGAIN_S, MOST_AN_OUTAGE, LastResort
from edge.supervisor.device import Status

PORT = "usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0"


class Lane:
    def __init__(self, spool, url, there=True):
        self.now_s = 1000.0
        self.spool = spool
        self.status = {"scale-1": Status(DeviceState.DOWN, "nothing came", "link-timeout", self.now())}
        self.told = []
        device = SimpleNamespace(name="scale-1", settings=SimpleNamespace(url=url))
        self.resort = LastResort((device,), self.status, self, lambda name, why: self.told.append((name, why)), spool)
        for name, path in self.resort._ports.items():
            self.resort._ports[name] = SimpleNamespace(name=path.name, exists=lambda: there)

    def now(self):
        return Stamp(int(self.now_s * 1e9), int(self.now_s * 1e9))

    def after(self, seconds):
        """Return what is asked for once this time has passed; it is taken away, as the unit would."""
        self.now_s += seconds
        self.resort.look()
        found = [path.name for path in self.spool.iterdir()]
        for path in self.spool.iterdir():
            path.unlink()
        return found


@pytest.fixture
def lane(tmp_path):
    return Lane(tmp_path, f"serial:///dev/serial/by-id/{PORT}?baud=9600")


def test_an_adapter_is_asked_for_after_a_while_then_seldom_then_no_more(lane):
    assert lane.after(AFTER_S - 1) == []
    assert lane.after(2) == [PORT]
    assert lane.after(AGAIN_S - 10) == []
    for _ in range(MOST_AN_OUTAGE - 1):
        assert lane.after(AGAIN_S) == [PORT]
    assert lane.after(10 * AGAIN_S) == []
    assert len(lane.told) == MOST_AN_OUTAGE
    assert lane.told[0] == ("scale-1", f"{PORT}, 1 of {MOST_AN_OUTAGE}: nothing came")


def test_a_device_that_came_back_begins_anew(lane):
    assert lane.after(AFTER_S + 1) == [PORT]
    lane.status["scale-1"].state = DeviceState.UP
    assert lane.after(1) == []
    lane.status["scale-1"] = Status(DeviceState.DOWN, "nothing came", "link-timeout", lane.now())
    assert lane.after(AFTER_S - 1) == []
    assert lane.after(2) == [PORT]


@pytest.mark.parametrize("code", ["link-denied", "link-busy", "config", "protocol", "crashing", "leaking", "starting"])
def test_what_no_adapter_explains_is_left_alone(lane, code):
    lane.status["scale-1"].code = code
    assert lane.after(10 * AFTER_S) == []


@pytest.mark.parametrize(
    "url",
    [
        "serial:///dev/ttyUSB0",
        "tcp://10.0.0.1:23",
        "serial:///dev/serial/by-id/../../sda",
        "serial:///tmp/x",
        "hid:///dev/x",
    ],
)
def test_only_a_port_with_a_name_of_udevs_can_be_asked_for(tmp_path, url):
    assert Lane(tmp_path, url).after(10 * AFTER_S) == []


def test_a_port_that_is_not_there_cannot_be_bound_anew(tmp_path):
    assert Lane(tmp_path, f"serial:///dev/serial/by-id/{PORT}", there=False).after(10 * AFTER_S) == []


def test_where_nobody_would_do_it_nothing_is_asked_and_nothing_told(tmp_path):
    lane = Lane(tmp_path, f"serial:///dev/jaitf/{PORT}")
    lane.resort._spool = tmp_path / "absent"
    assert lane.after(10 * AFTER_S) == []
    assert lane.told == []
