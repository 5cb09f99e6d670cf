"""Another version in this one's place, on a machine that boots: done, refused, rolled back, and the power that goes.

Every version is the package itself under another number; what is wrong with one is put into it here.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.update import package as packages
from tests.appliance.lane import Lane
from tests.appliance.machine import Failed, machine

KEY = Ed25519PrivateKey.generate()
PEM = KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
PUBLIC = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
SITE = "lib/python3.11/site-packages"

DIES = """

async def serve(config, *rest, **named):
    from edge.ledger.store import open_ledger

    open_ledger(config.appliance.data_dir).db.close()
    raise RuntimeError("this version does not do")
"""
DEAF = """

async def _deaf(self, port):
    raise RuntimeError("this version's driver does not do")


ModbusDriver.run = _deaf
"""


CUTS = int(os.environ.get("JAITF_UPDATE_CUTS", "1"))
"""How often the power goes at a random moment; more by hand."""
MOMENT_S = 45.0


class Maker:
    """Makes packages of other versions out of the one that was built."""

    def __init__(self, package: Path, folder: Path) -> None:
        self._tree = folder / "tree"
        self._folder = folder
        subprocess.run(["dpkg-deb", "--raw-extract", package, self._tree], check=True)
        self._at = next((self._tree / "opt/jaitf-edge/versions").iterdir())
        self.built = self._at.name

    def make(self, version: str, changes: dict[str, str] | None = None) -> Path:
        """Return a signed package of a version; `changes` are added to its modules, or are files of their own."""
        before, at = self._at.name, self._at.with_name(version)
        self._at.rename(at)
        self._at = at
        for path in (*(at / "bin").glob("jaitf-*"), self._tree / "DEBIAN/control", self._tree / "DEBIAN/postinst"):
            path.write_text(path.read_text().replace(before, version))
        kept: dict[Path, bytes | None] = {}
        for name, text in (changes or {}).items():
            path = at / SITE / name
            path.parent.mkdir(parents=True, exist_ok=True)
            kept[path] = path.read_bytes() if path.exists() else None
            path.write_text((path.read_text() if path.exists() else "") + text)
            # Compiled code is taken at its word there.
            for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
                compiled.unlink()
        made = self._folder / f"jaitf-edge_{version}_amd64.deb"
        build = ["dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "--build", self._tree, made]
        subprocess.run(build, check=True, capture_output=True)
        for path, data in kept.items():
            path.unlink()
            if data is not None:
                path.write_bytes(data)
        packages.sign(made, PEM, inside=True)
        return made


@pytest.fixture(scope="module")
def maker(package, tmp_path_factory):
    folder = tmp_path_factory.mktemp("versions")
    yield Maker(package, folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def running(installed, tmp_path_factory):
    """A lane that runs, and trusts the key of these tests."""
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(machine(tmp_path_factory.mktemp("update") / "machine", *installed))
        made.put("/etc/jaitf-edge-update/keys.pem", PUBLIC.decode())
        lane = Lane(made)
        lane.start()
        lane.run_beside("modbus", "jaitf-sim modbus --listen 127.0.0.1:5020 --counter-hz 1")
        lane.until_heard("up/hit/portal-1")
        yield lane


def update(lane: Lane, made: Path, *options: str) -> dict:
    """Have a package installed; return what the command says came of it."""
    shutil.copy(made, lane.machine.root / "root" / made.name)
    said = lane.machine.sh(f"jaitf-edge update /root/{made.name} --json {' '.join(options)}; true", within_s=600)
    (lane.machine.root / "root" / made.name).unlink()
    assert said.strip(), lane.machine.what_happened()
    return json.loads(said)


def in_force(lane: Lane) -> str:
    return (lane.machine.root / "opt/jaitf-edge/current").readlink().name


def schema(lane: Lane) -> int:
    db = sqlite3.connect(f"file:{lane.machine.root}/var/lib/jaitf-edge/ledger.db?mode=ro", uri=True)
    try:
        (number,) = db.execute("PRAGMA user_version").fetchone()
        return number
    finally:
        db.close()


def command(lane: Lane) -> str:
    """Return what the appliance's process was started as."""
    return lane.machine.sh(f"tr '\\0' ' ' </proc/{lane.shows('MainPID')}/cmdline")


def state(lane: Lane) -> dict | None:
    """Return what an update under way has noted down, None where none is."""
    path = lane.machine.root / "var/lib/jaitf-edge-update/state.json"
    return json.loads(path.read_bytes()) if path.exists() else None


def audited(lane: Lane, outcome: str) -> str:
    """Return what the console heard of an update's outcome, the last time."""

    def lines() -> list[dict]:
        return [m for m in lane.heard("up/audit") if (m["what"], m["outcome"]) == ("update", outcome)]

    return lane.until(f"word of an update that is {outcome}", lines)[-1]["detail"]


