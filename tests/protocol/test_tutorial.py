"""The tutorial, followed word by word on a machine's network of its own, with a real broker and appliance."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial" / "first-lane.md"
pytestmark = [pytest.mark.protocol, pytest.mark.timeout(400)]


def has_networks() -> bool:
    if not shutil.which("unshare") or not shutil.which("ip"):
        return False
    return subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_networks(), reason="a network namespace needs root, unshare and ip")
def test_the_tutorial_ends_with_a_hit_that_is_proved(tmp_path: Path) -> None:
    tools = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}:/usr/sbin", "PYTHONPATH": str(ROOT)}
    environment["XDG_STATE_HOME"] = str(tmp_path)
    follow = f"ip link set lo up && exec {sys.executable} -m tests.follow {PAGE} {tmp_path}"
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", follow], env=environment, capture_output=True, text=True, timeout=380, check=False
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert "ok, 1 device" in said["2. A configuration"]
    hits = said["5. Where a hit is"]
    assert "xray-1" in hits
    assert "received" in hits
    proof = said["6. The proof"]
    assert "the picture is the one that the hit names, bit for bit" in proof
    assert all(line.startswith("ok") for line in proof.splitlines() if "hit.zip" not in line), proof
