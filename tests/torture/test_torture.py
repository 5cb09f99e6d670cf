"""The torture suite's short form: a few trials of every kind, with a seed that a failure names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.torture.__main__ import run_kind
from tests.torture.kinds import ALL
from tests.torture.trial import Kind

SEED = int(os.environ.get("JAITF_TORTURE_SEED", "7"))


@pytest.mark.torture
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", [kind for kind in ALL.values() if kind.short], ids=lambda kind: kind.name)
def test_the_promise_is_kept(kind: Kind, tmp_path: Path) -> None:
    if reason := kind.unable():
        pytest.skip(f"{kind.summary}: {reason}")
    figures = run_kind(kind, SEED, kind.short, tmp_path)
    again = f"python -m tests.torture --only {kind.name} --seed {SEED}"
    assert figures.trials, f"no trial was done: {again}"
    assert figures.lost == 0, again
