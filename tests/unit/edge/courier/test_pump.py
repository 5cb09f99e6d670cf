"""Which message goes next, and what becomes of it; no network and no clock but the test's."""

import hashlib

import pytest

from edge.courier import pump as module
from edge.courier.pump import POISON_CODES, POISON_STRIKES, SUSPECT_STRIKES, WINDOW, Pump
from tests.unit.edge.courier.fakes import FakeLedger, Wire, hit_out

S = 1_000_000_000
CUT = 0x80  # what the client library calls a connection that ended without a word


@pytest.fixture
def ledger():
    return FakeLedger()


@pytest.fixture
def start(ledger):
    """`start()` begins a connection with everything in the ledger as backlog."""

    def begin(receipts=True, backlog_per_s=0.0, pump=None, now_ns=0, max_packet_bytes=None, answered=True):
        pump = pump or Pump(ledger, receipts=receipts, backlog_per_s=backlog_per_s)
        pump.begin(now_ns, max_packet_bytes)
        if answered:
            pump.puback(0, 0, now_ns)  # the broker's word on the state message
        return pump, Wire(pump)

    return begin


def numbers(outs, cls="hit"):
    return [out.number for out in outs if out.cls == cls]


def receipt(pump, number, now_ns, sha256=None):
    return pump.receipt(f"{number:036d}", 0, sha256, now_ns)


def commit(pump, ledger, hits=0, notes=0, cls="verdict"):
    pump.committed(ledger.add_hits(hits), ledger.add_notes(notes, cls))


def test_live_goes_before_backlog_and_hits_before_the_rest(ledger, start):
    ledger.add_hits(3)
    ledger.add_notes(2)
    pump, wire = start()
    commit(pump, ledger, hits=1, notes=1, cls="thumb")
    commit(pump, ledger, hits=1, notes=1, cls="verdict")
    went = [(out.cls, out.number) for out in wire.send(0)]
    assert went[:4] == [("hit", 4), ("hit", 5), ("verdict", 4), ("thumb", 3)]
    assert went[4:] == [("hit", 1), ("hit", 2), ("hit", 3), ("verdict", 1), ("verdict", 2)]


def test_the_backlog_goes_in_its_order_with_one_page_after_the_other(ledger, start):
    ledger.add_hits(WINDOW + 100)
    _, wire = start()
    wire.in_flight = 10_000
    assert numbers(wire.send(0)) == list(range(1, WINDOW + 1))


def test_no_more_is_on_its_way_than_the_window_live_and_backlog_apart(ledger, start):
    ledger.add_hits(WINDOW + 50)
    pump, wire = start()
    wire.in_flight = 10_000
    wire.send(0)
    wire.puback_all(0)
    commit(pump, ledger, hits=WINDOW + 50)
    assert len(wire.send(1)) == WINDOW
    wire.puback_all(1)
    assert wire.send(2) == []
    receipt(pump, 1, 3)
    receipt(pump, WINDOW + 51, 3)
    assert sorted(numbers(wire.send(3))) == [WINDOW + 1, 2 * WINDOW + 51]


def test_what_is_in_flight_is_the_brokers_to_limit(ledger, start):
    ledger.add_hits(50)
    _, wire = start()
    wire.in_flight = 20
    assert len(wire.send(0)) == 20
    assert wire.send(0) == []
    wire.puback(1, 1)
    assert len(wire.send(1)) == 1


def test_a_hit_is_sent_then_received(ledger, start):
    pump, wire = start()
    commit(pump, ledger, hits=1)
    wire.send(0)
    wire.puback_all(0)
    assert pump.take_marks().sent == [1]
    assert receipt(pump, 1, 1)
    marks = pump.take_marks()
    assert (marks.sent, marks.received) == ([], [1])
    assert not pump.take_marks()
    assert wire.send(1000 * S) == []


