"""The power goes while a version is put in force, on a disk that loses what was not synced.

The command, its package, its signature and the recovery are the real ones; the two versions are a shell script each and
files enough for some of them to be torn. Nothing of the appliance runs here: what is asked is which version would.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.update import package, standalone
from edge.update.places import Places
from tests.torture.box import ROOT
from tests.torture.kinds.disk import _copy_whole, _image, _no_loop, _run, _unmount
from tests.torture.trial import Bench, Broken, Kind

IMAGE_MIB = 512
FILES, FILE_BYTES = 60, 100_000
OLD, NEW = "1.0", "2.0"
SCRIPT = """#!/bin/sh
here=$(dirname "$(dirname "$(realpath "$0")")")
case "$1 $2" in
    "update facts") cat "$here/facts.json" ;;
    "doctor --json") echo '{"grade": "ok", "check": "disk", "text": "", "mend": null}' ;;
esac
"""


def _version(folder: Path, name: str, data_dir: Path, chance: random.Random) -> None:
    """Lay out a version whose every byte can be checked."""
    (folder / "bin").mkdir(parents=True)
    (folder / "lib").mkdir()
    (folder / "bin/jaitf-edge").write_text(SCRIPT)
    (folder / "bin/jaitf-edge").chmod(0o755)
    facts = {"version": name, "data_dir": str(data_dir), "knows": 2, "found": 2, "back": {}}
    (folder / "facts.json").write_text(json.dumps(facts))
    sums = []
    for number in range(FILES):
        data = chance.randbytes(FILE_BYTES)
        (folder / "lib" / f"{number}").write_bytes(data)
        sums.append(hashlib.sha256(data).hexdigest())
    (folder / "sums").write_text("\n".join(sums))


def _intact(folder: Path) -> bool:
    sums = (folder / "sums").read_text().split("\n")
    files = [folder / "lib" / f"{number}" for number in range(FILES)]
    whole = all(
        path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == s
        for path, s in zip(files, sums, strict=True)
    )
    return (
        whole and (folder / "bin/jaitf-edge").read_text() == SCRIPT and json.loads((folder / "facts.json").read_text())
    )


def _signed(folder: Path, chance: random.Random, key: Ed25519PrivateKey, data_dir: Path) -> Path:
    tree = folder / "tree"
    _version(tree / "opt/jaitf-edge/versions" / NEW, NEW, data_dir, chance)
    (tree / "DEBIAN").mkdir()
    fields = "Package: jaitf-edge\nVersion: 2.0\nArchitecture: all\nMaintainer: x <x@example.org>\nInstalled-Size: 1\n"
    (tree / "DEBIAN/control").write_text(f"{fields}Description: a trial's\n")
    made = folder / "new.deb"
    _run("dpkg-deb", "-Znone", "--root-owner-group", "--build", tree, made)
    kinds = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    package.sign(made, key.private_bytes(*kinds), inside=True)
    return made


def _prepare(root: Path, key: Ed25519PrivateKey, chance: random.Random) -> Places:
    places = Places.under(root, user=None)
    _version(places.versions / OLD, OLD, root / "data", chance)
    places.current.symlink_to(f"versions/{OLD}")
    (root / "data").mkdir()
    places.keys.parent.mkdir(parents=True)
    public = key.public_key()
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    places.keys.write_bytes(public.public_bytes(*form))
    os.sync()
    return places


def update_power_cut(bench: Bench) -> None:
    """Every few steps of an update the disk is as it would be without power: a whole version is in force on it."""
    key, tools = Ed25519PrivateKey.generate(), bench.part("tools")
    standalone.copy(tools / "copy")
    with _image(bench.part("disk"), IMAGE_MIB) as (image, disk):
        places = _prepare(disk, key, bench.chance)
        made = _signed(tools, bench.chance, key, disk / "data")
        for _ in range(bench.trials):
            asked = ["install", str(made)] if places.version(places.current) == OLD else ["back"]
            phase = _cut(image, disk, asked, bench.chance)
            _judge(places, "as the power went", phase)
            line = [sys.executable, "-S", "-P", "-m", "edge.update.recover", "--root", disk, "--user", ""]
            ran = subprocess.run(
                line, env={"PYTHONPATH": str(tools / "copy")}, cwd="/", capture_output=True, text=True, check=False
            )
            if ran.returncode or places.state.exists():
                raise Broken(f"not recovered from {phase}: {ran.stderr[-1000:]}")
            _judge(places, "recovered", phase)
            bench.tried(f"power cut in {phase}")


def _cut(image: Path, disk: Path, asked: list[str], chance: random.Random) -> str:
    """Have an update made, stop it at a moment of chance, and put the disk in its place as it was below its cache."""
    command = [sys.executable, "-m", "edge", "update", *asked, "--root", disk, "--user", "", "--trial-s", "1"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT, start_new_session=True
    )
    places, until = Places.under(disk, user=None), time.monotonic() + chance.uniform(0.2, 2.0)
    # Its imports take as long as all that follows: time runs from its first word.
    while process.poll() is None and not places.state.exists() and time.monotonic() < until + 20:
        time.sleep(0.002)
    time.sleep(chance.choice((0.0, 0.01, 0.05, 0.2, 0.5)) * chance.random() * 2)
    _signal(process, signal.SIGSTOP)
    phase = json.loads(places.state.read_bytes())["phase"] if places.state.exists() else "nothing"
    taken = image.with_name("taken.img")
    _copy_whole(image, taken)
    _signal(process, signal.SIGKILL)
    process.wait()
    _unmount(disk)
    taken.replace(image)
    _run("mount", "-o", "loop", image, disk)
    return str(phase)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal all of an update; one that a machine which rested let come to its end needs none."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _judge(places: Places, when: str, phase: str) -> None:
    version = places.version(places.current)
    if version is None or not _intact(places.versions / version):
        raise Broken(f"{when} ({phase}), the version in force is {version}, and that is not whole")


KINDS = (
    Kind(
        "update-power-cut",
        "the power goes while a version is put in force",
        update_power_cut,
        weight=5,
        short=2,
        unable=_no_loop,
    ),
)
