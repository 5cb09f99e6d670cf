"""The way of an observation: refused, retried, collapsed, committed; and what its driver is told."""

import asyncio
import contextlib
import hashlib
import json

import pytest

from drivers.contract import Category, Identity, IdKind, ItemHint, Outcome, Scan, Severity
from drivers.errors import StoreError, StoreFull, StoreRejected
from edge import intake as module
from edge.collapse import QUIET_NS, REVISE_NS
from edge.config import DeviceConfig
from edge.intake import Intake
from edge.ledger import Written
from edge.ledger.entries import StoreState
from edge.nouns import Decision, Targeted, ThreatReport
from tests.core import FakeClock, events, reading, report, threat, until

S = 1_000_000_000


class FakeLedger:
    """Takes what it is given; `failures` are raised first, one a try."""

    def __init__(self):
        self.state = StoreState.OK
        self.records = []
        self.failures = []
        self.tries = 0

    def commit(self, record):
        self.tries += 1
        done = asyncio.get_running_loop().create_future()
        if self.failures:
            done.set_exception(self.failures.pop(0))
        else:
            self.records.append(record)
            done.set_result(Written(len(self.records)))
        return done

    def revs(self):
        return [(r.hit.rev, r.hit.count) for r in self.records]


class FakeReader:
    def __init__(self):
        self.known = set()

    def knows(self, device, key):
        return (device, key) in self.known


class FakeJudge:
    def __init__(self):
        self.report = ThreatReport(Decision.CLEAR, score=0.1)
        self.asked = 0

    async def judge_scan(self, scan, model, device, *, elevated=False):
        self.asked += 1
        self.elevated = elevated
        return self.report


@pytest.fixture
def parts(monkeypatch):
    monkeypatch.setattr(module, "RETRY_S", 0.001)
    monkeypatch.setattr(module, "TELL_S", 0.001)

    class Parts:
        clock, ledger, reader, judge, seen = FakeClock(), FakeLedger(), FakeReader(), FakeJudge(), []

    Parts.intake = Intake(
        Parts.judge, Parts.ledger, Parts.reader, events(), Parts.clock, lambda name, r: Parts.seen.append((name, r))
    )
    return Parts


@pytest.fixture
def device(tmp_path):
    return DeviceConfig.model_construct(name="portal-1", driver="modbus", model="baggage", file=tmp_path)


def scan(parts, key="k", **changes):
    return Scan(parts.clock.now(), key, b"bits", "application/dicom", "n", (), **changes)


async def test_a_clear_scan_has_a_verdict_and_its_key(parts, device):
    assert await parts.intake.take(device, scan(parts)) is Outcome.COMMITTED
    [record] = parts.ledger.records
    assert (record.hit, record.thumb, record.key) == (None, None, "k")
    assert json.loads(record.verdict)["decision"] == "clear"


async def test_an_alarm_has_its_evidence_too(parts, device):
    parts.judge.report = report(thumb=b"jpeg")
    await parts.intake.take(device, scan(parts, scan_type="TIP", tip_type="gun"))
    [record] = parts.ledger.records
    assert (bytes(record.hit.evidence.original), record.hit.evidence.media_type) == (b"bits", "application/dicom")
    assert (record.thumb, record.hit.scan_type, record.hit.tip_type) == (b"jpeg", "TIP", "gun")
    assert json.loads(record.verdict)["hit_id"] == record.hit.hit_id


@pytest.mark.parametrize("state", [StoreState.FULL, StoreState.FAILING])
async def test_a_scan_that_there_is_no_room_for_is_refused_before_it_is_judged(parts, device, state):
    parts.ledger.state = state
    assert await parts.intake.take(device, scan(parts)) is Outcome.REFUSED
    assert parts.judge.asked == 0


@pytest.mark.parametrize("error", [StoreFull("full"), StoreError("eio"), StoreRejected("no row")])
async def test_a_scan_that_could_not_be_written_is_refused(parts, device, error):
    parts.ledger.failures = [error]
    assert await parts.intake.take(device, scan(parts)) is Outcome.REFUSED