def test_a_receipt_may_come_before_the_puback_and_twice(ledger, start):
    pump, wire = start()
    commit(pump, ledger, hits=1)
    wire.send(0)
    assert receipt(pump, 1, 0)
    assert receipt(pump, 1, 0)
    wire.puback_all(1)
    assert set(pump.take_marks().received) == {1}
    assert pump.in_flight == 0
    assert wire.send(1000 * S) == []


def test_receipts_in_any_order(ledger, start):
    pump, wire = start()
    commit(pump, ledger, hits=4)
    wire.send(0)
    wire.puback_all(0)
    for number in (3, 1, 4, 2):
        assert receipt(pump, number, 1)
    assert pump.take_marks().received == [3, 1, 4, 2]


def test_a_receipt_for_a_hit_of_an_earlier_connection(ledger, start):
    ledger.add_hits(1)
    pump, _ = start()
    assert receipt(pump, 1, 0)
    assert pump.take_marks().received == [1]


@pytest.mark.parametrize("in_flight", [True, False])
def test_a_receipt_for_other_bytes_or_for_a_strangers_hit_is_refused(ledger, start, in_flight):
    ledger.add_hits(1)
    pump, wire = start()
    if in_flight:
        wire.send(0)
    assert not receipt(pump, 1, 0, sha256="00" * 32)
    assert not receipt(pump, 99, 0)
    assert receipt(pump, 1, 0)
    assert not receipt(pump, 1, 0, sha256="00" * 32)  # received already, and still not those bytes
    assert pump.take_marks().proven == []
    assert receipt(pump, 1, 0, sha256=hashlib.sha256(ledger.hits[1].payload).hexdigest())
    assert pump.take_marks().proven == [1]


