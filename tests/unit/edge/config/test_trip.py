"""A device's settings survive the trip to its process: the driver there reads what the loader read here."""

import pytest

from drivers import registry
from edge.config.load import load

INFOS, CLASS_OF = registry.available(), registry.settings_class
EDGE = """\
[appliance]
site = "lfw"
lane = "t1-l3"
id = "edge-01"
data_dir = "data"
[console]
url = "mqtt://127.0.0.1:1883"
"""


@pytest.mark.parametrize("name", INFOS)
def test_every_driver_s_example(monkeypatch, tmp_path, name):
    monkeypatch.setattr(registry, "available", lambda: INFOS)
    monkeypatch.setattr(registry, "settings_class", CLASS_OF)
    (tmp_path / "devices").mkdir()
    (tmp_path / "edge.toml").write_text(EDGE)
    (tmp_path / "devices" / "one.toml").write_text(INFOS[name].example)
    here = load(tmp_path).devices[0].settings
    there = CLASS_OF(INFOS[name]).model_validate(here.model_dump(mode="json", exclude_unset=True))
    assert there == here
