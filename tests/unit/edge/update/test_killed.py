"""The real command on a box in a folder, killed at random moments; a copy run by a bare Python then mends it."""

import fcntl
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter

import pytest

from edge.update import package, standalone
from edge.update.servant import DUTIES

pytestmark = pytest.mark.slow

TRIALS = int(os.environ.get("JAITF_UPDATE_KILLS", "4"))
"""How often it is killed; more by hand."""


def command(box, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "edge", "update", *arguments, "--root", box.root, "--user", ""],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """Return what recovers a box with the standard library and the copy alone."""
    folder = tmp_path_factory.mktemp("usr-lib-jaitf-edge")
    standalone.copy(folder)

    def recover(box):
        # -S: nothing of this environment's packages can be found.
        line = [sys.executable, "-S", "-P", "-m", "edge.update.recover", "--root", box.root, "--user", ""]
        return subprocess.Popen(
            line, env={"PYTHONPATH": str(folder)}, cwd="/", stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    return recover


def killed(process, after_s):
    """Kill a process and all it has started; return whether it had come to its end by then."""
    try:
        process.communicate(timeout=after_s)
        return True
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return False


def incoming(box, version, **how):
    path = box.package(version, **how)
    package.sign(path, box.pem, inside=True)
    return path


def ledger(box, version):
    """Make a ledger of this schema where there is none; return its schema."""
    db = sqlite3.connect(box.data_dir / "ledger.db")
    if not db.execute("PRAGMA user_version").fetchone()[0]:
        db.executescript(f"CREATE TABLE hit (id); PRAGMA user_version={version};")
    (found,) = db.execute("PRAGMA user_version").fetchone()
    db.close()
    return found


def test_an_update_and_what_it_says(box):
    process = command(box, "install", incoming(box, "2.0"), "--trial-s", "1", "--json")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    told = json.loads(out)
    assert (told["outcome"], told["old"], told["new"]) == ("done", "1.0", "2.0")
    assert [note["outcome"] for note in box.notes()] == ["done"]


def test_a_version_that_is_ill_says_so_and_leaves_the_old_one(box):
    process = command(box, incoming(box, "2.0", doctor=(("disk", "fail"),)), "--trial-s", "1")
    out, _ = process.communicate(timeout=120)
    assert (process.returncode, out) == (1, "rolled-back: 2.0 did not do: disk: disk is fail\n")
    assert box.places.version(box.places.current) == "1.0"


def test_killed_anywhere_a_version_is_in_force(box, bare, record_property):
    seed = random.randrange(1 << 32)
    record_property("seed", seed)
    chance = random.Random(seed)
    path, phases = incoming(box, "2.0", knows=3, back={"3": "DROP TABLE later"}), Counter()
    started = time.monotonic()
    command(box, "install", path, "--trial-s", "1").communicate(timeout=120)
    whole_s = time.monotonic() - started
    for trial in range(TRIALS):
        now = box.places.version(box.places.current)
        went = ["back"] if now == "2.0" else ["install", path]
        killed(command(box, *went, "--trial-s", "1"), chance.uniform(0.5, 1.1) * whole_s)
        assert box.places.version(box.places.current) in ("1.0", "2.0"), (seed, trial)
        at = json.loads(box.places.state.read_bytes())["phase"] if box.places.state.exists() else "none"
        phases[at] += 1
        killed(bare(box), chance.uniform(0.0, 0.15))
        assert box.places.version(box.places.current) in ("1.0", "2.0"), (seed, trial)
        last = bare(box)
        assert (last.communicate(timeout=120)[1] or "").count("Traceback") == 0
        assert last.returncode == 0, seed
        assert not box.places.state.exists(), seed
        assert not list(box.places.versions.glob(".*")), seed
    print(f"seed {seed}; killed in {dict(phases)}")


def test_the_power_goes_while_a_newer_schema_is_on_trial(box, bare):
    """The ledger that the new version has brought forward is one that the old one can read again."""
    incoming(box, "2.0")
    assert ledger(box, 2) == 2
    box.version("2.0")
    box.places.current.unlink()
    box.places.current.symlink_to("versions/2.0")
    state = {
        "id": "u1",
        "phase": "trial",
        "old": "1.0",
        "new": "2.0",
        "made": True,
        "by": "root",
        "data_dir": str(box.data_dir),
        "floor": 2,
        "back": {"3": "DROP TABLE later;", "4": "ALTER TABLE hit DROP COLUMN more;"},
    }
    box.places.state.write_text(json.dumps(state))
    db = sqlite3.connect(box.data_dir / "ledger.db")
    db.executescript("CREATE TABLE later (x); ALTER TABLE hit ADD COLUMN more; INSERT INTO hit VALUES (7, 1);")
    db.executescript("PRAGMA user_version=4;")
    db.close()
    process = bare(box)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "1.0 is in force again: the power went" in err
    assert box.places.version(box.places.current) == "1.0"
    assert box.places.there() == ["1.0"]
    assert ledger(box, 2) == 2
    db = sqlite3.connect(box.data_dir / "ledger.db")
    assert db.execute("SELECT * FROM hit").fetchall() == [(7,)]  # nothing of the trial is lost
    db.close()
    [note] = box.notes()
    assert note["outcome"] == "rolled-back"
    assert "the power went" in note["detail"]


def test_a_ledger_that_an_appliance_holds_is_left_alone(box, monkeypatch):
    monkeypatch.setattr("edge.update.servant.LOCK_DEADLINE_S", 0.2)
    assert ledger(box, 3) == 3
    with (box.data_dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OSError):
            DUTIES["back"](box.data_dir, {"floor": 2, "back": {"3": "SELECT 1"}})
    assert ledger(box, 3) == 3
    with pytest.raises(KeyError):
        DUTIES["back"](box.data_dir, {"floor": 2, "back": {}})


@pytest.mark.parametrize("name", ["../x.json", "x", "a/b.json", ""])
def test_a_note_has_a_notes_name(box, name):
    with pytest.raises(ValueError, match="not a note's name"):
        DUTIES["note"](box.data_dir, {"name": name, "note": {}})


def test_status_says_what_is_there(box):
    ran = subprocess.run(
        [sys.executable, "-m", "edge", "update", "status", "--root", box.root, "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(ran.stdout) == {"current": "1.0", "previous": None, "versions": ["1.0"], "last": None}