def test_without_a_receipt_it_goes_again_after_5_10_20_s_up_to_10_min(ledger, start):
    pump, wire = start()
    commit(pump, ledger, hits=1)
    gaps, now, last = [], 0, 0
    for _ in range(12):
        due = pump.next_due_ns()
        now = due or now
        if due:
            assert wire.send(now - 1) == []
        [out] = wire.send(now)
        assert out is ledger.hits[1]  # byte for byte
        gaps.append((now - last) // S)
        last = now
        wire.puback_all(now)
    assert gaps == [0, 5, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600]


def test_a_console_that_is_silent_for_weeks_breaks_nothing(ledger, start):
    pump, wire = start()
    commit(pump, ledger, hits=1)
    wire.send(0)
    pump._waiting[1].tries = 5000
    wire.puback_all(0)
    assert pump.next_due_ns() == 600 * S


def test_it_is_not_sent_again_while_it_is_in_flight(ledger, start):
    pump, wire = start()
    commit(pump, ledger, hits=1)
    wire.send(0)
    assert pump.next_due_ns() is None
    assert wire.send(100 * S) == []


def test_a_new_connection_sends_everything_that_is_not_received_again(ledger, start):
    ledger.add_hits(3)
    ledger.add_notes(1)
    pump, wire = start()
    wire.send(0)
    wire.puback(1, 0)
    receipt(pump, 2, 0)
    ledger.apply(pump.take_marks())
    pump.dropped(CUT)
    _, again = start(pump=pump, now_ns=S)
    assert [(o.cls, o.number) for o in again.send(S)] == [("hit", 1), ("hit", 3), ("verdict", 1)]


def test_the_answers_to_an_earlier_connections_packets_mean_nothing(ledger, start):
    ledger.add_hits(2)
    pump, wire = start()
    wire.send(0)
    pump.dropped(CUT)
    pump.begin(S, None)
    pump.puback(1, 0, S)
    assert not pump.take_marks()


def test_a_console_that_returns_gets_what_it_missed_at_once_but_only_once(ledger, start):
    pump, wire = start()
    commit(pump, ledger, hits=2)
    now = 0
    for _ in range(5):  # the console is silent: 5, 10, 20, 40 s
        wire.send(now)
        wire.puback_all(now)
        now = pump.next_due_ns()
    assert receipt(pump, 1, now - 30 * S)
    assert numbers(wire.send(now - 30 * S)) == [2]
    wire.puback_all(now - 30 * S)
    commit(pump, ledger, hits=1)
    wire.send(now - 20 * S)
    wire.puback_all(now - 20 * S)
    assert receipt(pump, 3, now - 20 * S)  # another hit's receipt, long after: 2 is one that it never receipts
    assert wire.send(now - 20 * S) == []


def test_without_receipts_the_puback_ends_it(ledger, start):
    pump, wire = start(receipts=False)
    commit(pump, ledger, hits=2)
    wire.send(0)
    wire.puback(1, 0)
    assert pump.take_marks().received == [1]
    wire.puback(2, 0, code=0x10)  # no matching subscribers: stored is stored
    assert pump.take_marks().received == [2]


@pytest.mark.parametrize("receipts", [True, False])
def test_an_answer_that_may_mend_itself_is_tried_again(ledger, start, receipts):
    pump, wire = start(receipts=receipts)
    commit(pump, ledger, hits=1, notes=1)
    wire.send(0)
    wire.puback_all(0, code=0x97)  # quota exceeded
    assert not pump.take_marks()
    assert wire.send(S) == []
    assert {out.cls for out in wire.send(5 * S)} == {"hit", "verdict"}
    wire.puback_all(5 * S)
    marks = pump.take_marks()
    assert marks.done == [1]
    assert (marks.sent or marks.received) == [1]


@pytest.mark.parametrize("code", sorted(POISON_CODES))
def test_what_the_broker_refuses_for_good_is_set_aside_with_its_reason(ledger, start, code):
    pump, wire = start()
    commit(pump, ledger, hits=1, notes=1)
    wire.send(0)
    wire.puback_all(0, code=code)
    marks = pump.take_marks()
    assert marks.hits_set_aside == [(POISON_CODES[code], 1)]
    assert marks.notes_set_aside == [(POISON_CODES[code], 1)]
    assert wire.send(1000 * S) == []
    assert pump.in_flight == 0


def test_what_is_over_the_brokers_own_limit_is_never_sent(ledger, start):
    pump, _ = start(max_packet_bytes=80)
    ledger.add_hits(1)
    assert pump.too_large(ledger.hits[1], "a topic that is long enough")
    assert pump.take_marks().hits_set_aside == [("too large", 1)]
    pump, _ = start(max_packet_bytes=200)
    assert not pump.too_large(ledger.hits[1], "topic")


def outage(pump, start, code=CUT, poison=None, now=0):
    """One connection of a broker that answers in order and hangs up on `poison`; return what it took."""
    _, wire = start(pump=pump, now_ns=now)
    taken = []
    while went := wire.send(now):
        for mid, out in list(wire.mids.items()):
            if (out.cls, out.number) == poison:
                pump.dropped(code)
                return taken
            wire.puback(mid, now)
            taken.append((out.cls, out.number))
        assert went
    return taken


def test_a_message_that_the_broker_hangs_up_on_is_found_alone_and_set_aside(ledger, start):
    ledger.add_hits(100)
    pump, _ = start()
    for _ in range(POISON_STRIKES):
        outage(pump, start, poison=("hit", 30))
    marks = pump.take_marks()
    assert marks.hits_set_aside == [("the broker hangs up on it", 30)]
    ledger.apply(marks)
    assert ("hit", 100) in outage(pump, start, poison=("hit", 30))
    assert not pump.take_marks().hits_set_aside


@pytest.mark.parametrize("code", sorted(POISON_CODES))
def test_a_reason_given_with_the_hang_up_is_believed_once_it_can_only_mean_one(ledger, start, code):
    ledger.add_notes(3)
    pump, _ = start()
    for _ in range(SUSPECT_STRIKES + 1):
        outage(pump, start, code=code, poison=("verdict", 2))
    assert pump.take_marks().notes_set_aside == [(POISON_CODES[code], 2)]


def test_a_network_that_cuts_again_and_again_sets_nothing_aside(ledger, start):
    """Each time the whole window is in flight and nothing at all is answered: no message is to blame for that."""
    ledger.add_hits(100)
    pump, _ = start()
    for _ in range(50):
        _, wire = start(pump=pump, answered=False)
        wire.send(0)
        pump.dropped(CUT)
    assert not pump.take_marks()
    assert len(outage(pump, start)) == 100


@pytest.mark.parametrize("code", sorted(module.BLAMELESS_CODES))
def test_a_hang_up_for_the_brokers_own_reasons_blames_nobody(ledger, start, code):
    ledger.add_hits(1)
    pump, _ = start()
    for _ in range(20):
        _, wire = start(pump=pump)
        assert wire.send(0)
        pump.dropped(code)
    assert not pump.take_marks()


def test_suspects_are_cleared_one_by_one_and_the_rest_goes_after_them(ledger, start):
    ledger.add_hits(10)
    pump, _ = start()
    for _ in range(SUSPECT_STRIKES):
        _, wire = start(pump=pump)
        wire.send(0)
        pump.dropped(CUT)
    _, wire = start(pump=pump)
    for number in range(1, 11):
        assert numbers(wire.send(0)) == [number]  # one at a time
        wire.puback_all(0)
    ledger.add_hits(1)
    pump.committed([11], [])
    assert numbers(wire.send(0)) == [11]  # and then the rest, in the usual way


def test_a_suspect_that_is_gone_from_the_ledger_holds_up_nobody(ledger, start):
    ledger.add_hits(2)
    pump, _ = start()
    for _ in range(SUSPECT_STRIKES):
        _, wire = start(pump=pump)
        wire.send(0)
        pump.dropped(CUT)
    ledger.received = {1, 2}
    ledger.add_hits(1)
    _, wire = start(pump=pump)
    assert numbers(wire.send(0)) == [3]


def test_the_backlog_may_be_held_to_a_rate(ledger, start):
    ledger.add_hits(100)
    pump, wire = start(backlog_per_s=10)
    sent = [len(wire.send(tick * S // 10)) for tick in range(31)]
    assert sum(sent) in range(28, 42)
    assert max(sent) <= 11
    assert pump.backlog_waits()
    commit(pump, ledger, hits=5)
    assert numbers(wire.send(3 * S + 1))[:5] == [101, 102, 103, 104, 105]  # live is not held back


def test_a_rate_is_no_savings_account(ledger, start):
    ledger.add_hits(200)
    _, wire = start(backlog_per_s=10)
    assert len(wire.send(3600 * S)) <= 10


def test_more_live_ones_than_can_be_remembered_become_backlog(ledger, start, monkeypatch):
    monkeypatch.setattr(module, "LIVE_MAX", 10)
    pump, wire = start()
    commit(pump, ledger, hits=8, notes=8)
    wire.send(0)
    commit(pump, ledger, hits=30, notes=30)
    seen = {(out.cls, out.number) for out in wire.sent}
    while went := wire.send(1):
        seen |= {(out.cls, out.number) for out in went}
        wire.puback_all(1)
    assert seen == {("hit", n) for n in range(1, 39)} | {("verdict", n) for n in range(1, 39)}


def test_a_commit_that_was_seen_as_backlog_already_is_not_sent_twice(ledger, start):
    numbers_committed = ledger.add_hits(2)
    pump, wire = start()
    pump.committed(numbers_committed, [])  # the ledger's word comes after the connection began
    assert numbers(wire.send(0)) == [1, 2]
    assert wire.send(0) == []


def test_progress_is_the_first_sending_or_the_last_answer(ledger, start):
    pump, wire = start()
    commit(pump, ledger, hits=2)
    wire.send(7)
    assert pump.progress_ns == 7
    wire.puback(1, 9)
    assert pump.progress_ns == 9


def test_strikes_are_bounded(ledger, start):
    pump, _ = start()
    ledger.add_hits(1)
    for first in range(0, 6 * WINDOW, 64):
        for mid in range(64):
            pump.sent(mid, hit_out(first + mid), 0)
        pump.dropped(CUT)
    assert len(pump._strikes) <= 4 * WINDOW
