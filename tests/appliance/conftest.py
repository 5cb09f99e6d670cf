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
)
INPUTS += ("requirements.lock", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "docs/how-to")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    reason = why_not() if here else ""
    for item in here:
        item.add_marker(pytest.mark.appliance)
        item.add_marker(pytest.mark.timeout(900))
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


def _digest() -> str:
    """Return what tells this package from another: every file that goes into it."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *INPUTS]
    found = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True).stdout.split(b"\0")
    digest = hashlib.sha256()
    for name in sorted(set(filter(None, found))):
        path = ROOT / os.fsdecode(name)
        if path.exists():
            digest.update(name + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def _keep_only(folder: Path) -> None:
    """Remove what earlier sources have left: a package and its layer are some 700 MB."""
    for other in CACHE.glob(f"{folder.name.rsplit('-', 1)[0]}-*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)


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
        shutil.rmtree(part, ignore_errors=True)
        build(part)
        part.rename(folder)
    return next(folder.glob("*.deb"))


@pytest.fixture(scope="session")
def installed(package: Path) -> tuple[Path, ...]:
    """The layers of a machine on which the package was installed while it ran, without a network."""
    folder = CACHE / f"installed-{package.parent.name.rsplit('-', 1)[1]}"
    if not folder.exists():
        _keep_only(folder)
        with machine(CACHE / f"installing-{os.getpid()}", base()) as bare:
            shutil.copy(package, bare.root / "root/jaitf-edge.deb")
            bare.boot()
            said = bare.sh("DEBIAN_FRONTEND=noninteractive apt-get install -qy /root/jaitf-edge.deb 2>&1", within_s=600)
            bare.sh("rm /root/jaitf-edge.deb")
            bare.put("/root/installation.log", said)
            bare.power_off()
            # As it is: the overlay's own marks of what was removed are device nodes and attributes.
            subprocess.run(["cp", "-a", str(bare.layer), str(folder)], check=True)
    return (folder, base())


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
