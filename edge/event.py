"""Turns a hit into the bytes that are committed and published: the only place where a hit's event is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Literal

from drivers.clock import Stamp
from drivers.contract import Measurement, Severity
from drivers.registry import source_of
from edge.clock import ClockState, boot_id
from edge.messages import (
    MAX_HIT_BYTES,
    SEAL_BYTES,
    CanineBody,
    ClockBody,
    CorroborationBody,
    EvidenceBody,
    HitData,
    HitEvent,
    ItemBody,
    MatchBody,
    MeasurementBody,
    ModelBody,
    PictureBody,
    TargetedBody,
    ThreatBody,
    Verdict,
)
from edge.nouns import Canine, Corroboration, Hit, Item, ModelName, Pictured, Targeted, Threat, ThreatReport

HISTORICAL_NS = 60_000_000_000
MAX_THREATS = 16
CLIPPED_CHARS = 32


@dataclass(frozen=True, slots=True)
class Identity:
    """Which appliance speaks."""

    root: str
    site: str
    lane: str
    edge: str
    stream: Literal["passenger", "cargo", "post"]

    def topic(self, rest: str) -> str:
        """Return a topic of this appliance: `{root}/v1/{site}/{id}/` and `rest`."""
        return f"{self.root}/v1/{self.site}/{self.edge}/{rest}"


def clock_body(at: Stamp, state: ClockState) -> ClockBody:
    """Return how good the time `at` is, as messages say it."""
    return ClockBody(
        quality=state.quality,
        offset_ms=state.offset_ms,
        boot_id=boot_id(),
        monotonic_s=round(at.monotonic_ns / 1e9, 3),
    )


def item_body(item: Item) -> ItemBody:
    """Return an item as messages say it."""
    match = MatchBody(**asdict(item.match)) if item.match else None
    return ItemBody(scan_id=item.scan_id, bag_tag=item.bag_tag, type=item.type, parcel=item.parcel, match=match)


def corroboration_body(sign: Corroboration) -> CorroborationBody:
    """Return what another device found as messages say it."""
    return CorroborationBody(device=sign.device, kind=sign.kind, at=sign.at.rfc3339(), hit_id=sign.hit_id)


def picture_body(picture: Pictured) -> PictureBody:
    """Return a scan of a hit's item as messages say it."""
    return PictureBody(
        device=picture.device,
        scan_id=picture.scan_id,
        decision=picture.decision,
        score=picture.score,
        at=picture.at.rfc3339(),
    )


def canine_body(canine: Canine | None) -> CanineBody | None:
    """Return what a dog's handler reported as messages say it."""
    return CanineBody.model_validate(asdict(canine)) if canine else None


def model_body(model: ModelName | None) -> ModelBody | None:
    """Return a model as messages say it."""
    return ModelBody.model_validate(asdict(model)) if model else None


def targeted_body(target: Targeted | None) -> TargetedBody | None:
    """Return the entry of the target list that an item matches, as messages say it."""
    return TargetedBody(risk=target.risk, target_id=target.target_id) if target else None


def threat_body(threat: Threat) -> ThreatBody:
    """Return a potential threat object as messages say it."""
    measured = threat.measurement
    return ThreatBody(
        label=threat.label,
        category=threat.category,
        score=threat.score,
        box=threat.box,
        view=threat.view if threat.box is not None else None,
        zone=threat.zone,
        measurement=MeasurementBody(name=measured.name, value=measured.value, unit=measured.unit) if measured else None,
    )


def _clipped(threat: Threat) -> Threat:
    measured = threat.measurement
    if measured:
        value = measured.value[:CLIPPED_CHARS] if isinstance(measured.value, str) else measured.value
        measured = Measurement(measured.name[:CLIPPED_CHARS], value, measured.unit[:CLIPPED_CHARS])
    zone = threat.zone[:CLIPPED_CHARS] if threat.zone else threat.zone
    return replace(threat, label=threat.label[:CLIPPED_CHARS], zone=zone, measurement=measured)


class EventWriter:
    """Writes hits and verdicts as this appliance publishes them."""

    def __init__(self, identity: Identity, clock_state: Callable[[], ClockState]) -> None:
        self.identity = identity
        self._clock_state = clock_state

    def hit(
        self,
        hit: Hit,
        seq: int,
        committed: Stamp,
        evidence: EvidenceBody | None,
        report_sha256: str | None = None,
    ) -> bytes:
        """Return the event of a hit, unsealed: of many threats the strongest are named, never half of one.

        With its seal it has at most 8 KiB. The observation's age is taken from the monotonic clock, so that a wall
        clock set by hours makes no live hit historical; times before this boot cannot occur here, for a reading is no
        older than its process.
        """
        who, report = self.identity, hit.report
        threats = sorted(report.threats, key=lambda t: -(t.score or 0.0))[:MAX_THREATS]
        while True:
            data = HitData(
                hit_id=hit.hit_id,
                rev=hit.rev,
                seq=seq,
                historical=committed.monotonic_ns - hit.observed.monotonic_ns > HISTORICAL_NS,
                site=who.site,
                lane=who.lane,
                edge=who.edge,
                device=hit.device,
                driver=hit.driver,
                stream=who.stream,
                observed_at=hit.observed.rfc3339(),
                committed_at=committed.rfc3339(),
                clock=clock_body(hit.observed, self._clock_state()),
                severity=report.severity or Severity.MEDIUM,
                score=report.score,
                threshold=report.threshold,
                threats=tuple(threat_body(t) for t in threats),
                item=item_body(hit.item),
                corroboration=tuple(corroboration_body(sign) for sign in hit.corroboration),
                pictures=tuple(picture_body(picture) for picture in hit.pictures) or None,
                canine=canine_body(hit.canine),
                rule=hit.rule,
                count=hit.count,
                scan_type=hit.scan_type,
                tip_type=hit.tip_type,
                source=source_of(hit.driver),
                targeted=targeted_body(hit.targeted),
                covert=hit.covert or None,
                model=model_body(report.model),
                evidence=evidence,
                report_sha256=report_sha256,
            )
            event = HitEvent(
                id=f"{hit.hit_id}:{hit.rev}",
                source=f"/{who.root}/{who.site}/{who.edge}/{hit.device}",
                time=committed.rfc3339(),
                data=data,
            ).encoded()
            if len(event) <= MAX_HIT_BYTES - SEAL_BYTES:
                return event
            # One threat alone is too large only where its device gave it texts that nobody can mean.
            threats = threats[: len(threats) // 2] or [_clipped(threats[0])]

    def verdict(
        self,
        report: ThreatReport,
        item: Item,
        at: Stamp,
        hit: Hit | None,
        kind: tuple[str, str | None],
        targeted: Targeted | None = None,
        source: str | None = None,
        evidence_sha256: str | None = None,
    ) -> bytes:
        """Return the verdict on an item; `kind` is the scan's (ScanType, TIPType), `source` its driver's.

        `evidence_sha256` names what is kept of a scan that could not be judged.
        """
        scan_type, tip_type = kind
        return Verdict(
            scan_id=item.scan_id,
            decision=report.decision,
            reason=report.reason,
            item=item_body(item),
            score=report.score,
            threshold=report.threshold,
            at=at.rfc3339(),
            hit_id=hit.hit_id if hit else None,
            targeted=targeted_body(targeted),
            scan_type=scan_type if scan_type != "OPERATIONAL" else None,
            tip_type=tip_type,
            source=source,
            ms=report.ms,
            evidence_sha256=evidence_sha256,
        ).encoded()
