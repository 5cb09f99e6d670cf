"""The pump against whatever order of commits, answers, receipts and cuts hypothesis thinks of: nothing is lost."""

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.courier.pump import WINDOW, Pump
from tests.unit.edge.courier.fakes import FakeLedger, Wire

S = 1_000_000_000
CUT = 0x80  # what the client library calls a connection that ended without a word


class Model:
    """A console, a broker and a ledger that do what hypothesis says; `pump` must lose nothing through any of it."""

    def __init__(self, receipts):
        self.ledger = FakeLedger()
        self.receipts = receipts
        self.pump = Pump(self.ledger, receipts=receipts, backlog_per_s=0)
        self.now = 0
        self.connect()

    def connect(self):
        self.pump.begin(self.now, None)
        self.wire = Wire(self.pump, in_flight=8)
        self.pump.puback(0, 0, self.now)

    def step(self, name, value):
        self.now += value * S
        getattr(self, name)(value)
        assert self.pump.in_flight <= 8
        live = len(self.pump._waiting) - self.pump._backlog_waiting
        assert 0 <= live <= WINDOW
        assert 0 <= self.pump._backlog_waiting <= WINDOW + 64

    def hits(self, value):
        self.pump.committed(self.ledger.add_hits(value), [])

    def notes(self, value):
        self.pump.committed([], self.ledger.add_notes(value, ("audit", "verdict", "thumb")[value % 3]))

    def send(self, value):
        self.wire.send(self.now)

    def puback(self, value):
        mids = list(self.wire.mids)
        if mids:
            self.wire.puback(mids[value % len(mids)], self.now)

    def refuse(self, value):
        mids = list(self.wire.mids)
        if mids:
            self.wire.puback(mids[value % len(mids)], self.now, code=0x97)

    def receipt(self, value):
        if self.ledger.hits:
            number = value % len(self.ledger.hits) + 1
            self.pump.receipt(f"{number:036d}", 0, None, self.now)

    def write(self, value):
        self.ledger.apply(self.pump.take_marks())

    def cut(self, value):
        self.pump.dropped(CUT if value % 2 else 0x8B)
        self.connect()

    def settle(self):
        """A broker and a console that work: everything must arrive, in a bounded time."""
        for _ in range(4000):
            self.wire.send(self.now)
            sent = list(self.wire.mids.items())
            for mid, out in sent:
                self.wire.puback(mid, self.now)
                if out.cls == "hit":
                    self.pump.receipt(out.hit_id, out.rev, None, self.now)
            self.ledger.apply(self.pump.take_marks())
            if len(self.ledger.received) == len(self.ledger.hits) and len(self.ledger.done) == len(self.ledger.notes):
                return
            if not sent:
                self.now = max(self.now + S, self.pump.next_due_ns() or 0)
        raise AssertionError("something never arrived")


STEPS = st.tuples(
    st.sampled_from(["hits", "notes", "send", "send", "puback", "puback", "refuse", "receipt", "write", "cut"]),
    st.integers(0, 12),
)


@given(st.booleans(), st.lists(STEPS, max_size=60))
@settings(max_examples=200, deadline=None)
def test_whatever_happens_nothing_is_lost_and_windows_are_kept(receipts, steps):
    model = Model(receipts)
    for name, value in steps:
        model.step(name, value)
    model.settle()
    if not receipts or not model.ledger.hits:
        return
    assert model.ledger.received == set(model.ledger.hits)
    assert not model.ledger.aside
