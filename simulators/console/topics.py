"""Topics of the contract: `{root}/v1/{site}/{edge}/up/...` is heard, `.../down/receipt` is answered."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_HIT_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def is_name(text: str) -> bool:
    """Say whether `text` may name a site, an appliance or a device."""
    return _NAME.fullmatch(text) is not None


def is_hit_id(text: str) -> bool:
    """Say whether `text` is a UUIDv7 in lower case, as hit ids are."""
    return _HIT_ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Origin:
    """Which appliance speaks, what kind of message, and what stands after it (a device, a hit id)."""

    site: str
    edge: str
    kind: str
    rest: str


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics under one root."""

    root: str

    @property
    def everything(self) -> str:
        """Return the filter for whatever any appliance sends."""
        return f"{self.root}/v1/+/+/up/#"

    def shared_hits(self, group: str = "ingest") -> str:
        """Return the filter under which several workers share the hits: each hit goes to one of them."""
        return f"$share/{group}/{self.root}/v1/+/+/up/hit/+"

    def all_but_hits(self) -> list[str]:
        """Return the filters for what one worker hears alone, because it must stay in order or has no receipt."""
        kinds = ("state", "birth", "device/+", "verdict/+", "thumb/+", "evidence/#", "health", "reply", "audit")
        return [f"{self.root}/v1/+/+/up/{kind}" for kind in kinds]

    def origin(self, topic: str) -> Origin | None:
        """Return where a message came from, or None where the topic is none of the contract's."""
        prefix = f"{self.root}/v1/"
        if not topic.startswith(prefix):
            return None
        site, _, tail = topic[len(prefix) :].partition("/")
        edge, _, tail = tail.partition("/")
        direction, _, tail = tail.partition("/")
        kind, _, rest = tail.partition("/")
        if direction != "up" or not kind or not is_name(site) or not is_name(edge):
            return None
        return Origin(site, edge, kind, rest)

    def down(self, site: str, edge: str, kind: str, name: str = "") -> str:
        """Return where an appliance listens for dispositions, targets and commands."""
        return f"{self.root}/v1/{site}/{edge}/down/{kind}{f'/{name}' if name else ''}"

    def replies(self, site: str, edge: str) -> str:
        """Return the topic under which an appliance answers this console's commands."""
        return f"{self.root}/v1/{site}/{edge}/up/reply"

    def receipt(self, site: str, edge: str) -> str:
        """Return where an appliance listens for receipts."""
        return f"{self.root}/v1/{site}/{edge}/down/receipt"
