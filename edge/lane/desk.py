"""Where the lane's findings meet: which hits are of one item, what that makes of them, and what is told anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from drivers.clock import Stamp
from drivers.contract import Identity, Observation, Reading, Scan, Severity
from edge.config import Config, DeviceConfig
from edge.config.lane import ALWAYS, LaneToml, TeamsToml, WeightToml
from edge.event import corroboration_body, item_body, picture_body, targeted_body
from edge.lane.lane import Lane, Seen
from edge.lane.layout import Contact, Layout, Place, Station
from edge.lane.rules import CANINE_ALERT, CANINE_CHANGE, OTHER, XRAY_ALARM, XRAY_CLEAR, XRAY_FAINT, Rules, rules
from edge.lane.signs import KEEP_NS, Sign, Signs, dressed, is_of_person, joined
from edge.lane.teams import Teams
from edge.lane.weights import Weights
from edge.nouns import Decision, Evidence, Hit, Item, Targeted, ThreatReport
from edge.severity import raised

MAX_OPEN = 256
BELT_RIGHT = "items turn up where the belt brings them again: it ties them"
BELT_WRONG = (
    "items with tags turn up elsewhere than the belt should bring them: its speed or a device's place in [lane] is"
    " wrong; until that is mended, items are tied by their tags alone"
)

Match = Callable[[frozenset[Identity]], Targeted | None]
Covert = Callable[[Targeted | None, ThreatReport], bool]


@dataclass(slots=True, eq=False)
class OpenHit:
    """A committed hit that may still change; `base` is its severity before others spoke for it."""

    hit: Hit
    sign: Sign
    base: Severity | None
    identities: frozenset[Identity]
    pictured: bool = False
    spoken: tuple[object, ...] = ()
    """What others had said of the item when it was last looked at, after the item had left."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be said anew of a committed hit; a thumbnail where it had none."""

    hit_id: str
    words: dict[str, Any]
    thumb: bytes | None


@dataclass(frozen=True, slots=True)
class Joined:
    """A hit of two faint signs, to be committed."""

    hit: Hit
    sign: Sign


