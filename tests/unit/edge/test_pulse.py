from edge.pulse import MINUTES, Pulse

MINUTE = 60_000_000_000


def test_counts_stand_in_their_minute_and_leave_after_an_hour():
    pulse = Pulse()
    for at in (0, 1, MINUTE):
        pulse.beat("xray-1", at)
    assert pulse.counts("xray-1", MINUTE)[-2:] == [2, 1]
    assert pulse.counts("xray-1", 3 * MINUTE)[-4:] == [2, 1, 0, 0]
    assert len(pulse.counts("xray-1", 3 * MINUTE)) == MINUTES
    assert pulse.counts("xray-1", 10**6 * MINUTE) == [0] * MINUTES


def test_each_device_has_its_own():
    pulse = Pulse()
    pulse.beat("xray-1", 0)
    assert sum(pulse.counts("k9-1", 0)) == 0 and sum(pulse.counts("xray-1", 0)) == 1
