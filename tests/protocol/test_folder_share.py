"""The folder driver on real mounts, under real writers, and dying over a file."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.contract import DeviceState
from drivers.folder import intake
from drivers.folder.decode import MAX_TRIES
from drivers.folder.driver import FolderDriver
from drivers.folder.settings import FolderSettings
from tests.fakeport import FakePort, running
from tests.pictures import FILES

pytestmark = pytest.mark.protocol
PNG = FILES["grey16.png"]

#: Runs the driver on a folder until something was rejected or emitted, then prints what a core would have heard.
RUNNER = """
import asyncio, json, sys
from pathlib import Path
from drivers.folder import codec, decode
from drivers.folder.driver import FolderDriver
from drivers.folder.settings import FolderSettings
from tests.fakeport import FakePort, running

if "die" in sys.argv:
    import os
    codec.read = lambda *_: os.abort()

async def main():
    port = FakePort(state_dir=Path(sys.argv[2]))
    driver = FolderDriver(FolderSettings(path=sys.argv[1], settle_ms=50, mounted="mounted" in sys.argv))
    async with running(driver, port):
        await port.until(lambda: port.scans and port.last and (port.last.facts.get("rejected") or "die" in sys.argv))
        await port.rounds_more(1)
        print(json.dumps({"state": port.last.state, "facts": port.last.facts, "names": [s.name for s in port.scans]}))

asyncio.run(main())
"""


def can_mount() -> bool:
    if not shutil.which("unshare"):
        return False
    return subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


async def run(*command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


@pytest.mark.skipif(not can_mount(), reason="mounting needs root and a mount namespace")
async def test_on_a_read_only_share_bad_files_are_copied_aside(tmp_path: Path) -> None:
    export, share, state = tmp_path / "export", tmp_path / "share", tmp_path / "state"
    export.mkdir()
    share.mkdir()
    (export / "bad.png").write_bytes(PNG[:500] + b"junk" * 200)
    (export / "good.png").write_bytes(PNG)
    (export / "other.txt").write_bytes(b"not a picture " * 20)
    mount = f"mount --bind {export} {share} && mount -o remount,ro,bind {share}"
    code, out = await run(
        "unshare", "-m", "sh", "-c", f'{mount} && exec "$0" "$@"',
        sys.executable, "-c", RUNNER, str(share), str(state), "mounted",
    )  # fmt: skip
    assert code == 0
    said = json.loads(out)
    assert said["state"] == "up"
    assert said["names"] == ["good.png"]
    assert sorted(p.name for p in export.iterdir()) == ["bad.png", "good.png", "other.txt"]
    aside = state / "rejected"
    assert {"other.txt", "other.txt.txt"} <= {p.name for p in aside.iterdir()}
    assert "read-only" in (aside / "other.txt.txt").read_text()


async def test_a_file_over_which_the_process_dies_is_set_aside_in_the_end(tmp_path: Path) -> None:
    export, state = tmp_path / "export", tmp_path / "state"
    export.mkdir()
    state.mkdir()
    (export / "killer.png").write_bytes(PNG)
    for _ in range(MAX_TRIES):
        code, _ = await run(sys.executable, "-c", RUNNER, str(export), str(state), "die")
        assert code < 0, "the decoder took the process along"
    (export / "good.png").write_bytes(FILES["grey8.png"])
    code, out = await run(sys.executable, "-c", RUNNER, str(export), str(state))
    assert code == 0
    assert json.loads(out)["names"] == ["good.png"]
    assert (export / "rejected" / "killer.png").exists()


async def test_copies_made_by_other_programs_count_once_each(tmp_path: Path) -> None:
    source, export = tmp_path / "source", tmp_path / "export"
    source.mkdir()
    export.mkdir()
    for name, data in FILES.items():
        (source / name).write_bytes(data)
        os.utime(source / name, (1_000_000_000, 1_000_000_000))
    port = FakePort(state_dir=tmp_path / "state")
    async with running(FolderDriver(FolderSettings(path=export, settle_ms=100)), port):
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)
        assert (await run("cp", "-p", *map(str, source.iterdir()), str(export)))[0] == 0
        await port.until(lambda: len(port.scans) >= len(FILES))
        dd = f"if={source}/colour.png", f"of={export}/dd.png", "bs=100", "oflag=sync"
        assert (await run("dd", *dd))[0] == 0
        await port.until(lambda: port.scans[-1].name == "dd.png")
        await port.rounds_more(2)
    assert sorted(s.name for s in port.scans) == sorted([*FILES, "dd.png"])
    assert {bytes(s.original) for s in port.scans} == set(FILES.values())
    assert all(s.at.wall_ns > 1_700_000_000 * 10**9 for s in port.scans), "observed when they came, not when made"


async def test_a_writer_that_stays_in_the_file_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process, which writes, pauses for far longer than the settling time, and writes on."""
    monkeypatch.setattr(intake, "LONG_IN_USE_S", 0.2)
    monkeypatch.setattr(intake, "IN_USE_S", 0.05)
    export = tmp_path / "export"
    export.mkdir()
    (tmp_path / "whole").write_bytes(PNG)
    port = FakePort(state_dir=tmp_path / "state")
    script = (
        f"exec 3> {export}/slow.png; head -c 3000 {tmp_path}/whole >&3; read go; tail -c +3001 {tmp_path}/whole >&3"
    )
    async with running(FolderDriver(FolderSettings(path=export, settle_ms=50)), port):
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)
        writer = await asyncio.create_subprocess_exec("sh", "-c", script, stdin=subprocess.PIPE)
        await port.until(lambda: port.last and port.last.code == "file-in-use")
        assert port.last and "slow.png is kept open by its writer" in port.last.reason
        assert port.scans == []
        await writer.communicate(b"\n")
        await port.until(lambda: port.scans)
        await port.until(lambda: port.last and port.last.state is DeviceState.UP)
    assert [bytes(s.original) for s in port.scans] == [PNG]
