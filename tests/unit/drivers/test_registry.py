"""Which drivers there are, and that finding them costs nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import drivers
from drivers import registry
from drivers.contract import Driver, DriverInfo, Settings
from drivers.errors import ConfigError


@pytest.fixture(autouse=True)
def _afresh() -> Any:
    registry.available.cache_clear()
    yield
    registry.available.cache_clear()


def point(loads: object, name: str = "acme") -> SimpleNamespace:
    return SimpleNamespace(name=name, load=lambda: loads)


def test_the_built_in_drivers_are_found_by_name() -> None:
    found = registry.available()
    assert {"dicos", "folder", "modbus"} <= found.keys()
    assert all(name == info.name for name, info in found.items())
    assert list(found) == sorted(found)


@pytest.mark.parametrize("name", sorted(registry.available()))
def test_a_drivers_example_is_accepted_by_its_own_settings(name: str) -> None:
    info = registry.available()[name]
    example = tomllib.loads(info.example)
    assert example["driver"] == name
    assert ("model" in example) == info.pictures
    settings = registry.settings_class(info).model_validate(example.get("settings", {}))
    assert isinstance(registry.make(info, settings), Driver)


@pytest.mark.parametrize("name", sorted(registry.available()))
def test_a_readmes_example_is_accepted_too(name: str) -> None:
    text = (Path(drivers.__file__).parent / name.replace("-", "_") / "README.md").read_text()
    examples = [tomllib.loads(each) for each in re.findall(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]
    whole = [parsed for parsed in examples if "driver" in parsed and "settings" in parsed]  # not a profile
    assert whole and all(parsed["driver"] == name for parsed in whole)
    for parsed in whole:
        registry.settings_class(registry.available()[name]).model_validate(parsed["settings"])


@pytest.mark.parametrize("name", sorted(registry.available()))
def test_every_setting_is_described(name: str) -> None:
    def described(of: type[Settings]) -> None:
        for key, field in of.model_fields.items():
            assert field.description, f"{of.__name__}.{key}"

    described(registry.settings_class(registry.available()[name]))
    if name == "modbus":
        from drivers.modbus.settings import Point

        described(Point)


def test_the_list_and_the_settings_load_no_drivers_library() -> None:
    code = (
        "import sys; from drivers import registry; [registry.settings_class(i) for i in registry.available().values()];"
        "print(sorted({'cv2', 'numpy', 'pydicom', 'pynetdicom', 'pymodbus', 'watchfiles'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


def test_a_third_partys_driver_joins(monkeypatch: pytest.MonkeyPatch) -> None:
    info = DriverInfo("acme", "", "drivers.folder.settings:FolderSettings", "x:Y", pictures=True, example="")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point(info)])
    assert registry.available()["acme"] is info
    assert registry.settings_class(info).__name__ == "FolderSettings"


def test_a_built_in_driver_is_found_without_looking_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    info = DriverInfo("acme", "", "a:B", "a:C", pictures=True, example="")
    looked: list[str] = []
    monkeypatch.setattr(registry, "entry_points", lambda group: looked.append(group) or [point(info)])
    assert registry.named("modbus").name == "modbus"
    assert looked == []
    assert registry.named("acme") is info
    with pytest.raises(KeyError):
        registry.named("nobodys")


@pytest.mark.parametrize(
    ("loads", "says"),
    [
        (object(), "is no DriverInfo"),
        (DriverInfo("folder", "", "a:B", "a:C", pictures=True, example=""), "takes the name of another driver: folder"),
    ],
)
def test_a_third_partys_mistake_is_named(monkeypatch: pytest.MonkeyPatch, loads: object, says: str) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: [point(loads)])
    with pytest.raises(ConfigError, match=says):
        registry.available()


def test_a_class_of_the_wrong_kind_is_not_taken_for_a_driver() -> None:
    info = DriverInfo("x", "", "drivers.errors:EdgeError", "drivers.errors:EdgeError", pictures=False, example="")
    with pytest.raises(AssertionError, match=r"drivers\.errors:EdgeError"):
        registry.settings_class(info)
    with pytest.raises(AssertionError, match=r"drivers\.errors:EdgeError"):
        registry.make(info, Settings())