async def test_a_scan_that_nothing_can_judge_is_kept_and_its_verdict_names_it(parts, device):
    parts.judge.report = ThreatReport(Decision.UNKNOWN, reason="not supported: DICOS CT Image")
    await parts.intake.take(device, scan(parts, problem="not supported: DICOS CT Image"))
    [record] = parts.ledger.records
    assert (record.hit, bytes(record.kept.original)) == (None, b"bits")
    assert json.loads(record.verdict)["evidence_sha256"] == hashlib.sha256(b"bits").hexdigest()
    parts.ledger.state = StoreState.RESERVE
    await parts.intake.take(device, scan(parts, key="another", problem="not supported: DICOS CT Image"))
    assert parts.ledger.records[1].kept is None, "where room is short, hits come first"


async def test_a_reading_of_a_test_is_marked_in_its_hit(parts, device):
    marked = reading(parts.clock.now(), distinct=True, scan_type="NON_OPERATIONAL", tip_type="FTI")
    await parts.intake.take(device, marked)
    [record] = parts.ledger.records
    assert (record.hit.scan_type, record.hit.tip_type, record.hit.is_test) == ("NON_OPERATIONAL", "FTI", True)


async def test_a_repeat_is_not_judged_again(parts, device):
    parts.reader.known.add(("portal-1", "k"))
    await parts.intake.take(device, scan(parts, answer_repeats=True))
    [record] = parts.ledger.records
    assert parts.judge.asked == 0
    assert (record.key, record.verdict, record.answer_repeats) == ("k", None, True)


async def test_a_readings_hit_is_tried_until_it_is_written(parts, device):
    parts.ledger.failures = [StoreFull("full"), StoreError("eio"), StoreFull("full")]
    assert await parts.intake.take(device, reading(parts.clock.now(), distinct=True)) is Outcome.COMMITTED
    assert parts.ledger.tries == 4
    assert len(parts.ledger.records) == 1


async def test_what_can_never_be_written_is_not_tried_for_ever(parts, device):
    parts.ledger.failures = [StoreRejected("no row")]
    with pytest.raises(StoreRejected):
        await parts.intake.take(device, reading(parts.clock.now()))


async def test_news_without_a_finding_is_passed_on_and_not_kept(parts, device):
    news = reading(parts.clock.now(), findings=())
    assert await parts.intake.take(device, news) is Outcome.COMMITTED
    assert parts.ledger.records == []
    assert parts.seen == [("portal-1", news)]


async def test_every_distinct_reading_is_a_hit_of_its_own(parts, device):
    for value in range(5):
        await parts.intake.take(device, reading(parts.clock.now(), value, distinct=True))
    assert parts.ledger.revs() == [(0, None)] * 5
    assert len({r.hit.hit_id for r in parts.ledger.records}) == 5
    assert [r.hit.report.threats[0].measurement.value for r in parts.ledger.records] == list(range(5))
    assert all(r.hit.raw == b"raw" for r in parts.ledger.records)


async def flap(parts, device, times, every_s, label="contact"):
    for value in range(times):
        await parts.intake.take(device, reading(parts.clock.now(), value, label))
        parts.clock.advance(every_s)


async def test_a_flapping_contact_is_one_hit_that_counts(parts, device):
    await flap(parts, device, 121, 0.1)  # for 12 s
    assert parts.ledger.revs() == [(0, None), (1, 51), (2, 101)]
    first, *later = [r.hit for r in parts.ledger.records]
    assert {h.hit_id for h in later} == {first.hit_id}
    assert {h.item for h in later} == {first.item}  # with the tag that the first had, too
    assert later[-1].report.threats[0].measurement.value == 100
    assert later[-1].observed.monotonic_ns > first.observed.monotonic_ns


async def test_other_labels_other_devices_and_a_contact_after_its_silence_are_hits_of_their_own(parts, device):
    other = device.model_copy(update={"name": "portal-2"})
    await flap(parts, device, 1, 0)
    await flap(parts, device, 1, 0, label="door")
    await flap(parts, other, 1, 0)
    parts.clock.monotonic_ns += QUIET_NS + 1
    await flap(parts, device, 1, 0)
    assert parts.ledger.revs() == [(0, None)] * 4


@contextlib.asynccontextmanager
async def running(parts):
    task = asyncio.create_task(parts.intake.run())
    yield task
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_the_last_count_of_a_contact_that_went_quiet_is_told(parts, device):
    await flap(parts, device, 30, 0.1)
    assert parts.ledger.revs() == [(0, None)]
    async with running(parts):
        parts.clock.monotonic_ns += REVISE_NS
        await until(lambda: parts.ledger.revs() == [(0, None), (1, 30)])
        parts.clock.monotonic_ns += QUIET_NS + 1
        await until(lambda: not parts.intake._collapse._flaps)  # and then it is forgotten
    assert parts.ledger.revs() == [(0, None), (1, 30)]


