"""A device file that setup writes: what it was given, and every other key commented out with its default."""

import re
import tomllib

import pytest

from drivers import registry
from edge.config import template


@pytest.mark.parametrize("name", sorted(registry.available()))
def test_it_says_what_it_was_given_and_names_every_other_key(name):
    info = registry.available()[name]
    example = tomllib.loads(info.example)
    text = template.device_toml(info, example["settings"], example.get("model"), ["Tested then: a device."])
    assert tomllib.loads(text) == example
    assert "# Tested then: a device." in text
    for key in registry.settings_class(info).model_fields:
        assert re.search(rf"^(# )?{key} =|^\[\[settings\.{key}\]\]", text, re.MULTILINE), key


@pytest.mark.parametrize("name", sorted(registry.available()))
def test_every_default_can_be_switched_on_where_it_stands(name):
    info = registry.available()[name]
    settings = tomllib.loads(info.example)["settings"]
    keys = "|".join(registry.settings_class(info).model_fields)
    text = template.device_toml(info, settings, None)
    switched_on = tomllib.loads(re.sub(rf"^# ((?:{keys}) = .+)$", r"\1", text, flags=re.MULTILINE))["settings"]
    own = registry.settings_class(info)
    shown = own.model_validate(settings).model_dump(mode="json")
    assert own.model_validate(switched_on).model_dump(mode="json") == shown
