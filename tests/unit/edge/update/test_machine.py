"""Cut off at any change to the disk, an update leaves a version in force, and is finished or undone from its note."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edge.update.disk import Disk
from edge.update.machine import Machine, State
from edge.update.places import Places

pytestmark = pytest.mark.slow

OLD, NEW, OLDER = "1.0", "2.0", "0.9"
CHANGES = {"os.rename", "os.symlink", "os.remove", "os.rmdir", "os.mkdir", "os.truncate"}


class PowerCut(BaseException):
    """The machine has no power: nothing catches it, and nothing else is done to the disk."""


class Power:
    """Goes before the n-th change to the disk, and stays away until it is given back."""

    def __init__(self):
        self.left = None

    def hook(self, event, arguments):
        changes = event in CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT)
        if self.left is not None and changes:
            self.left -= 1
            if self.left < 0:
                raise PowerCut


POWER = Power()
sys.addaudithook(POWER.hook)


class FileHands:
    """Notes and a ledger's schema as files."""

    def __init__(self, root):
        self.root = root
        self.broken = False

    def note(self, state, outcome, detail):
        (self.root / f"note-{state.id}-{outcome}").write_text(detail)

    def take_back(self, state):
        if self.broken:
            raise OSError("the ledger cannot be written")
        if int((self.root / "schema").read_text()) > state.floor:
            Disk().write(self.root / "schema", str(state.floor).encode())


class Rig:
    def __init__(self, root):
        self.places = Places.under(root, user=None)
        self.hands = FileHands(root)
        self.root = root
        for version in (OLDER, OLD):
            self._lay(self.places.versions / version)
        self.places.state_dir.mkdir(parents=True)
        self.places.current.symlink_to(f"versions/{OLD}")
        self.places.previous.symlink_to(f"versions/{OLDER}")
        (root / "schema").write_text("2")

    def _lay(self, folder):
        (folder / "bin").mkdir(parents=True)
        for name in ("jaitf-edge", "python3"):
            (folder / "bin" / name).write_text("x")

    @property
    def machine(self):
        return Machine(self.places, Disk(), self.hands)

    @property
    def schema(self):
        return int((self.root / "schema").read_text())

    @property
    def in_force(self):
        return self.places.version(self.places.current)

    def update(self, good):
        """Make an update whose version brings schema 3."""
        state = State("u1", "unpacking", OLD, NEW, made=True, by="root", floor=2, back={"3": "-"})
        machine = self.machine
        state = machine.begin(state)
        self._lay(self.places.partial / "opt/jaitf-edge/versions" / NEW)
        machine.place(state)
        state = machine.switch(state)
        Disk().write(self.root / "schema", b"3")
        if good:
            machine.confirm(state, "well")
        else:
            machine.undo(state, "unwell")

    def settled(self):
        """Check what must hold once nothing is under way."""
        assert self.machine.state() is None
        assert not list(self.places.versions.glob(".*"))
        told = {path.name for path in self.root.glob("note-*")}
        if self.in_force == NEW:
            assert told == {"note-u1-done"}
            assert self.places.version(self.places.previous) == OLD
            assert self.places.there() == [OLD, NEW]
        else:
            assert self.in_force == OLD
            assert self.schema == 2, "the version in force could not read its ledger"
            assert self.places.there() == [OLDER, OLD]
            assert told <= {"note-u1-rolled-back"}


def cut_off(what, after):
    """Do something until the power goes, before its change number `after`; return whether it came to its end."""
    POWER.left = after
    try:
        what()
    except PowerCut:
        return False
    finally:
        POWER.left = None
    return True


