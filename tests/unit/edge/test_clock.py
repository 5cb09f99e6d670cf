"""Identifiers that carry time, and how good the clock is said to be."""

import ctypes
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import clock as module
from edge.clock import ClockQuality, ClockWatch, boot_id, uuid7


@given(st.integers(0, 2**63 - 1), st.binary(min_size=10, max_size=10))
def test_a_uuid_of_version_7_carries_its_milliseconds(wall_ns, entropy):
    text = uuid7(wall_ns, entropy)
    parsed = uuid.UUID(text)
    assert str(parsed) == text
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == wall_ns // 1_000_000


def test_the_vector_of_rfc_9562():
    """RFC 9562, appendix A.6: rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F."""
    random = 0xCC3 << 68 | 0x18C4DC0C0C07398F
    made = uuid7(0x017F22E279B0 * 1_000_000, random.to_bytes(10, "big"))
    assert made == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def test_they_sort_by_time_and_differ():
    same = [uuid7(1_795_000_000_000_000_000) for _ in range(100)]
    assert len(set(same)) == 100
    assert max(same) < uuid7(1_795_000_000_001_000_000)


def test_the_boot_id_is_a_uuid():
    assert uuid.UUID(boot_id())


class Kernel:
    """adjtimex(2) as a test wants it to answer."""

    def __init__(self):
        self.result, self.status, self.offset, self.maxerror = 0, 0, 0, 1000

    def adjtimex(self, timex):
        filled = ctypes.cast(timex, ctypes.POINTER(module._Timex)).contents
        filled.status, filled.offset, filled.maxerror = self.status, self.offset, self.maxerror
        return self.result


@pytest.fixture
def kernel(monkeypatch):
    fake = Kernel()
    monkeypatch.setattr(module, "_libc", lambda: fake)
    return fake


@pytest.mark.parametrize(("status", "offset", "ms"), [(0, 1500, 1.5), (0x2000, 1_200_000, 1.2), (0x2000, -500, -0.001)])
def test_a_disciplined_clock_says_how_far_off_it_is(kernel, status, offset, ms):
    kernel.status, kernel.offset = status, offset
    state = ClockWatch().state()
    assert state.quality is ClockQuality.SYNCED
    assert state.offset_ms == pytest.approx(ms, abs=0.001)


def test_a_clock_that_was_disciplined_holds_over(kernel):
    watch = ClockWatch()
    kernel.status = 0x0040
    assert (watch.state().quality, watch.state().offset_ms) == (ClockQuality.UNSYNCED, None)
    kernel.status = 0
    assert watch.state().quality is ClockQuality.SYNCED
    kernel.status = 0x0040
    assert watch.state().quality is ClockQuality.HOLDOVER


def test_an_error_of_a_second_or_a_kernel_that_does_not_say_is_no_discipline(kernel):
    kernel.maxerror = 1_000_000
    assert ClockWatch().state().quality is ClockQuality.UNSYNCED
    kernel.maxerror, kernel.result = 0, -1
    assert ClockWatch().state().quality is ClockQuality.UNSYNCED


def test_this_machines_kernel_answers():
    assert ClockWatch().state().quality in ClockQuality
