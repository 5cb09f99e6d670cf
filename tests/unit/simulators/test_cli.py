"""`jaitf-sim`: which device is whose."""

import pytest

from drivers import registry
from simulators.cli import BY_DRIVER, DEVICES, main


def test_who_asks_for_a_drivers_device_by_the_drivers_name_is_told_which_it_is(capsys):
    shipped = {name for name, info in registry.available().items() if info.driver.startswith("drivers.")}
    assert len(shipped) >= 12
    assert {BY_DRIVER.get(name, name) for name in shipped} <= set(DEVICES)
    with pytest.raises(SystemExit) as ended:
        main(["uhf-serial"])
    assert ended.value.code == 2
    assert "no device 'uhf-serial'; that driver's is: jaitf-sim tagreader" in capsys.readouterr().err
