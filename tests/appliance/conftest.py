"""The package, built once; a machine that it is installed on, made once; and machines over that, one a test.

What is made is kept in .cache/appliance and made again only when what it is made of changes.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.appliance.lane import Lane
from tests.appliance.machine import CACHE, Machine, base, machine, why_not
from tests.mounts import clear

DATE = "1795000000"
"""Of every package here: not the commit's, which changes while what goes into the package does not."""

ROOT = Path(__file__).parents[2]
INPUTS = (
    "edge",
    "drivers",
    "inference",
    "simulators",
    "config",
    "systemd",
    "scripts/deb",
    "scripts/wheel",
    "scripts/tool",
    "scripts/tools.txt",
)
INPUTS += ("requirements.lock", "constraints.txt", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")
INPUTS += ("docs/how-to",)
MAKERS = (("python3.11", "-VV"), ("dpkg-deb", "--version"), ("gzip", "--version"), (".venv/bin/pip", "--version"))
"""What says by what a package is made: another compiler or archiver gives other bytes of the same sources."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    reason = why_not() if here else ""
    for item in here:
        item.add_marker(pytest.mark.appliance)
        item.add_marker(pytest.mark.timeout(900))
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


def _digest() -> str:
    """Return what tells this package from another: every file that goes into it, and what makes it."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *INPUTS]
    found = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True).stdout.split(b"\0")
    digest = hashlib.sha256()
    for name in sorted(set(filter(None, found))):
        path = ROOT / os.fsdecode(name)
        if path.exists():
            mode = b"x" if os.access(path, os.X_OK) else b"-"
            digest.update(name + b"\0" + mode + hashlib.sha256(path.read_bytes()).digest())
    for maker in MAKERS:
        digest.update(subprocess.run(maker, cwd=ROOT, check=True, capture_output=True).stdout)
    return digest.hexdigest()[:12]


def _keep_only(folder: Path) -> None:
    """Remove what earlier sources, and runs that were killed, have left: a package and its layer are some 700 MB."""
    kind = folder.name.partition("-")[0]
    for other in (*CACHE.glob(f"{kind}-*"), *CACHE.glob(f"{kind}.part"), *CACHE.glob("installing-*")):
        clear(other)


def build(folder: Path, version: str = "", sources: Path = ROOT) -> Path:
    """Build a package into a folder; return its path."""
    environment = os.environ | {"SOURCE_DATE_EPOCH": DATE} | ({"VERSION": version} if version else {})
    command = [sources / "scripts/deb", "amd64", folder]
    done = subprocess.run(command, cwd=sources, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return next(folder.glob("*.deb"))


@pytest.fixture(scope="session")
def package() -> Path:
    """The package of these sources."""
    folder = CACHE / f"package-{_digest()}"
    if not folder.exists():
        _keep_only(folder)
        part = CACHE / "package.part"
        build(part)
        part.rename(folder)
    return next(folder.glob("*.deb"))


@pytest.fixture(scope="session")
def installed(package: Path) -> tuple[Path, ...]:
    """The layers of a machine on which the package was installed while it ran, without a network."""
    below = base()
    folder = CACHE / f"installed-on-{below.name.rsplit('-', 1)[1]}-{package.parent.name.rsplit('-', 1)[1]}"
    if not folder.exists():
        _keep_only(folder)
        with machine(CACHE / f"installing-{os.getpid()}", below) as bare:
            shutil.copy(package, bare.root / "root/jaitf-edge.deb")
            bare.boot()
            said = bare.sh("DEBIAN_FRONTEND=noninteractive apt-get install -qy /root/jaitf-edge.deb 2>&1", within_s=600)
            bare.sh("rm /root/jaitf-edge.deb")
            bare.put("/root/installation.log", said)
            bare.power_off()
            # As it is: the overlay's own marks of what was removed are device nodes and attributes.
            part = CACHE / "installed.part"
            subprocess.run(["cp", "-a", str(bare.layer), str(part)], check=True)
            part.rename(folder)
    return (folder, below)


@pytest.fixture
def off(installed: tuple[Path, ...], tmp_path: Path):
    """A machine with the package on it, not configured and switched off."""
    with machine(tmp_path / "machine", *installed) as made:
        yield made


@pytest.fixture
def box(off: Machine) -> Machine:
    """The same, running."""
    off.boot()
    return off


@pytest.fixture(scope="module")
def lane(installed: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory):
    """A whole lane that runs, its devices simulated on the same machine; of all tests of one module."""
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(machine(tmp_path_factory.mktemp("lane") / "machine", *installed))
        running = Lane(made)
        running.start()
        yield running
