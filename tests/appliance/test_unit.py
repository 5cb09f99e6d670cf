"""The units as systemd understands them: no word of them is mistyped, and what they close is closed."""

from pathlib import Path

import pytest

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
    box.put(
        "/etc/systemd/system/jaitf-edge.service.d/attempts.conf",
        "[Unit]\nConditionPathExists=\n[Service]\nType=oneshot\nRestart=no\nWatchdogSec=0\n"
        "ExecStart=\nExecStart=/usr/bin/python3 /usr/local/lib/attempts.py\nStandardOutput=file:/closed.log\n",
    )
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
