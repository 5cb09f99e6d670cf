"""Notes that commands leave for the ledger: written once, whoever left them, and nothing else is."""

import json
import os
import tempfile
from pathlib import Path

import pytest

from drivers.errors import StoreError
from edge.ledger import inbox
from edge.ledger.inbox import Visit, leave, waiting

VISIT = Visit(kind="export", at="2026-11-21T09:30:12.481Z", by="root as jaitf", about={"file": "hit.zip"})


async def test_a_note_is_an_act_and_an_audit_and_once(ledger, folder, clock, ask):
    leave(folder, VISIT)
    [(path, note)] = waiting(folder, clock)
    await ledger.commit(note)
    await ledger.commit(note)  # the core ended before it removed the file
    [(kind, body)] = ask("SELECT kind, body FROM act")
    assert (kind, json.loads(body)["by"]) == ("export", "root as jaitf")
    [(payload,)] = ask("SELECT payload FROM outbox WHERE class='audit'")
    assert json.loads(payload)["what"] == "evidence export"
    assert path.exists()


@pytest.mark.parametrize("text", [b"", b"{}", b"\xff", b'{"kind": "purge"}', b"x" * (inbox.MAX_BYTES + 10)])
def test_what_is_no_note_is_none(folder, clock, text):
    (folder / "inbox").mkdir(parents=True)
    (folder / "inbox" / "x.json").write_bytes(text)
    assert [note for _, note in waiting(folder, clock)] == [None]


def test_what_cannot_be_noted_is_not_done(tmp_path):
    (tmp_path / "inbox").write_text("a file in the way")
    with pytest.raises(StoreError, match="written down"):
        leave(tmp_path, VISIT)


async def test_what_an_update_came_to_is_an_act_and_an_audit(ledger, folder, clock, ask):
    note = {"kind": "update", "at": "2026-11-21T09:30:12.481Z", "by": "root", "outcome": "rolled-back"}
    (folder / "inbox").mkdir(parents=True)
    (folder / "inbox" / "u.json").write_text(json.dumps(note | {"detail": "doctor: disk", "about": {"to": "2"}}))
    [(_, left)] = waiting(folder, clock)
    await ledger.commit(left)
    [(kind, body)] = ask("SELECT kind, body FROM act")
    assert (kind, json.loads(body)["to"], json.loads(body)["outcome"]) == ("update", "2", "rolled-back")
    [(payload,)] = ask("SELECT payload FROM outbox WHERE class='audit'")
    told = json.loads(payload)
    assert (told["what"], told["outcome"], told["detail"]) == ("update", "rolled-back", "doctor: disk")


@pytest.fixture
def open_folder():
    """A folder that every user can reach; those of pytest are its user's own."""
    with tempfile.TemporaryDirectory() as where:
        Path(where).chmod(0o755)
        yield Path(where)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could be had to write elsewhere")
def test_root_writes_as_the_appliances_user_and_follows_no_link_of_its(open_folder):
    data, elsewhere = open_folder / "data", open_folder / "roots-own"
    for folder in (data, elsewhere):
        folder.mkdir(mode=0o755)
    os.chown(data, 12345, 12345)
    leave(data, VISIT)
    [note] = (data / "inbox").iterdir()
    assert (note.stat().st_uid, (data / "inbox").stat().st_gid, os.geteuid()) == (12345, 12345, 0)
    note.unlink()
    (data / "inbox").rmdir()
    (data / "inbox").symlink_to(elsewhere)
    with pytest.raises(StoreError, match="Permission denied"):
        leave(data, VISIT)
    assert list(elsewhere.iterdir()) == []
    assert (elsewhere.stat().st_uid, os.geteuid()) == (0, 0)
