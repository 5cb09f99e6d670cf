"""A device's process that is stopped is back within 20 s, even where it was stopped a minute ago, and before that."""

from edge.supervisor import device, supervisor

BACK_S = 20.0
START_S = 3.0  # a fork of the nursery's, a driver's import, its first connection; measured at well under a second


def test_noticing_waiting_and_starting_take_less_than_20_s_together():
    assert device.BEAT_DEADLINE_S + device.WATCH_S + supervisor.MAX_WAIT_S + START_S < BACK_S
