"""`model.activate`: a package is loaded and proven, judges beside the present one where asked, and then in its place.

It must be there already: a built-in package, or one that a technician put under `models/` in the data directory. What
is activated is kept over restarts for as long as the device's own configuration names the same model as it did then.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from drivers.clock import Clock
from drivers.errors import ModelError, StoreError
from drivers.fsync import sync_folder, write_whole
from edge.commands.desk import Answer, Call, Handler
from edge.config.model import DeviceConfig, Inference
from edge.judge import Judge
from edge.shadow import FOLDER, Shadow
from inference import load

if TYPE_CHECKING:
    from inference import Model

log = logging.getLogger("jaitf.judge")

FILE = "models.json"
PACKAGES = "models"
MAX_BYTES = 256 * 1024


class Activated(BaseModel):
    """Which package judges a device's scans in place of the configured one, who said so and when."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str
    configured: str
    model: str
    sha256: str
    by: str
    at: str


_TABLE = TypeAdapter(Annotated[list[Activated], Field(max_length=1000)])


@dataclass(slots=True)
class Activation:
    """The handler, and what it has done before. `audit` takes what, outcome and detail."""

    devices: tuple[DeviceConfig, ...]
    data_dir: Path
    given: Inference
    judge: Judge
    clock: Clock
    audit: Callable[[str, str, str], None]

    def handlers(self) -> dict[str, Handler]:
        """Return the handler by the command's name."""
        return {"model.activate": self._activate}

    def restore(self) -> None:
        """Activate again what was activated in earlier runs; what does not do any more is said, and left out."""
        self.judge.on_fallback = self._fell_back
        configured = {device.name: device.model for device in self.devices}
        opened: dict[str, Model] = {}
        for line in self._kept():
            if configured.get(line.device) != line.configured:
                continue  # the configuration has moved on since
            try:
                model = opened.get(line.model) or self._open(line.model)
            except ModelError as error:
                self._fell_back(line.device, str(error))
                continue
            opened[line.model] = model
            if model.sha256 == line.sha256:
                self.judge.activate(line.device, model)
            else:
                self._fell_back(line.device, f"{line.model} is another model than the one that was activated")

    async def _activate(self, call: Call) -> Answer:
        wanted = [d for d in self.devices if d.model and call.args.device in (None, d.name)]
        if not wanted:
            return Answer("rejected", "unknown-device", "no such device, or none that judges pictures")
        model = await asyncio.to_thread(self._open, call.args.model)
        about = {"model": {"name": model.name, "version": model.version, "sha256": model.sha256}}
        names = [device.name for device in wanted]
        if not call.args.shadow_scans:
            await self._switch(call, wanted, model)
            return Answer("done", "activated", f"{model.name} {model.version}: {', '.join(names)}", about)
        path = self.data_dir / FOLDER / f"{model.name}-{model.sha256[:12]}-{self.clock.now().wall_ns}.jsonl"
        shadow = Shadow(model, call.args.shadow_scans, path, self.clock)
        for name in names:
            self.judge.shadow(name, shadow)

        async def rest() -> Answer:
            try:
                compared = await shadow.done
            finally:
                for name in names:
                    self.judge.shadow(name, None)
            if isinstance(compared, str):
                return Answer("failed", "shadow-failed", f"the present model stays: {compared}", about)
            await self._switch(call, wanted, model)
            return Answer("done", "activated", f"{model.name} {model.version}", about | {"shadow": compared})

        return Answer("accepted", "shadow", f"beside the present one for {shadow.wanted} scans", about, rest)

    async def _switch(self, call: Call, devices: list[DeviceConfig], model: Model) -> None:
        """Write down what is activated, then have it judge. Raises StoreError, and then nothing has changed."""
        names = {device.name for device in devices}
        at = self.clock.now().rfc3339()
        lines = [line for line in self._kept() if line.device not in names]
        lines += [
            Activated(
                device=device.name, configured=device.model or "", model=call.args.model, sha256=model.sha256,
                by=call.by, at=at,
            )
            for device in devices
        ]  # fmt: skip
        await asyncio.to_thread(self._keep, lines)
        for name in names:
            self.judge.activate(name, model)

    def _fell_back(self, device: str, reason: str) -> None:
        self.audit("model.activate", "rolled-back", f"{device}: the configured model judges again: {reason}")
        try:
            self._keep([line for line in self._kept() if line.device != device])
        except StoreError as error:
            log.warning("%s", error)

    def _open(self, name: str) -> Model:
        """Return a package, checked, signed where that is asked for, and proven on its golden pictures.

        Raises ModelError.
        """
        for path in (self.data_dir / PACKAGES / name, self.data_dir / PACKAGES / f"{name}.zip"):
            if path.exists():
                return load(path, self.given.threads, self.given.model_keys_file)
        return load(name, self.given.threads, self.given.model_keys_file)

    def _kept(self) -> list[Activated]:
        path = self.data_dir / FILE
        try:
            with path.open("rb") as file:
                return _TABLE.validate_json(file.read(MAX_BYTES))
        except FileNotFoundError:
            return []
        except (OSError, ValidationError) as error:
            log.warning("%s: what was activated cannot be read: %s", path, error)
            return []

    def _keep(self, lines: list[Activated]) -> None:
        path = self.data_dir / FILE
        try:
            write_whole(path, json.dumps([line.model_dump() for line in lines]).encode())
            sync_folder(self.data_dir)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error
