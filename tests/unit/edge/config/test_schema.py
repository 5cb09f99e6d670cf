"""The generated schemas: what is shipped stands before them, and what `check` refuses does not."""

import json
import tomllib
from datetime import date
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from drivers import registry

ROOT = Path(__file__).resolve().parents[4]
SCHEMAS = ROOT / "config" / "schema"
DRIVERS = registry.available()
EDGE = (ROOT / "config" / "example" / "edge.toml").read_text()
DEVICES = [
    *(ROOT / "config" / "example" / "devices").iterdir(),
    *(ROOT / "config" / "examples").glob("*/devices/*.toml"),
]
OTHERS = {
    "edge.json": [ROOT / "config" / "example" / "edge.toml", *(ROOT / "config" / "examples").glob("*/edge.toml")],
    "teams.json": list((ROOT / "config" / "examples").glob("*/teams.toml")),
    "profile-modbus.json": list((ROOT / "config" / "profiles").glob("*.toml")),
}
SHIPPED = [("device.json", file) for file in DEVICES] + [
    (name, file) for name, files in OTHERS.items() for file in files
]


def of(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((SCHEMAS / name).read_text()))


def as_json(text: str) -> object:
    """A TOML file as an editor sees it: a date is its text."""
    return json.loads(json.dumps(tomllib.loads(text), default=date.isoformat))


@pytest.mark.parametrize("name", sorted(file.name for file in SCHEMAS.glob("*.json")))
def test_each_is_a_schema(name):
    Draft202012Validator.check_schema(of(name).schema)


@pytest.mark.parametrize(
    ("schema", "file"), SHIPPED, ids=[f"{file.parent.parent.name}-{file.name}" for _, file in SHIPPED]
)
def test_what_is_shipped_stands(schema, file):
    assert [error.message for error in of(schema).iter_errors(as_json(file.read_text()))] == []


@pytest.mark.parametrize("driver", sorted(DRIVERS))
def test_a_drivers_settings_are_its_own(driver):
    whole = as_json(DRIVERS[driver].example)
    validator = of("device.json")
    assert validator.is_valid(whole)
    whole["settings"]["no_such_key"] = 1
    assert not validator.is_valid(whole)


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ("device.json", 'driver = "dicoms"\n'),
        ("device.json", 'driver = "nmea"\n[settings]\nurl = "/dev/ttyS0"\nae_title = "EDGE"\n'),
        ("device.json", 'driver = "folder"\n[settings]\npath = "/srv"\npoll_s = "often"\n'),
        ("edge.json", '[appliance]\nsite = "lfw"\n'),
        ("edge.json", EDGE.replace("[web]", "[web]\nport = 80")),
        ("edge.json", EDGE.replace("[lane]", "[lane]\nplaces = { xray-1 = -5 }")),
        ("teams.json", "[[team]]\nname = 1\n"),
    ],
)
def test_a_mistake_does_not(schema, text):
    assert not of(schema).is_valid(as_json(text))


@pytest.mark.parametrize("place", ["1500", "{ at_mm = 1500, view_mm = 100 }"])
def test_a_place_is_millimetres_or_a_table(place):
    assert of("edge.json").is_valid(as_json(EDGE.replace("[lane]", f"[lane]\nplaces = {{ xray-1 = {place} }}")))