class Desk:
    """One lane's findings. For the event loop alone; bounded in number and in age."""

    def __init__(
        self, lane: Lane, teams: Teams, held: Rules, match: Match, covert: Covert, weight: WeightToml | None = None
    ) -> None:
        self.lane = lane
        self.weights = Weights(lane, weight)
        self.teams = teams
        self._rules = held
        self._match = match
        self._covert = covert
        self._signs = Signs(lane)
        self._open: dict[str, OpenHit] = {}
        self._trusted = True
        self._standing: set[str] = set()

    @property
    def wants_pictures(self) -> bool:
        """Whether anyone on this lane may ask for a picture of an item that a scanner found nothing in."""
        return bool(self.teams.toml.button) and self.lane.layout.active

    def see(self, device: str, observation: Observation) -> Seen:
        """Take an observation, and return what ties it to its item."""
        return self.lane.see(device, observation)

    def find(self, device: DeviceConfig, seen: Seen, observation: Observation, report: ThreatReport) -> Sign:
        """Take a device's verdict, and return it as a sign of its item. Trials and training say nothing of others."""
        button = self.teams.button(device.name, observation) if isinstance(observation, Reading) else None
        sign = Sign(seen, device.name, device.driver, OTHER, observation.at, replace(report, thumb=None))
        if isinstance(observation, Scan):
            sign.kind = self._kind_of_scan(report)
            if sign.kind == XRAY_FAINT:
                sign.evidence = Evidence(observation.original, observation.media_type)
            if self.wants_pictures and not is_of_person(observation):
                sign.thumb = report.thumb
        elif button:
            sign.kind = CANINE_CHANGE if not button.alone else CANINE_ALERT
            sign.canine = self.teams.act(button, observation.at)
        else:
            sign.kind = self._rules.kinds.get(device.driver, OTHER)
        said = not observation.is_test and report.decision is not Decision.UNKNOWN
        if self.lane.layout.active and seen.placed and said:
            self._signs.add(sign)
        return sign

    def take_back(self, sign: Sign) -> None:
        """Forget a sign whose observation was refused: its device will bring it again."""
        self._signs.drop(sign)
        self.lane.take_back(sign.seen)

    def is_asked_for(self, seen: Seen) -> bool:
        """Return whether a dog reacted to this item before: its picture is then judged at the stricter point."""
        if not self.wants_pictures:
            return False
        probe = Sign(seen, seen.device, "", OTHER, Stamp(0, seen.at_ns), ThreatReport(Decision.UNKNOWN))
        return any(each.canine for each in self._signs.of(probe))

    def alone(self, sign: Sign) -> bool:
        """Return whether an alarm is a hit of its own, and not only a faint sign."""
        return sign.kind != CANINE_CHANGE

    def dress(self, hit: Hit, sign: Sign) -> Hit:
        """Return a hit as it is to be committed, with what is known of its item by now."""
        return self._dressed(hit, sign, hit.report.severity)

    def opened(self, hit: Hit, sign: Sign, base: Severity | None) -> None:
        """Take note that a hit is on the disk: what changes about it from now on is told. `base` as it was judged."""
        sign.hit_id = hit.hit_id
        if sign.seen.placed and not hit.is_test:
            bare = replace(hit, evidence=None, raw=b"", report=replace(hit.report, thumb=None))
            self._open[hit.hit_id] = OpenHit(bare, sign, base, self.lane.identities(sign.seen))
            if len(self._open) > MAX_OPEN:
                del self._open[next(iter(self._open))]

    def notices(self) -> Iterator[tuple[str, str]]:
        """Yield what a person must know of the lane itself, once each: what has gone wrong, and that it is mended."""
        trusted, standing = self.lane.tracks.trusted, {name for name, _ in self.lane.passages.standing()}
        if trusted is not self._trusted:
            self._trusted = trusted
            yield ("done", BELT_RIGHT) if trusted else ("failed", BELT_WRONG)
        for reader in sorted(standing - self._standing):
            yield "warning", f"{reader} hears a tag that lies beside the belt: it is left out; is it another lane's?"
        self._standing = standing

    def joins(self, new_id: Callable[[], str]) -> Iterator[Joined]:
        """Yield the hits that faint signs make together, each pair once."""
        for one, other in combinations(self._signs.faint(), 2):
            if one.joined or other.joined or one.device == other.device:
                continue
            rule = self._rules.joined(one.kind, other.kind)
            if rule is None or (key := self._signs.key(one)) is None or self._signs.key(other) != key:
                continue
            main, hit = joined(rule, one, other, new_id(), self.lane)
            target = self._match(self.lane.identities(main.seen))
            severity = raised(rule.severity) if target else rule.severity
            hit = replace(hit, targeted=target, report=replace(hit.report, severity=severity))
            one.joined = other.joined = True
            yield Joined(replace(hit, covert=self._covert(target, hit.report)), main)

    def changes(self, now_ns: int) -> Iterator[Change]:
        """Yield what is known better of committed hits than was told, each difference once."""
        self.lane.forget(now_ns)
        self._signs.forget(now_ns)
        for hit_id, held in list(self._open.items()):
            if now_ns - held.sign.seen.at_ns > KEEP_NS:
                del self._open[hit_id]
            elif change := self._change(held):
                yield change

    def told(self, hit_id: str) -> Hit | None:
        """Return a hit as it was told last, None for one that changes no more."""
        held = self._open.get(hit_id)
        return held.hit if held else None

    def _change(self, held: OpenHit) -> Change | None:
        before, sign = held.hit, held.sign
        if (spoken := self._spoken(sign)) and spoken == held.spoken:
            return None
        held.spoken = spoken
        identities = self.lane.identities(sign.seen)
        target = before.targeted
        if target is None and identities != held.identities:
            target = self._match(identities)
            held.base = raised(held.base) if target and held.base else held.base
        held.identities = identities
        now = self._dressed(before, sign, held.base) if before.rule is None else before
        now = replace(now, item=self.lane.item(sign.seen), targeted=target)
        now = replace(now, covert=before.covert or self._covert(target, now.report))
        held.hit = now
        words = _difference(before, now)
        thumb = self._picture(held)
        return Change(before.hit_id, words, thumb) if words or thumb else None

    def _spoken(self, sign: Sign) -> tuple[object, ...]:
        """Return what others have said of an item that has left; nothing while it is here and may be another yet."""
        others = self._signs.of(sign)
        return (sign.key, *((id(each), each.hit_id) for each in others)) if sign.final else ()

    def _picture(self, held: OpenHit) -> bytes | None:
        """Return the picture that a hit of a dog's asked for, once it is there."""
        if held.pictured or held.sign.canine is None:
            return None
        thumbs = [each.thumb for each in self._signs.of(held.sign) if each.thumb]
        held.pictured = bool(thumbs)
        return thumbs[-1] if thumbs else None

    def _dressed(self, hit: Hit, sign: Sign, base: Severity | None) -> Hit:
        others = self._signs.of(sign) if sign.seen.placed and not hit.is_test else []
        steps = self._rules.steps(sign.kind, (each.kind for each in others))
        return dressed(hit, sign, others, base, raised(base, steps) if base else None)

    def _kind_of_scan(self, report: ThreatReport) -> str:
        if report.decision is Decision.ALARM:
            return XRAY_ALARM
        if report.score is None or report.threshold is None:
            return XRAY_CLEAR
        return XRAY_FAINT if report.score >= self._rules.faint_xray * report.threshold else XRAY_CLEAR


