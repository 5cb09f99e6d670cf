"""The file itself: the same bytes from the same sources, and all in it that the sources have."""

import filecmp
import os
import shutil
import subprocess
from pathlib import Path

from tests.appliance.conftest import ROOT, build

RUNTIME = ("edge", "drivers", "inference", "simulators", "config")
LEFT_OUT = ("config/example/", "config/mosquitto/")
"""For reading in the sources: `jaitf-edge init` writes the examples, and a broker is another machine's."""


def tracked() -> list[str]:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *RUNTIME]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    return [name for name in names if not name.startswith(LEFT_OUT) and (ROOT / name).exists()]


def asked(*what: str | Path) -> str:
    return subprocess.run(["dpkg-deb", *what], check=True, capture_output=True, text=True).stdout


def test_two_builds_one_hash(package, tmp_path):
    """From another folder, under another user's mask, with another order of files on the disk."""
    elsewhere = tmp_path / "elsewhere" / "sources"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True).stdout.split(b"\0")
    mask = os.umask(0o077)
    try:
        for name in sorted(filter(None, names), reverse=True):
            here, there = ROOT / os.fsdecode(name), elsewhere / os.fsdecode(name)
            if here.is_file():
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(here, there)
                there.chmod(0o700 if os.access(here, os.X_OK) else 0o600)
        subprocess.run(["git", "init", "-q"], cwd=elsewhere, check=True)
        (elsewhere / ".venv").symlink_to(ROOT / ".venv")
        (elsewhere / ".cache").symlink_to(ROOT / ".cache")
        again = build(tmp_path / "again", sources=elsewhere)
    finally:
        os.umask(mask)
    assert filecmp.cmp(package, again, shallow=False), _different(package, again, tmp_path)


def _different(one: Path, other: Path, folder: Path) -> str:
    """Return where two packages differ, as the first lines of a recursive diff."""
    for name, package in (("one", one), ("other", other)):
        subprocess.run(["dpkg-deb", "--raw-extract", package, folder / name], check=True)
    return subprocess.run(["diff", "-r", "one", "other"], cwd=folder, capture_output=True, text=True).stdout[:3000]


def test_the_size_that_it_says_is_of_its_files_alone(package):
    """A folder's own size is the file system's: with it in the sum, one build in twelve was of another hash."""
    entries = [line.split() for line in asked("--contents", package).splitlines()]
    expected = sum(-(-int(size) // 1024) if mode.startswith("-") else 1 for mode, _, size, *_ in entries)
    assert int(asked("--field", package, "Installed-Size")) == expected


def test_everything_that_the_appliance_reads_is_in_it(package):
    prefix = "/lib/python3.11/site-packages/"
    packed = {line.split(prefix, 1)[1] for line in asked("--contents", package).splitlines() if prefix in line}
    assert [name for name in tracked() if name not in packed] == []


def test_no_wheel_was_built_here_and_none_is_of_another_machine(installed: tuple[Path, ...]):
    """Every binary is of this architecture, as its maker built it."""
    site = next((installed[0] / "opt/jaitf-edge/versions").glob("*/lib/python3.11/site-packages"))
    binaries = [path for path in site.rglob("*.so*") if path.is_file() and not path.is_symlink()]
    machines = {path.read_bytes()[18:20] for path in binaries if path.read_bytes()[:4] == b"\x7fELF"}
    assert len(binaries) > 50
    assert machines == {b"\x3e\x00"}  # e_machine, EM_X86_64
