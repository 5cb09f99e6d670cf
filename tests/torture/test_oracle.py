"""The oracle itself: each way of breaking the promise is seen, and a promise kept is not called broken."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest

from tests.torture import oracle
from tests.torture.console import Arrival
from tests.torture.trial import Broken


class Told:
    """What a console was told, made up."""

    def __init__(self, seqs, start=1):
        self.hits = {}
        self.contents = defaultdict(set)
        self.numbers = defaultdict(set)
        self.faults = []
        self.births = [{"ledger_id": "a", "seq_start": start}]
        self.deliveries = 0
        for seq in seqs:
            self.tell(seq)

    def arrivals(self):
        return list(self.hits.values())

    def tell(self, seq, name=None, digest=None):
        name = name or (f"hit-{seq}", 0)
        digest = digest or row(seq)["digest"]
        self.deliveries += 1
        self.hits.setdefault(name, Arrival(seq, *name, "counter-1", digest, 0.0, f"run-{seq}", None))
        self.contents[name].add(digest)
        self.numbers[seq].add(name)


def row(seq, state="received", rev=0):
    event = {"data": {"seq": seq, "text": "Stück"}}
    return {
        "seq": seq,
        "hit_id": f"hit-{seq}",
        "rev": rev,
        "state": state,
        "set_aside": None,
        "event": event,
        "digest": oracle._digest(event),
    }


def judge(told, rows, broken_links=(), acked=(), **how):
    return oracle.judge(told, rows, broken_links, set(acked), **how)


def test_a_promise_kept():
    told = Told([1, 2, 3])
    told.tell(2)  # delivered twice is no fault
    figures = judge(told, [row(n) for n in (1, 2, 3)], acked=["run-1", "run-3"])
    assert (figures.committed, figures.delivered, figures.lost, figures.duplicates) == (3, 3, 0, 1)


def test_the_digest_is_that_of_the_bytes_as_published():
    published = b'{"data":{"seq":1,"text":"St\xc3\xbcck"}}'
    assert oracle._digest(json.loads(published)) == oracle.hashlib.sha256(published).hexdigest()


BREACHES = {
    "numbers missing": lambda: judge(Told([1, 3]), [row(1), row(3)]),
    "one hit with several contents": lambda: judge(_and(Told([1]), 1, ("hit-1", 0), "ff"), [row(1)]),
    "one number for several hits": lambda: judge(_and(Told([1]), 1, ("other", 0)), [row(1)]),
    "not received": lambda: judge(Told([1, 2]), [row(1), row(2, "sent")]),
    "in the ledger, not at the console": lambda: judge(Told([1]), [row(1), row(2)]),
    "at the console, not in the ledger": lambda: judge(Told([1, 2]), [row(1)]),
    "other bytes or numbers": lambda: judge(_and(Told([]), 1, ("hit-1", 0), "ff"), [row(1)]),
    "acknowledged to the driver": lambda: judge(Told([1]), [row(1)], acked=["run-1", "run-2"]),
    "the chain or the evidence": lambda: judge(Told([1]), [row(1)], broken_links=[1]),
    "below the first ledger's start": lambda: judge(Told([1, 10], start=10), [row(1), row(10)]),
    "stands twice": lambda: judge(Told([1]), [row(1), row(1)]),
}


def _and(told, *more):
    told.tell(*more)
    return told


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_named(breach):
    with pytest.raises(Broken, match=breach):
        BREACHES[breach]()


def test_a_line_that_a_kill_cut_short_was_not_acknowledged(tmp_path):
    (tmp_path / "acks").write_text("run-1\nrun-2\nrun")
    assert oracle.acknowledged(tmp_path / "acks", tmp_path / "none") == {"run-1", "run-2"}


def test_a_damaged_ledger_may_miss_numbers_and_the_new_one_may_not():
    told = Told([1, 3, 1_000_001])
    told.births.append({"ledger_id": "b", "seq_start": 1_000_001})
    judge(told, [row(3), row(1_000_001)], damaged=True)
    told.tell(1_000_003)
    with pytest.raises(Broken, match="numbers missing of ledger b"):
        judge(told, [row(3), row(1_000_001), row(1_000_003)], damaged=True)
