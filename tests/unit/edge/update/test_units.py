"""The units that root's work is in: nothing systemd would complain of, and what each may not do."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).resolve().parents[4] / "systemd"
MOST_EXPOSED = {
    "jaitf-edge-update.service": 3.3,
    "jaitf-edge-update-recover.service": 2.2,
    "jaitf-edge-rebind.service": 1.5,
    "jaitf-edge-rebind@.service": 1.5,
}

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def unit(name, folder):
    """Return a copy of a unit that runs what is on this machine, for verify looks for the program."""
    path = folder / name
    path.write_text(
        re.sub(r"/(?:opt|usr/lib)/jaitf-edge/\S+|/usr/bin/python3\.11", "/bin/true", (SYSTEMD / name).read_text())
    )
    return path


@pytest.mark.parametrize("name", [*MOST_EXPOSED, "jaitf-edge-rebind.path", "jaitf-edge-rauc-good.service"])
def test_systemd_has_nothing_to_say(name, tmp_path):
    for other in MOST_EXPOSED:
        unit(other, tmp_path)
    path = unit(name, tmp_path)
    ran = subprocess.run(["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")


@pytest.mark.parametrize("name", MOST_EXPOSED)
def test_root_is_held_to_its_work(name, tmp_path):
    command = ["systemd-analyze", "security", "--offline=yes", f"--threshold={MOST_EXPOSED[name] * 10:.0f}"]
    ran = subprocess.run([*command, unit(name, tmp_path)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout.splitlines()[-1]
