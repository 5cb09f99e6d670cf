"""Input devices: a named pipe stands in for one, for no input device can be made where there is no uinput."""

from __future__ import annotations

import errno
import os

import pytest

from drivers.errors import LinkBusy, LinkDenied, LinkError, LinkLost, LinkTimeout
from drivers.links.hid import open_hid, path_of
from simulators.codereader.wire import Keyboard, typed
from tests.core import descriptors


@pytest.fixture
def keyboard(tmp_path):
    made = Keyboard(tmp_path / "event0")
    made.plug_in()
    yield made
    made.pull_out()


async def test_records_come_as_they_were_sent(keyboard, tmp_path):
    stream = open_hid(f"hid://{tmp_path}/event0")
    sent = typed("0125728359\r")
    keyboard.send(sent[:100])
    assert await stream.read(4096, 5) == sent[:100]
    keyboard.send(sent[100:])
    assert await stream.read(10, 5) == sent[100:110]
    stream.close()
    stream.close()
    with pytest.raises(LinkLost):
        await stream.read(1, 5)
    with pytest.raises(LinkLost, match="takes no bytes"):
        await stream.write(b"x", 5)


async def test_silence_has_a_deadline(keyboard, tmp_path):
    stream = open_hid(f"hid://{tmp_path}/event0")
    with pytest.raises(LinkTimeout):
        await stream.read(10, 0.01)
    stream.close()


async def test_a_device_that_is_pulled_out_is_lost(keyboard, tmp_path):
    stream = open_hid(f"hid://{tmp_path}/event0")
    keyboard.send(b"last words")
    keyboard.pull_out()
    assert await stream.read(100, 5) == b"last words"
    with pytest.raises(LinkLost, match="closed"):
        await stream.read(10, 5)
    stream.close()


def test_what_is_no_input_device_is_refused_with_words(tmp_path):
    with pytest.raises(LinkLost, match="plugged in"):
        open_hid(f"hid://{tmp_path}/event9")
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", "/dev/null"):
        with pytest.raises(LinkLost, match="not an input device"):
            open_hid(f"hid://{path}")


@pytest.fixture
def character_device():
    """A terminal stands in for an input device as far as the file system goes; the kernel's answers are the test's."""
    master, slave = os.openpty()
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


async def test_a_device_is_grabbed_and_says_its_name(character_device, monkeypatch):
    asked = []

    def ioctl(fd, request, argument):
        asked.append((request, argument))
        return b"Honeywell Scanner\0".ljust(256, b"\0") if isinstance(argument, bytes) else 0

    monkeypatch.setattr("drivers.links.hid.fcntl.ioctl", ioctl)
    stream = open_hid(f"hid://{character_device}")
    stream.close()
    assert stream.name == "Honeywell Scanner"
    # As linux/input.h has them on 64-bit machines: EVIOCGNAME(256), EVIOCGRAB.
    assert asked == [(0x81004506, bytes(256)), (0x40044590, 1)]


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.EBUSY, LinkBusy, "grabbed"),
        (errno.ENODEV, LinkLost, "plugged in"),
        (errno.EPERM, LinkDenied, "group"),
        (errno.ENOTTY, LinkLost, "not an input device"),
    ],
)
def test_what_the_kernel_refuses_is_said_in_words(character_device, monkeypatch, number, kind, words):
    def ioctl(*_):
        raise OSError(number, "no")

    monkeypatch.setattr("drivers.links.hid.fcntl.ioctl", ioctl)

    def held():  # of this device alone: what else this process holds may change meanwhile
        return list(descriptors(os.getpid()).values()).count(character_device)

    before = held()
    with pytest.raises(kind, match=words):
        open_hid(f"hid://{character_device}")
    assert held() == before > 0


@pytest.mark.parametrize("url", ["hid://dev/input/event0", "hid:///", "serial:///dev/ttyS0", "hid:///dev/x?baud=1"])
def test_wrong_urls_are_refused_with_words(url):
    with pytest.raises(ValueError, match="three slashes"):
        path_of(url)
    assert not issubclass(LinkError, ValueError)
