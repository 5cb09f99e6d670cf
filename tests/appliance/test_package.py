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
    assert filecmp.cmp(package, again, shallow=False)


def test_everything_that_the_appliance_reads_is_in_it(package):
    listing = subprocess.run(["dpkg-deb", "--contents", package], check=True, capture_output=True, text=True).stdout
    prefix = "/lib/python3.11/site-packages/"
    packed = {line.split(prefix, 1)[1] for line in listing.splitlines() if prefix in line}
    assert [name for name in tracked() if name not in packed] == []


def test_no_wheel_was_built_here_and_none_is_of_another_machine(installed: tuple[Path, ...]):
    """Every binary is of this architecture, as its maker built it."""
    site = next((installed[0] / "opt/jaitf-edge/versions").glob("*/lib/python3.11/site-packages"))
    binaries = [path for path in site.rglob("*.so*") if path.is_file() and not path.is_symlink()]
    machines = {path.read_bytes()[18:20] for path in binaries if path.read_bytes()[:4] == b"\x7fELF"}
    assert len(binaries) > 50
    assert machines == {b"\x3e\x00"}  # e_machine, EM_X86_64
