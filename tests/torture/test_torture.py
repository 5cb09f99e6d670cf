"""The torture suite in short: a few trials of each kind, as the command does them, with the seed a failure names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.torture.kinds import ALL

SEED = int(os.environ.get("JAITF_TORTURE_SEED", "7"))
TRIALS = {
    "kill-core": 15,
    "kill-both": 3,
    "judged": 5,
    "hurt-devices": 1,
    "kill-nursery": 1,
    "kill-broker": 3,
    "bad-network": 2,
    "full-disk": 1,
    "power-cut": 1,
    "corrupt": 2,
    "poison": 1,
    "update-power-cut": 1,
}


@pytest.mark.torture
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", TRIALS)
def test_the_promise_is_kept(name: str, tmp_path: Path) -> None:
    kind = ALL[name]
    if reason := kind.unable():
        pytest.skip(f"{kind.summary}: {reason}")
    trials = round(TRIALS[name] * kind.weight)  # the command counts in kills of the core
    command = [
        sys.executable,
        "-m",
        "tests.torture",
        "--json",
        "--only",
        name,
        "--seed",
        f"{SEED}",
        "--trials",
        f"{trials}",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=570, check=False, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    again = f"{' '.join(command[1:])}\n{done.stderr[-3000:]}"
    assert done.returncode == 0, again
    figures = json.loads(done.stdout)
    assert figures["trials"] >= 1 and figures["lost"] == 0, again