def _difference(before: Hit, now: Hit) -> dict[str, Any]:
    """Return what is to be said anew; by how much the belt may be off changes with every read, and is not news."""
    words: dict[str, Any] = {}
    if _settled(before.item) != _settled(now.item):
        words["item"] = item_body(now.item).model_dump(mode="json")
    if before.corroboration != now.corroboration:
        words["corroboration"] = [corroboration_body(each).model_dump(mode="json") for each in now.corroboration]
    if before.pictures != now.pictures:
        words["pictures"] = [picture_body(each).model_dump(mode="json") for each in now.pictures]
    if before.report.severity != now.report.severity:
        words["severity"] = now.report.severity
    if before.targeted != now.targeted and (targeted := targeted_body(now.targeted)):
        words["targeted"] = targeted.model_dump(mode="json")
    if now.covert and not before.covert:
        words["covert"] = True
    return words


def _settled(item: Item) -> Item:
    return replace(item, match=replace(item.match, uncertainty_ms=None)) if item.match else item


def desk(config: Config, match: Match, covert: Covert) -> Desk:
    """Return the desk of a lane as it is configured."""
    worn = frozenset(epc.lower() for team in config.teams.team for epc in team.epcs)
    lane = Lane(layout(config.lane), worn=worn)
    return Desk(lane, Teams(config.teams), rules(config.lane.rules), match, covert, config.lane.weight)


def no_lane(match: Match, covert: Covert) -> Desk:
    """Return the desk of a lane that is not laid out: nothing is tied together."""
    return Desk(Lane(Layout()), Teams(TeamsToml()), rules({}), match, covert)


def layout(toml: LaneToml) -> Layout:
    """Return how a lane is laid out as its configuration says."""
    return Layout(
        belt_mm_s=toml.belt_mm_s,
        gap_mm=toml.gap_mm,
        speed_error=toml.speed_error,
        stop_mm=toml.stop_mm,
        always_runs=toml.running == ALWAYS,
        running=_contact(toml.running) if toml.running != ALWAYS else None,
        entry=_contact(toml.entry),
        places={name: Place(p.at_mm, p.view_mm, p.delay_ms, p.within_ms) for name, p in toml.places.items()},
        stations=tuple(
            Station(name, frozenset(about.devices), round(about.within_s * 1e9))
            for name, about in toml.stations.items()
        ),
    )


def _contact(named: str | None) -> Contact | None:
    device, _, label = (named or "").partition("/")
    return Contact(device, label) if named else None
