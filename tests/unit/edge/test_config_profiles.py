"""A device file that names a profile: the site's own before the shipped one, its errors at their own lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers import registry
from edge.config.load import examine, load

EDGE = """\
[appliance]
site = "lfw"
lane = "t1-l3"
id = "edge-01"
data_dir = "/var/lib/jaitf-edge"
[console]
url = "mqtt://127.0.0.1:1883"
"""
DEVICE = 'driver = "modbus"\n[settings]\nurl = "tcp://10.0.0.5:502"\nprofile = "{name}"\n'
PROFILE = """\
driver = "modbus"
title = "A thing"
source = "its manual"
[[points]]
name = "level"
table = "input"
address = 7
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("devices", "profiles"):
        (tmp_path / name).mkdir()
    (tmp_path / "edge.toml").write_text(EDGE)
    return tmp_path


def said(folder: Path) -> list[str]:
    return [str(problem).removeprefix(f"{folder}/") for problem in examine(folder).problems]


def device(folder: Path, name: str, more: str = "") -> None:
    (folder / "devices/portal.toml").write_text(DEVICE.format(name=name) + more)


def test_the_sites_own_profile_comes_first_and_reaches_the_device_whole(folder: Path) -> None:
    (folder / "profiles/aspect-rpm.toml").write_text(PROFILE)
    device(folder, "aspect-rpm")
    (one,) = load(folder).devices
    wire = one.settings.model_dump(mode="json", exclude_unset=True)
    again = registry.settings_class(registry.available()["modbus"]).model_validate(wire)
    (plan,) = again.plans()  # type: ignore[attr-defined]  # the modbus driver's own settings
    assert [(p.name, p.address) for p in plan.points] == [("level", 7)]


def test_a_changed_profile_is_a_changed_configuration(folder: Path) -> None:
    (folder / "profiles/thing.toml").write_text(PROFILE)
    device(folder, "thing")
    before = load(folder).digest
    (folder / "profiles/thing.toml").write_text(PROFILE.replace("7", "8"))
    assert load(folder).digest != before


def test_a_shipped_profile_is_found_without_one_of_ones_own(folder: Path) -> None:
    device(folder, "aspect-rpm")
    assert said(folder) == []


def test_errors_of_a_profile_are_at_their_own_lines_beside_those_of_the_device_file(folder: Path) -> None:
    text = PROFILE.replace("address = 7", "adress = 7").replace('"input"', '"inputs"')
    (folder / "profiles/thing.toml").write_text(text)
    device(folder, "thing", "unit = 300\n")
    assert said(folder) == [
        "devices/portal.toml:5: settings.unit: must be at most 255, not 300",
        "profiles/thing.toml:4: points[0].address: is missing: as on the wire, from 0",
        'profiles/thing.toml:6: points[0].table: must be one of holding, input, coil, discrete, not "inputs"'
        " (did you mean input?)",
        "profiles/thing.toml:7: points[0].adress: unknown key (did you mean address?)",
    ]


def test_a_profile_that_is_no_toml(folder: Path) -> None:
    (folder / "profiles/thing.toml").write_text("driver = \n")
    device(folder, "thing")
    (only,) = said(folder)
    assert only.startswith("profiles/thing.toml:1: driver: not TOML")


def test_a_profile_that_is_nowhere(folder: Path) -> None:
    device(folder, "aspect-prm")
    (only,) = said(folder)
    assert only.startswith("devices/portal.toml:4: settings.profile: no profile is called 'aspect-prm': aspect-rpm, ")
    assert "profiles/aspect-prm.toml beside edge.toml" in only


def test_profiles_of_several_units(folder: Path) -> None:
    (folder / "profiles/thing.toml").write_text(PROFILE)
    text = 'driver = "modbus"\n[settings]\nurl = "serial:///dev/ttyS0?baud=9600"\n'
    for number, name in ((1, "thing"), (2, "aspect-rpm")):
        text += f'[[settings.units]]\nname = "u{number}"\nunit = {number}\nprofile = "{name}"\n'
    (folder / "devices/line.toml").write_text(text)
    assert said(folder) == []
