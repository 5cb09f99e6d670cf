"""Binding an adapter anew, on a tree of files in the shape of sysfs: no wedged adapter is at hand, and no kernel.

What the kernel does when `unbind` and `bind` are written to is played by the tree itself, between two looks at it.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.rebind import APART_S, MOST_A_DAY, NAME, Rebinder, RebindError, Roots, find

FTDI = "usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0"
QUAD = "usb-FTDI_Quad_RS232-HS-if01-port0"


class Tree:
    """A machine's /dev and /sys: a hub with an FTDI adapter, one of four ports, and a CDC-ACM reader behind it."""

    def __init__(self, root):
        self.roots = Roots(root / "dev", root / "sys", root / "state", root / "spool")
        for folder in ("dev/serial/by-id", "dev/jaitf", "sys/class/tty", "spool"):
            (root / folder).mkdir(parents=True)
        self.usb = root / "sys/devices/pci0000:00/0000:00:14.0/usb1"
        self.drivers = root / "sys/bus/usb/drivers"
        self.hub = self.device("1-1", "09")
        self.device("1-1.2", "00")
        self.port("1-1.2", 0, "ttyUSB0", "ftdi_sio", f"serial/by-id/{FTDI}")
        self.device("1-1.3", "00")
        for number in (0, 1):
            self.port("1-1.3", number, f"ttyUSB{number + 1}", "ftdi_sio", f"serial/by-id/{QUAD}" if number else None)
        self.device("1-1.4", "02")
        self.port("1-1.4", 0, "ttyACM0", "cdc_acm", "jaitf/serial-pci-0000:00:14.0-usb-0:1.4:1.0")
        self.now = 100.0
        self.written = []

    def device(self, name, kind):
        folder = self.usb / name
        folder.mkdir(parents=True)
        for file, text in (("busnum", "1"), ("devnum", "4"), ("bDeviceClass", kind)):
            (folder / file).write_text(text + "\n")
        self.bind(folder, "usb")
        return folder

    def bind(self, folder, driver):
        home = self.drivers / driver
        home.mkdir(parents=True, exist_ok=True)
        (home / folder.name).symlink_to(folder)
        (folder / "driver").symlink_to(home)

    def port(self, device, number, tty, driver, link):
        interface = self.usb / device / f"{device}:1.{number}"
        port = interface / "tty" / tty if tty.startswith("ttyACM") else interface / tty / "tty" / tty
        port.mkdir(parents=True)
        (interface / "bInterfaceNumber").write_text(f"0{number}\n")
        self.bind(interface, driver)
        (port / "device").symlink_to(port.parent.parent)
        (self.roots.sys / "class/tty" / tty).symlink_to(port)
        (self.roots.dev / tty).write_text("")
        if link:
            (self.roots.dev / link).symlink_to(f"../../{tty}" if link.startswith("serial") else f"../{tty}")

    def sleep(self, seconds):
        """Let time pass, and do what the kernel would have done by now."""
        self.now += seconds
        for file in self.drivers.glob("*/*bind"):
            name = file.read_text()
            self.written.append((file.parent.name, file.name, name))
            bound = file.parent / name
            if file.name == "unbind":
                self.left = bound.readlink()
                bound.unlink()
            else:
                bound.symlink_to(self.left)
            file.unlink()

    @property
    def rebinder(self):
        return Rebinder(self.roots, lambda: self.now, self.sleep)


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


@pytest.mark.parametrize(
    ("name", "driver", "bus_name"),
    [
        (FTDI, "usb", "1-1.2"),
        (QUAD, "ftdi_sio", "1-1.3:1.1"),  # its three neighbours may be at work
        ("serial-pci-0000:00:14.0-usb-0:1.4:1.0", "usb", "1-1.4"),
    ],
)
def test_the_adapter_behind_a_port_is_taken_off_and_given_back(tree, name, driver, bus_name):
    tree.rebinder.rebind(name)
    tree.sleep(0)
    assert tree.written == [(driver, "unbind", bus_name), (driver, "bind", bus_name)]
    assert not (tree.roots.state_dir / "unfinished").exists()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../../etc/passwd", "a/b", "ttyUSB0", "1-1.2", "usb1", "-x", "a b", "a\n", "x" * 300]
)
def test_nothing_else_can_be_named(tree, name):
    with pytest.raises(RebindError):
        tree.rebinder.rebind(name)
    tree.sleep(0)
    assert tree.written == []


