"""A new configuration names every key there is, passes `check`, and holds the values it was given."""

import tomllib
from typing import get_args, get_origin

import pytest
from pydantic import BaseModel

from drivers.registry import available
from edge.config import template
from edge.config.load import examine
from edge.config.model import EdgeToml

REAL_DRIVERS = available()


def test_every_key_is_there_and_commented_out_keys_are_valid(tmp_path):
    text = template.edge_toml(tmp_path, {})
    for section, info in EdgeToml.model_fields.items():
        several = get_origin(info.annotation) is tuple
        model = get_args(info.annotation)[0] if several else info.annotation
        assert f"\n# [[{section}]]\n" in text if several else f"\n[{section}]\n" in text
        assert issubclass(model, BaseModel)
        for key, field in model.model_fields.items():
            assert f"\n{'' if field.is_required() and not several else '# '}{key} = " in text
            assert field.description and field.description[:60] in text
    switched_on = "\n".join(row[2:] if _is_commented_out(row) else row for row in text.splitlines())
    EdgeToml.model_validate(tomllib.loads(switched_on))


def _is_commented_out(row):
    return row.startswith("# [[") or (row.startswith("# ") and " = " in row and row[2:].split(" = ")[0].isidentifier())


def test_what_it_writes_passes_check(tmp_path):
    given = {"appliance.site": "cdg", "appliance.data_dir": tmp_path / 'a "b"', "console.root": "x"}
    for path, text in template.files(tmp_path, given).items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    found = examine(tmp_path)
    assert found.errors == []
    assert found.config.appliance.site == "cdg" and found.config.console.root == "x"
    assert found.config.appliance.data_dir == tmp_path / 'a "b"'


@pytest.mark.parametrize("value", [True, 0, 12_345_678, 1.5, 'a"\\\n\x7fé', ["a", 1], ()])
def test_literals_are_toml(value):
    read = tomllib.loads(f"k = {template.literal(value)}")["k"]
    assert read == (list(value) if isinstance(value, tuple) else value)