def test_a_good_version_runs_and_the_console_hears_of_it(running, maker):
    before = running.shows("MainPID")
    said = update(running, maker.make("0.9.1"))
    assert said["outcome"] == "done", said
    assert in_force(running) == "0.9.1"
    assert running.shows("MainPID") != before
    assert "/versions/0.9.1/" in command(running)
    assert f"{maker.built} to 0.9.1, signed by" in audited(running, "done")
    status = json.loads(running.machine.sh("jaitf-edge update status --json"))
    assert (status["current"], status["previous"]) == ("0.9.1", maker.built)


def test_an_image_is_well_once_everything_on_the_lane_is_there(running):
    with pytest.raises(Failed, match="codes-1: /dev/jaitf/codes is not there"):
        running.machine.sh("jaitf-edge update health --wait-s 0")
    running.run_beside("codes", "jaitf-sim codereader --pty /dev/jaitf/codes --every-s 1", user="jaitf-edge")
    running.machine.until("test -e /dev/jaitf/codes")
    assert "0.9.1 works" in running.machine.sh("jaitf-edge update health --wait-s 60")


def test_a_version_that_dies_is_rolled_back_and_its_newer_ledger_with_it(running, maker):
    known = schema(running)
    step = known + 1
    bad = maker.make(
        "0.9.2",
        {
            "edge/daemon.py": DIES,
            f"edge/ledger/schema/{step:04d}.sql": "CREATE TABLE later (x INTEGER) STRICT;\n",
            f"edge/ledger/schema/back/{step:04d}.sql": "DROP TABLE later;\n",
        },
    )
    said = update(running, bad, "--trial-s", "20")
    assert (said["outcome"], in_force(running)) == ("rolled-back", "0.9.1"), said
    assert schema(running) == known
    running.machine.until("systemctl is-active jaitf-edge", within_s=120)
    assert "0.9.2 did not do" in audited(running, "rolled-back")
    assert not (running.machine.root / "opt/jaitf-edge/versions/0.9.2").exists()
    log = running.machine.journal("jaitf-edge")
    assert "this version does not do" in log
    assert "install the newer software" not in log


def test_a_strangers_package_is_refused(running, maker):
    made = maker.make("0.9.3")
    data = bytearray(made.read_bytes())
    data[len(data) // 2] ^= 1
    made.write_bytes(data)
    said = update(running, made)
    assert (said["outcome"], in_force(running)) == ("refused", "0.9.1")
    assert "not signed by a key that this box trusts" in audited(running, "refused")


def test_the_power_goes_during_the_trial(running, maker):
    """The trial is still on, for a device that worked does not; nothing else is wrong with the version."""
    made = maker.make("0.9.4", {"drivers/modbus/driver.py": DEAF})
    shutil.copy(made, running.machine.root / "root/update.deb")
    running.run_beside("updating", "jaitf-edge update /root/update.deb --trial-s 600")
    running.machine.until("readlink /opt/jaitf-edge/current | grep -q 0.9.4", within_s=300)
    running.machine.until("systemctl is-active jaitf-edge", within_s=120)
    running.machine.until("systemctl show -p StatusText jaitf-edge | grep -q 'portal-1 down'", within_s=60)
    assert state(running)["phase"] == "trial"
    running.machine.cut_power()
    assert in_force(running) == "0.9.4"
    running.machine.boot()
    assert in_force(running) == "0.9.1"
    running.machine.until("systemctl is-active jaitf-edge", within_s=120)
    recovered = running.machine.journal("jaitf-edge-update-recover", "-b")
    assert "0.9.1 is in force again: the power went" in recovered
    with pytest.raises(Failed):
        running.machine.sh("test -e /opt/jaitf-edge/versions/0.9.4")


def test_nothing_may_be_bound_anew_but_what_udev_names(running):
    """There is no USB here: that the path from the appliance's folder to root's program is open, and refuses."""
    running.machine.sh("setpriv --reuid jaitf-edge --regid jaitf-edge --init-groups touch /run/jaitf-edge-rebind/usb-x")
    running.machine.until("journalctl -b -u jaitf-edge-rebind -o cat | grep -q 'usb-x: udev knows no such port'")
    running.machine.until('test -z "$(ls /run/jaitf-edge-rebind)"')


def test_the_power_goes_at_any_moment(running, maker):
    """What was written stays, as after SIGKILL of everything: the disk itself does not lose what it had not synced."""
    seed = random.randrange(1 << 32)
    chance, phases = random.Random(seed), Counter()
    shutil.copy(maker.make("0.9.5"), running.machine.root / "root/update.deb")
    for _ in range(CUTS):
        asked = "update back" if in_force(running) == "0.9.5" else "update /root/update.deb"
        running.run_beside("updating", f"jaitf-edge {asked}")
        time.sleep(chance.uniform(0.5, MOMENT_S))
        running.machine.cut_power()
        at = state(running)
        phases[at["phase"] if at else "none"] += 1
        running.machine.boot()
        running.machine.until("systemctl is-active jaitf-edge", within_s=120)
        assert state(running) is None, seed
        assert in_force(running) in ("0.9.1", "0.9.5"), seed
        assert f"versions/{in_force(running)}/" in command(running)
    print(f"seed {seed}; cut in {dict(phases)}")
