"""An image is called good only once the lane works on it. `rauc`, `mender-update`, `systemctl` are stand-ins here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HOOK = Path(__file__).resolve().parents[4] / "systemd" / "os-health"


@pytest.fixture
def hook(box, tmp_path):
    """Return what runs the hook on the box and says its exit status and what the stand-ins were asked for."""
    tools, asked = tmp_path / "tools", tmp_path / "asked"
    tools.mkdir()
    here = f"{sys.executable} -m edge update health --root {box.root} --user '' --config {box.root}/conf"
    scripts = {
        "rauc": f'echo "rauc $*" >>{asked}',
        "mender-update": f'echo "mender-update $*" >>{asked}',
        "systemctl": f"cat {tmp_path}/service",
        # Its waiting is cut short: what is looked at is the same.
        "jaitf-edge": f'exec {sys.executable} {tools}/quick.py {here} "$3" "$4"',
    }
    for name, line in scripts.items():
        (tools / name).write_text(f"#!/bin/sh\n{line}\n")
        (tools / name).chmod(0o755)
    (tools / "quick.py").write_text(
        "import runpy, sys, time\ntime.sleep = lambda s: None\n"
        "sys.argv = ['jaitf-edge', *sys.argv[4:]]\nrunpy.run_module('edge', run_name='__main__')\n"
    )
    (box.root / "conf").mkdir()
    (box.root / "conf/edge.toml").write_text("")
    (tmp_path / "service").write_text("ActiveState=active\nMainPID=77\n")

    def run(how):
        environment = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}", "JAITF_OS_HEALTH_S": "0"}
        ran = subprocess.run([HOOK, how], env=environment, capture_output=True, text=True, check=False)
        return ran.returncode, asked.read_text().splitlines() if asked.exists() else [], ran.stdout + ran.stderr

    return run


def doctor(box, check, grade):
    line = f'{{"grade": "{grade}", "check": "{check}", "text": "{check} is {grade}", "mend": null}}\n'
    (box.places.versions / "1.0/doctor.json").write_text(line)


@pytest.mark.parametrize(("how", "asked"), [("mender", []), ("commit", ["mender-update commit"])])
def test_a_lane_that_works_makes_the_image_good(hook, how, asked):
    assert hook(how)[:2] == (0, asked)


@pytest.mark.parametrize(("how", "asked"), [("rauc", []), ("mender", []), ("commit", ["mender-update rollback"])])
def test_a_detector_that_sees_nothing_makes_it_bad(box, hook, how, asked):
    doctor(box, "models", "fail")
    status, told, said = hook(how)
    assert (status, told) == (1, asked)
    assert "models is fail" in said


@pytest.mark.parametrize("check", ["broker", "answers"])
def test_the_console_or_a_device_being_away_makes_no_image_bad(box, hook, check):
    doctor(box, check, "fail")
    assert hook("rauc")[:2] == (0, ["rauc status mark-good"])


def test_an_appliance_that_is_not_up_makes_it_bad(box, hook, tmp_path):
    (tmp_path / "service").write_text("ActiveState=activating\nMainPID=0\n")
    assert hook("rauc")[:2] == (1, [])


def test_a_box_that_is_not_configured_has_no_lane_to_look_at(box, hook):
    (box.root / "conf/edge.toml").unlink()
    assert hook("rauc")[:2] == (0, ["rauc status mark-good"])


def test_wrong_use(hook):
    assert hook("reboot")[:2] == (2, [])
