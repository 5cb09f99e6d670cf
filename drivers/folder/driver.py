"""The `folder` driver: see `intake` for what it does all day; here is how it is started and how it is probed."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from drivers.clock import SystemClock
from drivers.contract import Driver, Port, ProbeReport, Reading
from drivers.errors import LinkError, LinkTimeout, ProtocolError
from drivers.folder import codec
from drivers.folder.bounded import Bounded
from drivers.folder.decode import shown
from drivers.folder.intake import Intake
from drivers.folder.settings import FolderSettings
from drivers.folder.share import Changed, InUse, Share, link_error
from drivers.folder.waiting import Seen


class FolderDriver(Driver):
    """Watches an export folder and emits each whole file once."""

    progress_deadline_s: ClassVar[float | None] = 60.0

    def __init__(self, settings: FolderSettings) -> None:
        self._settings = settings
        self._io: Bounded | None = None

    async def run(self, port: Port) -> None:
        """Serve the folder until cancelled; see `Driver.run`."""
        if self._io is None:  # kept from run to run: it knows of threads that still hang
            self._io = Bounded(port.progress)
        intake = Intake(self._settings, port, self._io)
        try:
            await intake.run()
        finally:
            await intake.close()

    async def probe(self, deadline_s: float) -> ProbeReport:
        """Open the folder, count its files, and read the newest; see `Driver.probe`."""
        steps: list[str] = []
        io = Bounded(lambda: None)
        share = Share(self._settings)
        try:
            async with asyncio.timeout(deadline_s):
                opened = await io.call(deadline_s, f"opening {self._settings.path}", share.open)
                events = opened.mount.gives_events and not self._settings.poll_s
                how = "file events" if events else "no file events: looked at again and again"
                steps.append(f"{self._settings.path}: {opened.mount.type}, mounted at {opened.mount.point}; {how}")
                found = await io.call(deadline_s, f"listing {self._settings.path}", share.sweep)
                steps.append(f"{len(found)} files that may be pictures")
                sample = await self._sample(io, share, found, deadline_s)
        except TimeoutError:
            steps.append(f"nothing came within {deadline_s:g} s")
            return ProbeReport(False, tuple(steps), mend="is the file server reachable?", code=LinkTimeout.code)
        except (LinkError, ProtocolError) as error:
            return ProbeReport(False, (*steps, str(error)), code=error.code)
        return ProbeReport(True, tuple(steps), {"file_system": opened.mount.type}, sample)

    async def _sample(self, io: Bounded, share: Share, found: list[Seen], deadline_s: float) -> str | None:
        """Return what the newest file holds, in words."""
        if not found:
            return None
        newest = max(found, key=lambda seen: seen.mtime_ns)
        try:
            taken = await io.call(deadline_s, f"reading {shown(newest.path)}", share.take, newest)
            found_in_it = await io.call(
                deadline_s, "decoding", codec.observe, taken.data, shown(newest.path), SystemClock().now()
            )
        except (Changed, InUse):
            return f"{shown(newest.path)} is being written just now"
        except OSError as error:
            raise link_error(error, self._settings.path / newest.path) from error
        if isinstance(found_in_it, Reading):
            labels = ", ".join(finding.label for finding in found_in_it.findings)
            return f"{shown(newest.path)}: N42, {labels or 'no alarm and no nuclide'}"
        scan = found_in_it
        views = ", ".join(f"{p.columns} x {p.rows} {p.energy} {p.bits} bit" for p in scan.pictures)
        return f"{scan.name}: {scan.media_type}, {views or scan.problem}"
