"""The arguments of every command, as classes; the table says which commands there are."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from edge.config.model import DEVICE_NAME
from edge.down import Digest, HitId

MAX_CONFIG_FILES = 200
MAX_SHADOW_SCANS = 100_000

DeviceName = Annotated[str, Field(pattern=DEVICE_NAME, max_length=63)]
ConfigFile = Annotated[str, Field(pattern=r"^(edge|teams|devices/[a-z0-9][a-z0-9_-]{0,62})\.toml$")]


class Args(BaseModel):
    """Arguments of a command: exact types, and an unknown one is refused, for it may have been meant to matter."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class NoArgs(Args):
    """No arguments."""


class DeviceArgs(Args):
    """Which device."""

    device: DeviceName


class FetchArgs(Args):
    """Which hit's evidence package; `from_part` goes on where an earlier answer was cut off."""

    hit_id: HitId
    from_part: Annotated[int, Field(ge=0)] = 0


class StageArgs(Args):
    """Files of a configuration by their path in its folder; null removes one, what is not named stays."""

    files: Annotated[dict[ConfigFile, str | None], Field(min_length=1, max_length=MAX_CONFIG_FILES)]


class CommitArgs(Args):
    """Which staged configuration (its SHA-256, where the asker wants to be sure), and its trial time."""

    sha256: Digest | None = None
    trial_s: Annotated[int, Field(ge=10, le=3600)] = 120


class ActivateArgs(Args):
    """Which model package, for which device (none: all with pictures), after how many scans beside the present one."""

    model: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
    device: DeviceName | None = None
    shadow_scans: Annotated[int, Field(ge=0, le=MAX_SHADOW_SCANS)] = 0


COMMANDS: dict[str, type[Args]] = {
    "ping": NoArgs,
    "rebirth": NoArgs,
    "evidence.fetch": FetchArgs,
    "device.restart": DeviceArgs,
    "device.disable": DeviceArgs,
    "device.enable": DeviceArgs,
    "selftest": NoArgs,
    "config.get": NoArgs,
    "config.stage": StageArgs,
    "config.commit": CommitArgs,
    "config.rollback": NoArgs,
    "model.activate": ActivateArgs,
    "diagnostics": NoArgs,
}
"""Every command there is. No shell, ever."""
