"""One simulated appliance, without its wire: the hits it makes, and what the console still owes it a receipt for."""

from __future__ import annotations

import json
import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

FIRST_RESEND_S = 5.0
LONGEST_RESEND_S = 600.0

#: What the simulated lanes find: label, DICOS category, severity.
FINDS = (
    ("firearm or part", "PI", "high"),
    ("blade", "PI", "medium"),
    ("dense organic mass", "CONTRABAND", "medium"),
    ("bulk goods", "CONTRABAND", "low"),
)


@dataclass(slots=True)
class Owed:
    """A hit without a receipt: its bytes, when it was first sent, when it goes again."""

    topic: str
    body: str
    first_s: float
    due_s: float
    wait_s: float = FIRST_RESEND_S


@dataclass(slots=True)
class Lane:
    """An appliance of a fleet; times are monotonic seconds except where they are named `wall`."""

    site: str
    edge: str
    root: str
    chance: random.Random
    every_s: float
    next_s: float
    owed: dict[str, Owed] = field(default_factory=dict)
    seq: int = 0
    sent: int = 0
    again: int = 0
    latencies_s: list[float] = field(default_factory=list)
    session: str = ""
    ledger_id: str = ""

    def __post_init__(self) -> None:
        self.session = self._uuid4()
        self.ledger_id = self._uuid4()

    @property
    def up(self) -> str:
        """The topic under which it writes."""
        return f"{self.root}/v1/{self.site}/{self.edge}/up"

    @property
    def receipts(self) -> str:
        """The topic on which it is told what is stored."""
        return f"{self.root}/v1/{self.site}/{self.edge}/down/receipt"

    def announcements(self, wall_s: float, state: str = "online") -> list[tuple[str, str]]:
        """Return topics and bodies of what it says of itself, all retained."""
        at = _time(wall_s)
        said = [(f"{self.up}/state", {"state": state, "session": self.session, "at": at})]
        if state == "online":
            device = {"state": "up", "reason": "", "since": at}
            said += [
                (f"{self.up}/birth", self._birth(at)),
                (f"{self.up}/device/xray-1", device),
            ]
        return [(topic, json.dumps(body)) for topic, body in said]

    def due(self, now_s: float, wall_s: float) -> list[Owed]:
        """Return what goes out now: a new hit where it is time for one, and those whose receipt does not come."""
        out = [owed for owed in self.owed.values() if owed.due_s <= now_s]
        for owed in out:
            self.again += 1
            owed.wait_s = min(2 * owed.wait_s, LONGEST_RESEND_S)
            owed.due_s = now_s + owed.wait_s
        if now_s >= self.next_s:
            self.next_s = now_s + self.chance.expovariate(1 / self.every_s)
            out.append(self._hit(now_s, wall_s))
        return out

    def all_again(self, now_s: float) -> None:
        """Make everything without a receipt due: the connection is a new one."""
        for owed in self.owed.values():
            owed.due_s = now_s

    def received(self, body: bytes, now_s: float) -> None:
        """Take a receipt; one for a hit that is not owed any more changes nothing, and neither does nonsense."""
        try:
            owed = self.owed.pop(json.loads(body)["hit_id"], None)
        except (ValueError, TypeError, KeyError):
            return
        if owed is not None:
            self.latencies_s.append(now_s - owed.first_s)

    def _hit(self, now_s: float, wall_s: float) -> Owed:
        self.seq += 1
        self.sent += 1
        hit_id = self._uuid7(wall_s)
        owed = Owed(f"{self.up}/hit/xray-1", json.dumps(self._event(hit_id, wall_s)), now_s, now_s + FIRST_RESEND_S)
        self.owed[hit_id] = owed
        return owed

    def _event(self, hit_id: str, wall_s: float) -> dict[str, object]:
        label, category, severity = self.chance.choice(FINDS)
        score = round(self.chance.uniform(0.6, 1.0), 3)
        at = _time(wall_s)
        return {
            "specversion": "1.0",
            "id": f"{hit_id}:0",
            "type": "org.jaitf.edge.hit.v1",
            "source": f"/jaitf/{self.site}/{self.edge}/xray-1",
            "time": at,
            "datacontenttype": "application/json",
            "data": {
                "hit_id": hit_id,
                "rev": 0,
                "seq": self.seq,
                "historical": False,
                "site": self.site,
                "lane": f"lane-{self.edge}",
                "edge": self.edge,
                "device": "xray-1",
                "driver": "dicos",
                "stream": "passenger",
                "observed_at": at,
                "committed_at": at,
                "clock": {"quality": "synced", "offset_ms": 0.0, "boot_id": self.session, "monotonic_s": 1.0},
                "decision": "alarm",
                "severity": severity,
                "score": score,
                "threshold": 0.5,
                "threats": [{"label": label, "category": category, "score": score, "box": [100, 80, 120, 60]}],
                "item": {"scan_id": self._uuid4(), "type": "BAGGAGE"},
                "corroboration": [],
                "model": {"name": "simulated", "version": "0", "sha256": "0" * 64},
                "evidence": {"sha256": "0" * 64, "media_type": "application/dicom", "bytes": 1, "thumb": False},
            },
        }

    def _birth(self, at: str) -> dict[str, object]:
        return {
            "session": self.session,
            "at": at,
            "ledger_id": self.ledger_id,
            "seq_start": 1,
            "lane": f"lane-{self.edge}",
            "software": "jaitf-sim fleet",
            "simulated": True,
        }

    def _uuid4(self) -> str:
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    def _uuid7(self, wall_s: float) -> str:
        """Return a UUIDv7 (RFC 9562, 5.7) of this moment."""
        bits = int(wall_s * 1000) << 80 | self.chance.getrandbits(80)
        bits = bits & ~(0xF << 76) | 0x7 << 76
        return str(uuid.UUID(int=bits & ~(0x3 << 62) | 0x2 << 62))


def _time(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fleet(edges: int, site: str, root: str, every_s: float, seed: int, now_s: float) -> list[Lane]:
    """Return so many appliances of one site; each makes a hit every `every_s` on average, none at the same moment."""
    lanes = []
    for number in range(1, edges + 1):
        chance = random.Random(f"{seed}-{number}")
        lanes.append(Lane(site, f"edge-{number:04d}", root, chance, every_s, now_s + chance.uniform(0, every_s)))
    return lanes


def summary(lanes: list[Lane]) -> dict[str, object]:
    """Return what became of all hits: counts, and the time from publish to receipt in milliseconds."""
    times = sorted(each for lane in lanes for each in lane.latencies_s)
    return {
        "simulated": True,
        "edges": len(lanes),
        "hits": sum(lane.sent for lane in lanes),
        "received": len(times),
        "outstanding": sum(len(lane.owed) for lane in lanes),
        "sent_again": sum(lane.again for lane in lanes),
        "receipt_p50_ms": _at(times, 0.5),
        "receipt_p99_ms": _at(times, 0.99),
        "receipt_max_ms": _at(times, 1.0),
    }


def _at(times: list[float], share: float) -> float | None:
    """Return the value below which a share of the times lies, in milliseconds."""
    return round(1000 * times[min(len(times) - 1, int(share * len(times)))], 1) if times else None
