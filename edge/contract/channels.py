"""Every topic of the contract, what goes over it, and how (contract, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, create_model

from edge import down, messages
from edge.commands.args import COMMANDS
from edge.courier.pump import EXPIRY_S

JPEG = "image/jpeg"
BYTES = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Channel:
    """A topic below `{root}/v1/{site}/{id}/`: `name` is that of its message, `body` its class or its media type."""

    name: str
    address: str
    body: type[BaseModel] | str
    summary: str
    qos: Literal[0, 1] = 1
    retained: bool = False
    expiry_s: int | None = None

    @property
    def sent(self) -> bool:
        """Whether the appliance sends it; it hears the others."""
        return self.address.startswith("up/")


def _command(name: str) -> type[BaseModel]:
    args = COMMANDS[name]
    title = "".join(part.capitalize() for part in name.split("."))
    # A command without required arguments may leave `args` out.
    needed = any(field.is_required() for field in args.model_fields.values())
    field = (args, ...) if needed else (args, args())
    made: type[BaseModel] = create_model(f"{title}Command", __base__=down.Command, args=field)
    made.__doc__ = f"The command `{name}`. {args.__doc__ or ''}"
    return made


CHANNELS: tuple[Channel, ...] = (
    Channel("state", "up/state", messages.StateMessage, "whether the appliance is there; offline is the will", 1, True),
    Channel("birth", "up/birth", messages.Birth, "what the appliance is, on every connect", 1, True),
    Channel("device", "up/device/{device}", messages.DeviceMessage, "how a device is", 1, True),
    Channel("hit", "up/hit/{device}", messages.HitEvent, "a hit, sent again until it is receipted"),
    Channel(
        "verdict",
        "up/verdict/{device}",
        messages.Verdict,
        "one for each screened item; none means unknown",
        expiry_s=EXPIRY_S["verdict"],
    ),
    Channel("reading", "up/reading/{device}", messages.ReadingNews, "what a device without pictures saw", 0),
    Channel("thumb", "up/thumb/{hit_id}", JPEG, "the finding, drawn in; at most 64 KiB", expiry_s=EXPIRY_S["thumb"]),
    Channel("evidence", "up/evidence/{hit_id}/{part}", BYTES, "a part of an evidence package, at most 256 KiB"),
    Channel("health", "up/health", messages.Health, "how the appliance fares", 0, True),
    Channel("reply", "up/reply", messages.Reply, "the answer to a command or a disposition"),
    Channel("audit", "up/audit", messages.Audit, "who asked for what, and what became of it"),
    Channel("receipt", "down/receipt", down.Receipt, "the console has stored a hit"),
    Channel("disposition", "down/disposition", down.Disposition, "what came of a hit"),
    Channel("targets", "down/targets", down.Targets, "what this lane is asked to look for", 1, True),
    *(Channel(f"cmd.{name}", f"down/cmd/{name}", _command(name), "a command") for name in COMMANDS),
)
