"""An errand of the page's: what needs OpenCV, pydicom or much memory, in a process that lives for it alone.

`python -m edge.web.errand picture|package DATA_DIR HIT_ID WHO`, or `diagnostics CONFIG`, writes a line of JSON and then
bytes to standard output, or one line to standard error and ends with 1. That somebody saw or took evidence is on the
disk before the first byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import resource
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.clock import SystemClock
from drivers.errors import EdgeError, StoreError

DEADLINE_S = 60.0
NICE = 10
MEMORY_BYTES = 1024 * 1024 * 1024
CPU_S = 60
HEAD_BYTES = 4096
CHUNK_BYTES = 64 * 1024
MAX_WAITING = 4
PICTURE_BYTES = 192 * 1024


@dataclass(frozen=True, slots=True)
class Brought:
    """What an errand brought: what it says of it, and the bytes as they come; `close` must be called in any case."""

    said: dict[str, Any]
    chunks: AsyncIterator[bytes]
    close: Callable[[], Awaitable[None]]


class Errands:
    """Runs them one after the other; a few may wait. What a visitor asks for costs no more than one process."""

    def __init__(self) -> None:
        self._one = asyncio.Semaphore(1)
        self._waiting = 0

    async def run(self, what: str, *given: str) -> Brought:
        """Return what an errand brings. Raises StoreError with its reason."""
        if self._waiting >= MAX_WAITING:
            raise StoreError("others are being served: try again")
        self._waiting += 1
        try:
            await self._one.acquire()
        finally:
            self._waiting -= 1
        try:
            return await self._started(what, *given)
        except BaseException:
            self._one.release()
            raise

    async def _started(self, what: str, *given: str) -> Brought:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "edge.web.errand", what, *given),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None and process.stderr is not None
        try:
            async with asyncio.timeout(DEADLINE_S):
                head = await process.stdout.readline()
                if not head:
                    said = (await process.stderr.read(HEAD_BYTES)).decode(errors="replace").strip()
                    raise StoreError(said.rpartition("\n")[2] or "it could not be made")
        except BaseException as error:
            await _end(process)
            if isinstance(error, TimeoutError):
                raise StoreError("it took too long") from None
            raise
        closed = False

        async def close() -> None:
            nonlocal closed
            if not closed:
                closed = True
                self._one.release()
                await _end(process)

        return Brought(json.loads(head), _chunks(process.stdout, close), close)


async def _chunks(stdout: asyncio.StreamReader, close: Callable[[], Awaitable[None]]) -> AsyncIterator[bytes]:
    try:
        async with asyncio.timeout(DEADLINE_S):
            while chunk := await stdout.read(CHUNK_BYTES):
                yield chunk
    finally:
        await close()


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def _package(data_dir: str, hit_id: str, who: str) -> tuple[dict[str, Any], bytes]:
    """Return a hit's evidence package, noted as taken."""
    from edge.evidence.export import packed
    from edge.ledger.inbox import Visit, leave

    clock = SystemClock()
    manifest, package = packed(Path(data_dir), hit_id, clock, who)
    about = {"sha256": hashlib.sha256(package).hexdigest(), "file": f"{hit_id}.zip"}
    leave(Path(data_dir), Visit(kind="export", at=clock.now().rfc3339(), by=who, hit_id=hit_id, about=about))
    return {"files": len(manifest["files"]), "bytes": len(package)}, package


def _picture(folder: str, hit_id: str, who: str) -> tuple[dict[str, Any], bytes]:
    """Return the view that a hit was found in, out of its evidence, noted as seen. Of persons there is none."""
    from drivers.folder import codec
    from edge.evidence.rows import revisions
    from edge.ledger.inbox import Visit, leave
    from inference import picture

    data_dir = Path(folder)
    row, clock = revisions(data_dir, hit_id)[-1], SystemClock()
    data = json.loads(row.payload)["data"]
    if data["item"].get("type") == "PERSON":
        raise StoreError("of a person there is no picture")
    if row.path is None or row.purged_ns is not None:
        raise StoreError("there is no picture any more" if row.path else "there never was a picture")
    try:
        original = (data_dir / row.path).read_bytes()
    except OSError as error:
        raise StoreError(f"the evidence cannot be read: {error.strerror}") from error
    if hashlib.sha256(original).hexdigest() != row.evidence:
        raise StoreError("the evidence is not what was committed; `jaitf-edge evidence verify` says more")
    scan = codec.read(original, f"{hit_id}.dcs" if row.media_type == "application/dicom" else hit_id, clock.now())
    if not scan.pictures or scan.item.type == "PERSON":
        raise StoreError("there is no picture in it")
    view = next((threat.get("view", 0) for threat in data["threats"] if threat.get("box")), scan.pictures[0].view)
    boxes = [threat["box"] for threat in data["threats"] if threat.get("box") and threat.get("view", 0) == view]
    jpeg, place = picture(scan.pictures, view, boxes, PICTURE_BYTES)
    leave(data_dir, Visit(kind="view", at=clock.now().rfc3339(), by=who, hit_id=hit_id, about={"view": view}))
    return {"place": " ".join(f"{value:.1f}" for value in place), "view": view}, jpeg


def _diagnostics(config: str) -> tuple[dict[str, Any], bytes]:
    """Return the archive that `jaitf-edge diagnostics` writes."""
    from edge.diagnostics import gather, write

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "diagnostics.zip"
        members = list(write(gather(Path(config)), out))
        return {"files": len(members)}, out.read_bytes()


_KINDS: dict[str, Callable[..., tuple[dict[str, Any], bytes]]] = {
    "picture": _picture,
    "package": _package,
    "diagnostics": _diagnostics,
}


def main() -> None:
    """Do what the arguments say."""
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        said, data = _KINDS[sys.argv[1]](*sys.argv[2:])
    except EdgeError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    sys.stdout.buffer.write(json.dumps(said).encode() + b"\n" + data)


if __name__ == "__main__":
    main()