@pytest.fixture
def quick(monkeypatch):
    """Nothing waits for the disk: the power here goes between changes, and those that were made stay."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(os, "sync", lambda: None)


@pytest.mark.parametrize("good", [True, False])
def test_cut_off_anywhere_and_again_while_it_recovers(tmp_path, good, quick):
    """Every change of the update is the last one made once; so is, with some of them, every change of the recovery."""
    ended, cuts, first = False, 0, 0
    while not ended:
        second, recovered = first % 6, False
        while not recovered:
            rig = Rig(tmp_path / f"{first}-{second}")
            ended = cut_off(lambda rig=rig: rig.update(good), first)
            assert rig.in_force in (OLD, NEW)
            recovered = cut_off(lambda rig=rig: rig.machine.recover("the power went"), second)
            assert rig.in_force in (OLD, NEW)
            rig.machine.recover("the power went")
            rig.settled()
            second += 6
            cuts += 1
        first += 1
    assert rig.in_force == (NEW if good else OLD)
    assert cuts > 80


def test_confirmed_is_confirmed_and_what_is_not_goes_back(tmp_path, quick):
    for after in range(200):
        rig = Rig(tmp_path / str(after))
        if cut_off(lambda rig=rig: rig.update(True), after):
            break
        phase = (rig.machine.state() or State("", "unpacking", "", "", made=True, by="")).phase
        rig.machine.recover("the power went")
        assert rig.in_force == (NEW if phase == "confirmed" or (rig.root / "note-u1-done").exists() else OLD)
    else:
        pytest.fail("it never came to its end")


def test_where_the_ledger_cannot_be_taken_back_the_old_version_is_in_force_and_it_is_tried_again(tmp_path):
    rig = Rig(tmp_path)
    cut_off(lambda: rig.update(False), 30)
    rig.machine.switch(replace(STATE, floor=2))
    (tmp_path / "schema").write_text("3")
    rig.hands.broken = True
    with pytest.raises(OSError):
        rig.machine.recover("x")
    assert (rig.in_force, rig.machine.state().phase) == (OLD, "undoing")
    rig.hands.broken = False
    rig.machine.recover("x")
    rig.settled()


STATE = State("u1", "unpacking", OLD, NEW, made=True, by="root")


def test_a_link_that_leads_nowhere_is_led_to_a_version_that_is_there(tmp_path):
    rig = Rig(tmp_path)
    rig.places.current.unlink()
    assert rig.machine.recover("x") == OLDER  # the one that is kept
    rig.places.previous.unlink()
    rig.places.current.unlink()
    rig.places.current.symlink_to("versions/7.0")
    assert rig.machine.recover("x") == OLD


def test_a_note_that_something_damaged_is_set_aside_and_the_version_in_force_stays(tmp_path):
    rig = Rig(tmp_path)
    rig.places.state.write_text('{"id": "u1"')
    assert rig.machine.recover("x") is None
    assert rig.in_force == OLD
    assert rig.places.state.with_name("state.json.damaged").exists()


def test_what_is_told_is_on_the_disk_before_it_is_relied_upon(tmp_path, monkeypatch):
    """Each change of a name is followed by its folder's sync before the next change."""
    done = []
    real_rename, real_fsync = os.rename, os.fsync

    def rename(source, target, **options):
        done.append(("rename", str(Path(target).parent)))
        real_rename(source, target, **options)

    def fsync(descriptor):
        done.append(("sync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        real_fsync(descriptor)

    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(os, "fsync", fsync)
    rig = Rig(tmp_path)
    rig.update(True)
    names = [(n, folder) for n, (what, folder) in enumerate(done) if what == "rename"]
    assert len(names) > 5
    for n, folder in names:
        assert done[n + 1] == ("sync", folder), done[n : n + 3]
    assert json.loads(rig.places.last.read_bytes())["outcome"] == "done"


@pytest.mark.parametrize("name", ["", ".", "..", "../..", "a/b", ".partial"])
def test_what_is_no_versions_name_is_neither_begun_with_nor_removed(tmp_path, name):
    rig = Rig(tmp_path)
    with pytest.raises(ValueError, match="no version's name"):
        rig.machine.begin(replace(STATE, new=name))
    rig.machine.drop(replace(STATE, new=name))
    assert rig.places.there() == [OLDER, OLD]


def test_what_the_ledger_cannot_be_told_is_told_later_and_holds_nothing_up(tmp_path, monkeypatch):
    rig = Rig(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(rig.hands, "note", lambda *_: (_ for _ in ()).throw(OSError("no room")))
        rig.update(True)
        rig.machine.recover("x")
    assert (rig.in_force, rig.machine.state()) == (NEW, None)
    rig.machine.recover("x")
    assert (tmp_path / "note-u1-done").read_text() == "well"
    (tmp_path / "note-u1-done").unlink()
    rig.machine.recover("x")
    assert not (tmp_path / "note-u1-done").exists()  # once is enough


def test_what_a_later_version_noted_down_is_undone_too(tmp_path):
    """The copy that recovers comes with the package; the note is written by whichever version makes the update."""
    rig = Rig(tmp_path)
    rig._lay(rig.places.versions / NEW)
    Disk().link(rig.places.current, f"versions/{NEW}")
    told = {"id": "u1", "phase": "probation", "old": OLD, "new": NEW, "made": True, "by": "root", "more": [1]}
    rig.places.state.write_text(json.dumps(told))
    assert rig.machine.recover("the power went") == OLD
    assert (rig.in_force, rig.machine.state()) == (OLD, None)
