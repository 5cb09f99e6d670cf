"""The units as systemd understands them: no word of them is mistyped, and what they close is closed."""

import re
from pathlib import Path

import pytest

HOW_TO = Path(__file__).parents[2] / "docs/how-to/install.md"

INSTEAD = """\
[Unit]
ConditionPathExists=
[Service]
Type=oneshot
Restart=no
WatchdogSec=0
ExecStart=
ExecStart=/usr/bin/python3 {}
StandardOutput=file:{}
"""
"""A drop-in that has the unit run another program, under every other setting that it has."""

MOST_EXPOSED = 18
"""Tenths, by `systemd-analyze security`: 1.8."""


def test_systemd_has_nothing_to_say_about_the_units(box):
    """A mistyped key is a warning with status 0: any output fails."""
    assert box.sh("systemd-analyze verify /lib/systemd/system/jaitf-edge* 2>&1", check=False) == ""


@pytest.mark.parametrize("unit", ["jaitf-edge.service", "jaitf-edge-doctor.service"])
def test_it_is_no_more_exposed_than_it_has_to_be(box, unit):
    said = box.sh(f"systemd-analyze security --offline=true --threshold={MOST_EXPOSED} /lib/systemd/system/{unit} 2>&1")
    assert "Overall exposure level" in said


def test_the_device_manager_understands_the_rules(box):
    said = box.sh("udevadm test /sys/class/mem/null 2>&1", check=False)
    assert "70-jaitf-edge.rules" in said
    assert [line for line in said.splitlines() if "70-jaitf-edge.rules:" in line] == []


def test_what_the_sandbox_closes_is_closed(box):
    """Under the very settings of the unit; and the same user without them, or the attempts would prove nothing."""
    box.put("/usr/local/lib/attempts.py", (Path(__file__).parent / "attempts.py").read_text())
    instead = INSTEAD.format("/usr/local/lib/attempts.py", "/closed.log")
    box.put("/etc/systemd/system/jaitf-edge.service.d/attempts.conf", instead)
    box.sh(
        "mknod -m 666 /a-device c 10 229 && mkdir -m 1777 /var/tmp-of-all && touch /home/x && systemctl daemon-reload"
    )
    box.sh("systemctl start jaitf-edge")
    plain = "systemd-run --quiet --wait --uid=jaitf-edge -p StandardOutput=file:/open.log"
    box.sh(f"{plain} /usr/bin/python3 /usr/local/lib/attempts.py")
    assert (box.root / "closed.log").read_text() == ""
    opened = set((box.root / "open.log").read_text().splitlines())
    assert opened >= {
        "a device of no class that was named",
        "memory that is written and run",
        "files that everyone may write",
        "the homes of users",
        "a netlink socket",
        "other people's processes",
    }


def test_the_drop_in_for_a_scanners_own_port_is_enough(box):
    """As docs/how-to/install.md has it: DICOM on port 104."""
    line = next(line for line in HOW_TO.read_text().splitlines() if line.startswith("| DICOM on port 104"))
    settings = re.findall(r"`([A-Z][A-Za-z]+=[^`]+)`", line)
    assert len(settings) == 3
    box.put("/usr/local/lib/listen.py", "import socket\nsocket.create_server(('127.0.0.1', 104))\nprint('listens')\n")
    instead = INSTEAD.format("/usr/local/lib/listen.py", "/listen.log")
    box.put("/etc/systemd/system/jaitf-edge.service.d/1.conf", instead)
    box.sh("systemctl daemon-reload; systemctl start jaitf-edge", check=False)
    log = box.root / "listen.log"
    assert "Permission denied" in log.read_text()
    log.unlink()
    box.put("/etc/systemd/system/jaitf-edge.service.d/2.conf", "\n".join(["[Service]", *settings, ""]))
    box.sh("systemctl daemon-reload && systemctl start jaitf-edge")
    assert log.read_text() == "listens\n"
