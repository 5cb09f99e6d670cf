"""What devices found on the lane's items: each thing once, with the item that it is tied to by now."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from drivers.clock import Stamp
from drivers.contract import Scan, Severity
from edge.lane.lane import Lane, Seen
from edge.lane.rules import FAINT, XRAY_ALARM, XRAY_CLEAR, XRAY_FAINT, Together
from edge.nouns import Canine, Corroboration, Decision, Evidence, Hit, Pictured, Threat, ThreatReport

MAX_SIGNS = 256
#: So long what was found on an item may say something of what another device finds.
KEEP_NS = 300_000_000_000
MAX_KEPT_BYTES = 64 * 1024 * 1024
MAX_NAMED = 8
PICTURES = frozenset({XRAY_ALARM, XRAY_FAINT, XRAY_CLEAR})


@dataclass(slots=True, eq=False)
class Sign:
    """One device's finding, or a scan that found nothing. `hit_id` is its hit's, once that is on the disk.

    `evidence` is kept of faint pictures alone, `thumb` where someone may ask for a picture.
    """

    seen: Seen
    device: str
    driver: str
    kind: str
    at: Stamp
    report: ThreatReport
    hit_id: str | None = None
    evidence: Evidence | None = None
    thumb: bytes | None = None
    canine: Canine | None = None
    joined: bool = False
    key: str | None = None
    key_as_of: int = -1
    """The lane's version that `key` is of."""
    final: bool = False
    """Whether its item has left the lane, so that `key` stays what it is."""

    @property
    def kept_bytes(self) -> int:
        """What it keeps of a picture."""
        return len(self.evidence.original) if self.evidence else 0

    def as_corroboration(self) -> Corroboration:
        """Return it as another device's hit names it."""
        return Corroboration(self.device, self.kind, self.at, self.hit_id)

    def as_picture(self) -> Pictured:
        """Return it as a hit without a picture names it."""
        return Pictured(self.device, self.seen.scan_id, self.report.decision, self.report.score, self.at)


class Signs:
    """The last signs of one lane, bounded in number, age and bytes."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._signs: deque[Sign] = deque(maxlen=MAX_SIGNS)
        self._now_ns = 0

    def add(self, sign: Sign) -> None:
        """Keep a sign; of what it keeps of pictures the oldest goes first."""
        self._signs.append(sign)
        total = sum(each.kept_bytes for each in self._signs)
        for each in self._signs:
            if total <= MAX_KEPT_BYTES:
                return
            total -= each.kept_bytes
            each.evidence = None

    def drop(self, sign: Sign) -> None:
        """Forget one sign."""
        if sign in self._signs:
            self._signs.remove(sign)

    def forget(self, now_ns: int) -> None:
        """Forget what is too old to say anything."""
        self._now_ns = now_ns
        while self._signs and now_ns - self._signs[0].at.monotonic_ns > KEEP_NS:
            self._signs.popleft()

    def of(self, sign: Sign) -> list[Sign]:
        """Return what other devices found on the item of a sign, the latest last; nothing while that is not known."""
        key = self.key(sign)
        if key is None:
            return []
        return [each for each in self._signs if each.device != sign.device and self.key(each) == key]

    def key(self, sign: Sign) -> str | None:
        """Return what is the same for all signs of one item; None while it is not known which one it is."""
        if not sign.final and sign.key_as_of != self._lane.version:
            sign.key, sign.key_as_of = self._lane.key(sign.seen), self._lane.version
            sign.final = self._lane.has_left(sign.seen, self._now_ns)
        return sign.key

    def faint(self) -> list[Sign]:
        """Return the signs that may yet become a hit together with others."""
        return [each for each in self._signs if each.kind in FAINT and not each.joined]


def dressed(hit: Hit, sign: Sign, others: Iterable[Sign], base: Severity | None, severity: Severity | None) -> Hit:
    """Return a hit with what others found on its item: who corroborates it, and pictures where it has none."""
    found = [each for each in others if each.kind != XRAY_CLEAR]
    pictures = [each for each in others if each.kind in PICTURES] if sign.canine else []
    return replace(
        hit,
        report=replace(hit.report, severity=severity or base),
        corroboration=tuple(each.as_corroboration() for each in found[-MAX_NAMED:]),
        pictures=tuple(each.as_picture() for each in pictures[-MAX_NAMED:]),
        canine=sign.canine,
    )


def joined(rule: Together, one: Sign, other: Sign, hit_id: str, lane: Lane) -> tuple[Sign, Hit]:
    """Return the hit that two faint signs make, and the sign that it is filed under: the one with a picture."""
    main, second = (one, other) if one.kind in PICTURES else (other, one)
    threat = Threat(rule.label, rule.category, score=main.report.score)
    report = ThreatReport(
        Decision.ALARM,
        score=main.report.score,
        threshold=main.report.threshold,
        threats=(threat,),
        severity=rule.severity,
        model=main.report.model,
    )
    hit = Hit(
        hit_id=hit_id,
        rev=0,
        device=main.device,
        driver=main.driver,
        observed=main.at,
        item=lane.item(main.seen),
        report=report,
        evidence=main.evidence,
        corroboration=(second.as_corroboration(),),
        canine=main.canine or second.canine,
        rule=rule.name,
    )
    return main, hit


def is_of_person(scan: Scan) -> bool:
    """Return whether a scan is of a person: of those no picture is ever kept."""
    return scan.item.type == "PERSON"
