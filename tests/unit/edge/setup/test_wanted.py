"""A device in one word of the command line."""

import pytest

from drivers.errors import ConfigError
from edge.setup.desk import Desk
from edge.setup.wanted import Wanted, parse


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("llrp=10.0.0.7", Wanted("llrp", {"url": "tcp://10.0.0.7"})),
        ("k9-2:llrp=tcp://10.0.0.7:5084", Wanted("llrp", {"url": "tcp://10.0.0.7:5084"}, "k9-2")),
        (
            "scale=/dev/ttyUSB0?baud=4800&protocol=nci",
            Wanted("scale", {"protocol": "nci", "url": "serial:///dev/ttyUSB0?baud=4800"}),
        ),
        (
            "modbus=tcp://10.0.0.5:502?unit=1&profile=aspect-rpm",
            Wanted("modbus", {"unit": 1, "profile": "aspect-rpm", "url": "tcp://10.0.0.5:502"}),
        ),
        ("folder=/srv/export?recursive=false", Wanted("folder", {"recursive": False, "path": "/srv/export"})),
        ("dicos=0.0.0.0:11112?ae_title=EDGE", Wanted("dicos", {"ae_title": "EDGE", "listen": "0.0.0.0:11112"})),
        ("screen=rtsp://10.0.0.9:8554/screen", Wanted("screen", {"url": "rtsp://10.0.0.9:8554/screen"})),
    ],
)
def test_a_device_is_read(tmp_path, text, wanted):
    assert parse(text) == wanted
    Desk(tmp_path).settings(wanted.driver, wanted.settings)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("llrp", "DRIVER=WHERE"),
        ("modbuss=tcp://x", "did you mean modbus"),
        ("modbus=tcp://10.0.0.5", "nothing to read"),
        ("scale=/dev/ttyUSB0?bauds=4800", "bauds"),
        ("modbus=tcp://10.0.0.5?profile=aspect-rpm&pol_ms=5", "'pol_ms' .did you mean poll_ms"),
    ],
)
def test_a_mistake_is_said(tmp_path, text, says):
    with pytest.raises(ConfigError, match=says):
        wanted = parse(text)
        Desk(tmp_path).settings(wanted.driver, wanted.settings)