async def test_what_is_untold_at_the_end_is_told_then(parts, device):
    await flap(parts, device, 7, 0.1)
    async with running(parts):
        await asyncio.sleep(0)
    assert parts.ledger.revs() == [(0, None), (1, 7)]


async def test_a_store_that_fails_meanwhile_ends_nothing(parts, device):
    await flap(parts, device, 7, 0.1)
    parts.ledger.failures = [StoreFull("full"), StoreRejected("no row")]
    async with running(parts) as task:
        parts.clock.monotonic_ns += REVISE_NS
        await until(lambda: not parts.ledger.failures)
        await flap(parts, device, 2, 0.1)
        parts.clock.monotonic_ns += REVISE_NS
        await until(lambda: len(parts.ledger.records) == 2)
        assert not task.done()


def targeting(parts, target):
    asked = []

    def match(names):
        asked.append({(name.kind.value, name.value) for name in names})
        return target

    parts.intake._match = match
    return asked


async def test_a_bag_that_is_asked_for_is_screened_at_the_stricter_point_and_its_hit_says_so(parts, device):
    asked = targeting(parts, Targeted("T-118", "high"))
    parts.judge.report = report()
    hint = ItemHint("0220123456", "BARCODE", "BAGGAGE")
    told = await parts.intake.screen(device, scan(parts, item=hint))
    [record] = parts.ledger.records
    assert asked == [{("bag_tag", "0220123456")}]
    assert parts.judge.elevated
    assert (record.hit.targeted, record.hit.covert) == (Targeted("T-118", "high"), False)
    assert record.hit.report.severity is Severity.CRITICAL  # one step above what the picture alone says
    assert json.loads(record.verdict)["targeted"] == {"risk": "high", "target_id": "T-118"}
    assert told.verdict is not None


async def test_nobody_is_screened_more_strictly_without_being_asked_for(parts, device):
    targeting(parts, None)
    parts.judge.report = report()
    await parts.intake.take(device, scan(parts))
    [record] = parts.ledger.records
    assert (parts.judge.elevated, record.hit.targeted, record.hit.report.severity) == (False, None, Severity.HIGH)


async def test_a_covert_hit_is_not_told_to_the_device_but_what_endangers_people_is(parts, device):
    targeting(parts, Targeted("T-118", "high", covert=True))
    parts.judge.report = report()
    assert (await parts.intake.screen(device, scan(parts, "a"))).verdict is None
    parts.judge.report = report(threat(category=Category.PI), threat())
    assert (await parts.intake.screen(device, scan(parts, "b"))).verdict is not None
    assert [record.hit.covert for record in parts.ledger.records] == [True, False]


async def test_a_committed_hit_is_a_line_of_the_log_and_a_covert_one_is_not(parts, device, caplog):
    caplog.set_level("INFO", "jaitf.core")
    parts.judge.report = report(threat())
    await parts.intake.take(device, scan(parts))
    (line,) = [each for each in caplog.records if hasattr(each, "hit_id")]
    (record,) = parts.ledger.records
    assert (line.device, line.hit_id) == (device.name, record.hit.hit_id)
    assert (
        line.message == f"{device.name}: hit {record.hit.hit_id}, {record.hit.report.severity.value}: {threat().label}"
    )
    caplog.clear()
    targeting(parts, Targeted("T-118", "high", covert=True))
    await parts.intake.take(device, scan(parts, key="another"))
    assert [each.hit.covert for each in parts.ledger.records] == [False, True]
    assert [each for each in caplog.records if hasattr(each, "hit_id")] == []


async def test_a_readings_names_are_looked_up_and_not_kept(parts, device):
    asked = targeting(parts, Targeted("T-119", "elevated", covert=True))
    name = Identity(IdKind.FLIGHT, "AF0718/2026-11-21")
    await parts.intake.take(device, reading(parts.clock.now(), identities=(name,)))
    [record] = parts.ledger.records
    assert asked == [{("flight", "AF0718/2026-11-21")}]
    assert (record.hit.targeted.target_id, record.hit.covert) == ("T-119", True)
    assert "AF0718" not in repr(record)
