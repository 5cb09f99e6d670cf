"""Export files: kept as they come, without touching them, and nothing of a person."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers import registry
from drivers.folder import codec
from drivers.recording import sessions, tape
from drivers.recording.heard import Said
from drivers.recording.wires import kept
from simulators.conformance.folder import picture
from simulators.dicosfiles import made
from tests.core import DEADLINE_S

pytestmark = pytest.mark.slow

INFO = registry.available()["folder"]


def recorded(folder: Path, files: dict[str, bytes], count: int) -> tuple[list[Said], tape.Recording]:
    """Record while these files come into the folder; end once there are `count` in the recording."""
    settings = registry.settings_class(INFO).model_validate({"path": folder / "export"})
    header = tape.header_of("folder", "export-1", kept(settings), 1_795_000_000_000_000_000, "0")
    keeping = tape.Tape(folder / "a.wire", header, time.monotonic_ns)
    said: list[Said] = []

    def export(word: Said) -> None:
        said.append(word)
        if len(said) == 1:
            for name, data in files.items():
                (folder / "export" / name).write_bytes(data)

    def end() -> None:
        due = time.monotonic() + DEADLINE_S
        while (folder / "a.wire").read_bytes().count(b'"e":"file"') < count and time.monotonic() < due:
            time.sleep(0.05)
        keeping.stop()

    ending = threading.Thread(target=end)
    ending.start()
    sessions.record(INFO, settings, keeping, DEADLINE_S, export)
    ending.join()
    return said, tape.read(folder / "a.wire")


def test_files_are_kept_and_come_again(tmp_path: Path) -> None:
    export = tmp_path / "export"
    export.mkdir()
    (export / "before.png").write_bytes(picture(1))
    person = made(np.full((8, 12), 4321, np.uint16), OOIType="PERSON")
    new = {"a.dcs": person, "b.png": picture(2), "c.png": b"no picture at all" * 20, "d.png": picture(3)}
    said, recording = recorded(tmp_path, new, 3)
    assert {path.name for path in export.iterdir()} == {"before.png", *new}  # nothing is touched
    assert [event.text for event in recording.events if event.kind is tape.Kind.FILE] == ["b.png", "c.png", "d.png"]
    assert [event.text.partition(": ")[2] for event in recording.events if event.kind is tape.Kind.NOTE] == [
        "it may show a person"
    ]
    assert b"PERSON" not in (tmp_path / "a.wire").read_bytes()
    shutil.rmtree(export)
    settings = registry.settings_class(INFO).model_validate(recording.header.settings)
    done = sessions.replay(recording, INFO, settings)
    scans = [word["scan"] for word in done.said if "scan" in word]
    assert scans == [word["scan"] for word in said if "scan" in word]
    assert len(scans) == 2
    assert [word["rejected"] for word in done.said if "state" in word] == [0, 1]


def test_a_replay_waits_for_a_driver_that_takes_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever exports is never answered: a second after the last file a busy machine may not have looked at it yet."""
    monkeypatch.setattr(sessions, "_SETTLE_THREADS_S", 0.1)
    read = codec.observe

    def slowly(*given: Any) -> Any:
        time.sleep(0.5)
        return read(*given)

    monkeypatch.setattr(codec, "observe", slowly)
    header = tape.header_of("folder", "export-1", {"path": str(tmp_path)}, 1_795_000_000_000_000_000, "0")
    events = tuple(tape.Event(n, n, tape.Kind.FILE, picture(n), f"{n}.png") for n in (1, 2))
    settings = registry.settings_class(INFO).model_validate({"path": tmp_path})
    done = sessions.replay(tape.Recording(header, events), INFO, settings)
    assert len([word for word in done.said if "scan" in word]) == 2


def test_a_name_that_leads_out_of_the_folder_does_not(tmp_path: Path) -> None:
    header = tape.header_of("folder", "export-1", {"path": str(tmp_path)}, 1_795_000_000_000_000_000, "0")
    events = (tape.Event(0, 1, tape.Kind.FILE, picture(5), "../../out.png"),)
    settings = registry.settings_class(INFO).model_validate({"path": tmp_path})
    sessions.replay(tape.Recording(header, events), INFO, settings)
    assert not list(tmp_path.rglob("out.png"))
    assert not (Path("/tmp") / "out.png").exists()
