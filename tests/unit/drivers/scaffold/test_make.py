"""A new driver's tests fail with the next step, and pass once it is done; the document's code is what is filled in."""

from __future__ import annotations

import subprocess
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest

from drivers.errors import ConfigError
from drivers.scaffold import Like
from drivers.scaffold.make import make
from tests.fills import FILLS
from tests.newdriver import ROOT, blocks, fill, run, said

pytestmark = pytest.mark.slow

TESTS = {Like.MODBUS_PROFILE: "tests/test_profile.py"}


def fills(like: Like) -> dict[str, str]:
    """Return what is filled in, in the order of the steps."""
    found = FILLS.get(like) or blocks()
    ours = [path for path in found if ("profile" in path) == (like is Like.MODBUS_PROFILE)]
    return {path: found[path] for path in ours}


def made(like: Like, folder: Path) -> Path:
    make("door-counter" if like is Like.MODBUS_PROFILE else "hall-gate", like, folder)
    return folder


@pytest.mark.timeout(300)
@pytest.mark.parametrize("like", Like)
def test_each_step_is_asked_for_and_once_it_is_done_the_next(like: Like, tmp_path: Path) -> None:
    folder = made(like, tmp_path / "new")
    tests = TESTS.get(like, "tests/test_codec.py")
    asked = [_step(said(folder, tests))]
    for path, text in fills(like).items():
        fill(folder, path, text)
        asked.append(_step(said(folder, tests)))
    assert asked[0] == 1
    assert asked[-1] is None, said(folder, tests)
    assert all(one < other for one, other in pairwise(step for step in asked if step is not None)), asked


def _step(text: str) -> int | None:
    """Return the number of the step that a failing test asks for, None where nothing failed."""
    if " failed" not in text:
        assert " passed" in text, text
        return None
    return int(text.partition("E ")[2].partition("Step ")[2].partition(":")[0])


@pytest.mark.skipif(find_spec("ruff") is None, reason="the linters are not installed")
@pytest.mark.parametrize("name", ["hall-gate", "x", "a-driver-with-a-long-nam"])
@pytest.mark.parametrize("like", Like)
def test_what_is_written_needs_no_correction(like: Like, name: str, tmp_path: Path) -> None:
    make(name, like, tmp_path / "new")
    for command in (["check"], ["format", "--check"]) if name == "hall-gate" else (["check"],):
        ran = run(tmp_path / "new", "ruff", *command, "--no-cache", ".")
        assert ran.returncode == 0, ran.stdout


@pytest.mark.timeout(300)
@pytest.mark.skipif(find_spec("mypy") is None, reason="the linters are not installed")
def test_what_is_written_is_typed(tmp_path: Path) -> None:
    for like in (Like.SERIAL_LINES, Like.TCP_FRAMES, Like.PICTURES):
        make(f"gate-{like}".replace("-", "")[:20], like, tmp_path / like)
    packages = [str(path.parent) for path in tmp_path.glob("*/*/py.typed")]
    cache = ["--cache-dir", str(ROOT / ".mypy_cache")]
    ran: subprocess.CompletedProcess[str] = run(
        tmp_path, "mypy", "--strict", "--follow-imports=silent", *cache, *packages, path=_paths(tmp_path)
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def _paths(folder: Path) -> Path:
    return Path(":".join(str(path) for path in folder.iterdir()))


def test_the_project_says_that_it_is_a_driver(tmp_path: Path) -> None:
    make("hall-gate", Like.PICTURES, tmp_path / "new")
    project = (tmp_path / "new" / "pyproject.toml").read_text()
    assert '[project.entry-points."jaitf_edge.drivers"]\nhall-gate = "hall_gate:DRIVER"' in project
    assert '[project.entry-points."jaitf_edge.conformance"]\nhall-gate = "hall_gate.conformance:CASES"' in project


@pytest.mark.parametrize("name", ["Hall", "9gate", "hall_gate", "-x", "a" * 25, "../x"])
def test_what_is_no_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no driver's name"):
        make(name, Like.PICTURES, tmp_path / "new")


def test_nothing_is_written_over(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="takes a new folder"):
        make("hall-gate", Like.PICTURES, tmp_path)
    with pytest.raises(ConfigError, match="called 'scale' already"):
        make("scale", Like.PICTURES, tmp_path / "new", frozenset({"scale"}))
