"""The line in `systemctl status`: what is wrong stands first."""

from types import SimpleNamespace

from drivers.contract import DeviceState
from edge.ledger.entries import StoreState
from edge.status import MAX_CHARS, status_line


def device(state, reason=""):
    return SimpleNamespace(state=state, reason=reason)


def ledger(hits=0, state=StoreState.OK, reason=""):
    return SimpleNamespace(state=state, reason=reason, accounts=SimpleNamespace(queued=lambda: {"hit": hits}))


def test_all_is_well():
    devices = {"xray-1": device(DeviceState.UP), "old-1": device(DeviceState.DISABLED, "by command")}
    assert status_line(devices, ledger(), "", True) == "1 of 1 devices up; 0 hits queued; console connected"


def test_what_is_wrong_is_named_with_its_reason():
    devices = {"xray-1": device(DeviceState.UP), "portal-1": device(DeviceState.DOWN, "no answer")}
    line = status_line(devices, ledger(1, StoreState.FULL, "no room"), "no answer from the model", False)
    assert line == (
        "storage full: no room; blind: no answer from the model; 1 of 2 devices up (portal-1 down: no answer);"
        " 1 hit queued; console away"
    )


def test_it_stays_a_line_with_a_hundred_devices_down():
    devices = {f"device-{n}": device(DeviceState.DOWN, "no answer") for n in range(100)}
    assert len(status_line(devices, ledger(), "", False)) <= MAX_CHARS
