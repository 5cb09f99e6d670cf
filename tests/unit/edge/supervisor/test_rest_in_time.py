"""Outputs are left as `fail_safe` says also where the machine is busy, and the service manager waits for that."""

import re
from pathlib import Path

from drivers.lamp import driver as lamp
from drivers.modbus import driver as modbus
from edge.courier import courier, link
from edge.supervisor import child, device, supervisor

UNIT = Path(__file__).parents[4] / "systemd" / "jaitf-edge.service"
BUSY_S = 1.0


def test_a_drivers_last_writes_are_waited_for():
    assert max(lamp.REST_S, modbus.REST_S) + BUSY_S <= device.REST_DEADLINE_S


def test_the_service_manager_kills_nobody_who_stops_in_order():
    (stop_s,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)
    devices_s = device.REST_DEADLINE_S + supervisor.SETTLE_S + child.CLOSE_DEADLINE_S
    assert devices_s + courier.GOODBYE_S + link.LEAVE_DEADLINE_S < int(stop_s)