@given(st.text(max_size=40))
def test_a_name_is_an_entry_of_a_folder_and_leads_nowhere_else(name):
    if NAME.fullmatch(name):
        assert "/" not in name
        assert not name.startswith(".")


@pytest.mark.parametrize("target", ["/etc/passwd", "../../sda", "../../ttyS0", "../../ttyUSB0/../sda", "../../input/x"])
def test_a_link_to_anything_but_a_usb_port_is_refused(tree, target):
    (tree.roots.dev / "serial/by-id/usb-x").symlink_to(target)
    with pytest.raises(RebindError, match="no USB serial port"):
        find("usb-x", tree.roots)


def test_a_hub_and_what_is_not_on_usb_are_refused(tree):
    (tree.usb / "1-1.2/bDeviceClass").write_text("09\n")
    with pytest.raises(RebindError, match="hub"):
        find(FTDI, tree.roots)
    tty = tree.roots.sys / "class/tty/ttyUSB0"
    tty.unlink()
    tty.mkdir()
    (tty / "device").symlink_to(tree.roots.dev)
    with pytest.raises(RebindError, match="not a device"):
        find(FTDI, tree.roots)


def test_each_adapter_has_its_turn_only_now_and_then(tree):
    tree.rebinder.rebind(FTDI)
    tree.sleep(0)
    with pytest.raises(RebindError, match="had its turn"):
        tree.rebinder.rebind(FTDI)
    tree.rebinder.rebind(QUAD)  # another one's turn is its own
    for _ in range(MOST_A_DAY - 1):
        tree.sleep(APART_S + 1)
        tree.rebinder.rebind(FTDI)
    tree.sleep(APART_S + 1)
    with pytest.raises(RebindError, match="somebody must look"):
        tree.rebinder.rebind(FTDI)


def test_what_was_taken_off_is_given_back_by_whoever_comes_next(tree):
    class Cut(BaseException):
        pass

    def cut(seconds):
        tree.sleep(seconds)
        raise Cut

    with pytest.raises(Cut):
        Rebinder(tree.roots, lambda: tree.now, cut).rebind(FTDI)
    assert tree.written == [("usb", "unbind", "1-1.2")]
    tree.rebinder.finish()
    tree.sleep(0)
    assert tree.written[1:] == [("usb", "bind", "1-1.2")]


def test_what_lies_in_the_spool_is_done_once_and_one_bad_name_keeps_nobody_back(tree):
    for name in ("no-such-port", QUAD, FTDI):
        (tree.roots.spool / name).write_text("whatever it says is not read")
    (tree.roots.spool / "a-folder").mkdir()
    assert tree.rebinder.spool() is False
    tree.sleep(0)
    both = [("usb", "1-1.2"), ("ftdi_sio", "1-1.3:1.1")]
    assert set(tree.written) == {(driver, what, name) for driver, name in both for what in ("unbind", "bind")}
    assert [path.name for path in tree.roots.spool.iterdir()] == ["a-folder"]


def test_a_port_that_does_not_come_back_is_told(tree):
    def sleep(seconds):
        tree.sleep(seconds)
        (tree.roots.dev / "ttyUSB0").unlink(missing_ok=True)

    with pytest.raises(RebindError, match="did not come back: pull its plug"):
        Rebinder(tree.roots, lambda: tree.now, sleep).rebind(FTDI)
    assert json.loads((tree.roots.state_dir / "1-1.2.turns").read_text())
