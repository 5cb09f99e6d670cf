"""requirements.lock is what the package is made of: all that the appliance needs, no more, each held to a hash."""

import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name as canonical
from packaging.version import Version

ROOT = Path(__file__).parents[3]
DEBIAN_12 = {
    **default_environment(),
    "python_version": "3.11",
    "python_full_version": "3.11.2",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
}


def applies(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**DEBIAN_12, "extra": ""})


def entries() -> dict[str, tuple[Requirement, list[str]]]:
    """Return the lock's packages that a Debian 12 gets, with their hashes."""
    text = (ROOT / "requirements.lock").read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        head, *hashes = line.split(" --hash=")
        requirement = Requirement(head.strip())
        if applies(requirement):
            found[canonical(requirement.name)] = (requirement, [each.strip() for each in hashes])
    return found


def version(requirement: Requirement) -> Version:
    (pin,) = requirement.specifier
    assert pin.operator == "=="
    return Version(pin.version)


@pytest.fixture(scope="module")
def locked():
    return entries()


@pytest.fixture(scope="module")
def wanted():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(each) for each in project["dependencies"]]


def test_every_package_is_held_to_a_hash(locked):
    for name, (_, hashes) in locked.items():
        assert hashes, name
        assert all(each.startswith("sha256:") and len(each) == 71 for each in hashes), name


def test_the_lock_agrees_with_the_project_and_with_the_pins(locked, wanted):
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    pinned = {canonical(name): Version(pin) for name, pin in pins.items()}
    for requirement in wanted:
        assert version(locked[canonical(requirement.name)][0]) in requirement.specifier, requirement
    for name, (requirement, _) in locked.items():
        assert pinned.get(name) == version(requirement), f"{name}: constraints.txt has {pinned.get(name)}"


def test_all_that_is_needed_is_there_and_nothing_else(locked, wanted):
    """The closure, as the installed packages themselves tell it."""
    needed: set[str] = set()
    rest = list(wanted)
    while rest:
        requirement = rest.pop()
        name = canonical(requirement.name)
        if name in needed and not requirement.extras:
            continue
        needed.add(name)
        for each in map(Requirement, requires(name) or ()):
            extras = requirement.extras or {""}
            if each.marker is None or any(each.marker.evaluate({**DEBIAN_12, "extra": extra}) for extra in extras):
                rest.append(each)
    assert set(locked) == needed


def test_what_only_training_needs_stays_out(locked):
    assert not {"torch", "onnx", "scipy", "matplotlib", "pytest"} & set(locked)
