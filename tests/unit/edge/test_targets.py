"""The target list: what comes into force, what is refused with a report, what matches, and for how long."""

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.clock import rfc3339
from drivers.contract import Identity, IdKind
from edge.courier.link import Incoming
from edge.down import MAX_BYTES, MAX_TARGETS, TARGETS
from edge.nouns import Targeted
from edge.targets import FILE, Targets, names_of
from tests.core import FakeClock

DAY_NS = 86_400_000_000_000
SALT = "e3b0c44298fc1c14"
GOLDEN = "ad6d094597403cb5fa69e401340dff348ec16bdd6f390075f6b76a0fdc1ea6d2"


def entry(value="0220123456", kind="bag_tag", risk="high", **more):
    hashed = hashlib.sha256(f"{SALT}{value}".encode()).hexdigest()
    return {"target_id": f"T-{value[-3:]}", "kind": kind, "hash": hashed, "risk": risk, **more}


class Lane:
    def __init__(self, folder):
        self.folder = folder
        self.clock = FakeClock()
        self.reports = []
        self.open()

    def open(self):
        self.targets = Targets(self.folder, self.clock, lambda outcome, detail: self.reports.append((outcome, detail)))

    def told(self, version=1, entries=None, hours=24.0, **changes):
        now = self.clock.wall_ns
        return {
            "version": version,
            "issued_at": rfc3339(now - 60_000_000_000),
            "expires_at": rfc3339(now + int(hours * 3600e9)),
            "salt": SALT,
            "entries": [entry()] if entries is None else entries,
            **changes,
        }

    def send(self, message):
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.targets.take(Incoming("down/targets", payload, True))

    def match(self, tag="0220123456", kind=IdKind.BAG_TAG):
        return self.targets.match([Identity(kind, tag)])


@pytest.fixture
def lane(tmp_path):
    return Lane(tmp_path)


def test_the_hash_is_of_salt_and_value_in_utf_8():
    text = "e3b0c44298fc1c140220123456"
    assert entry()["hash"] == hashlib.sha256(text.encode()).hexdigest()
    # sha256sum's own answer: printf %s e3b0c44298fc1c140220123456 | sha256sum
    assert entry()["hash"] == GOLDEN


def test_a_bag_that_is_asked_for_matches_and_no_other(lane):
    lane.send(lane.told())
    assert lane.match() == Targeted("T-456", "high")
    assert lane.match("0220123457") is None
    assert lane.match("0220123456", IdKind.PARCEL) is None
    assert lane.reports == [("accepted", f"version 1, 1 entries, until {lane.told()['expires_at']}")]
    assert lane.targets.body().matched == 1


def test_a_flight_and_a_document_match_in_their_forms(lane):
    lane.send(
        lane.told(entries=[entry("AF0718/2026-11-21", "flight", "elevated", covert=True), entry("X1234", "document")])
    )
    assert lane.match("AF0718/2026-11-21", IdKind.FLIGHT) == Targeted("T--21", "elevated", covert=True)
    both = {Identity(IdKind.FLIGHT, "AF0718/2026-11-21"), Identity(IdKind.DOCUMENT, "X1234")}
    assert lane.targets.match(both) == Targeted(
        "T-234", "high", covert=True
    )  # the higher risk, and covert all the same
    assert names_of("0220123456", both) == {*both, Identity(IdKind.BAG_TAG, "0220123456")}


def test_a_list_stays_until_it_expires_and_no_longer(lane):
    lane.send(lane.told(hours=1))
    lane.clock.advance(3599)
    assert lane.match()
    lane.clock.advance(1)
    assert lane.match() is None
    assert lane.targets.body().state == "expired"


REFUSED = {
    "expired": (
        lambda lane: lane.told(9, issued_at="2026-01-01T00:00:00Z", expires_at="2026-01-02T00:00:00Z"),
        "expired",
    ),
    "replayed": (lambda lane: lane.told(0 + 1, entries=[]), "replayed"),
    "an older one": (lambda lane: lane.told(4), "replayed"),
    "oversized": (lambda lane: b" " * (MAX_BYTES[TARGETS] + 1), "too-large"),
    "too many": (lambda lane: lane.told(9, entries=[entry()] * (MAX_TARGETS + 1)), "malformed"),
    "no json": (lambda lane: b"\xff{", "malformed"),
    "nothing": (lambda lane: b"", "empty"),
    "a name in place of a hash": (lambda lane: lane.told(9, entries=[{**entry(), "hash": "0220123456"}]), "malformed"),
    "a risk of no list": (lambda lane: lane.told(9, entries=[entry(risk="low")]), "malformed"),
    "a kind of no list": (lambda lane: lane.told(9, entries=[entry(kind="name")]), "malformed"),
    "over before it began": (lambda lane: lane.told(9, issued_at="2036-01-01T00:00:00Z"), "malformed"),
    "deep": (lambda lane: b'{"version":' + b"[" * 100_000, "malformed"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_is_not_in_order_is_refused_with_a_report_and_the_last_good_one_stays(lane, how):
    make, code = REFUSED[how]
    lane.send(lane.told(5))
    bad = make(lane)
    lane.send(bad)
    assert [outcome for outcome, _ in lane.reports] == ["accepted", "refused"]
    assert lane.reports[-1][1].startswith(code)
    assert lane.targets.body().problem.startswith(code)
    assert lane.match()
    lane.send(bad)  # retained: it comes again with each connection, and is no news
    assert len(lane.reports) == 2
    lane.send(lane.told(10, entries=[]))
    assert lane.match() is None
    assert lane.targets.body().problem == ""


def test_the_same_one_again_is_no_news(lane):
    told = lane.told()
    lane.send(told)
    lane.send(told)
    assert len(lane.reports) == 1


def test_it_outlives_a_restart_and_so_does_its_version(lane):
    lane.send(lane.told(7))
    assert (lane.folder / FILE).stat().st_mode & 0o777 == 0o600
    assert b"0220123456" not in (lane.folder / FILE).read_bytes()
    lane.open()
    assert lane.match()
    lane.clock.advance(2 * 86_400)
    lane.open()
    assert lane.match() is None
    lane.send(lane.told(6))
    assert lane.reports[-1][1].startswith("replayed")


def test_a_kept_list_that_is_not_whole_is_said(lane):
    (lane.folder / FILE).write_bytes(b'{"version": 3')
    lane.open()
    assert "not whole" in lane.targets.body().problem
    lane.send(lane.told())
    assert lane.match()


def test_a_flood_of_bad_ones_is_reported_in_part(lane):
    for number in range(200):
        lane.send(b"bad %d" % number)
    assert 5 <= len(lane.reports) <= 15


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_no_bytes_break_it(tmp_path_factory, payload):
    lane = Lane(tmp_path_factory.getbasetemp())
    lane.send(payload)
    assert lane.targets.body().state == "none"
