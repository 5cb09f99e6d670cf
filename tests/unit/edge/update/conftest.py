"""A box in a folder: versions that are shell scripts, packages that dpkg-deb has made, keys."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.update.places import Places

SCRIPT = """#!/bin/sh
here=$(dirname "$(dirname "$(realpath "$0")")")
case "$1 $2" in
    "update facts") cat "$here/facts.json" ;;
    "doctor --json") cat "$here/doctor.json" ;;
    *) exit 2 ;;
esac
"""


def made_version(folder: Path, version: str, data_dir: Path, *, knows=2, found=2, back=None, doctor=(("disk", "ok"),)):
    """Lay a version into a folder: it answers what an update asks, and nothing else."""
    (folder / "bin").mkdir(parents=True)
    script = folder / "bin" / "jaitf-edge"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    facts = {"version": version, "data_dir": str(data_dir), "knows": knows, "found": found, "back": back or {}}
    (folder / "facts.json").write_text(json.dumps(facts))
    lines = [{"grade": grade, "check": check, "text": f"{check} is {grade}", "mend": None} for check, grade in doctor]
    (folder / "doctor.json").write_text("".join(json.dumps(line) + "\n" for line in lines))


@dataclass
class TestBox:
    """A box below a root."""

    __test__ = False
    root: Path
    places: Places
    key: Ed25519PrivateKey

    @property
    def data_dir(self) -> Path:
        return self.root / "data"

    @property
    def pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def version(self, version: str, **how) -> None:
        made_version(self.places.versions / version, version, self.data_dir, **how)

    def package(self, version: str, **how) -> Path:
        """Return a package of a version, made by dpkg-deb, unsigned."""
        tree = self.root / f"tree-{version}"
        made_version(tree / "opt/jaitf-edge/versions" / version, version, self.data_dir, **how)
        (tree / "DEBIAN").mkdir()
        fields = {"Package": "jaitf-edge", "Version": version, "Architecture": "all", "Maintainer": "x <x@example.org>"}
        text = "".join(f"{name}: {value}\n" for name, value in fields.items())
        (tree / "DEBIAN/control").write_text(text + "Installed-Size: 1\nDescription: a test's\n")
        path = self.root / f"jaitf-edge_{version}_all.deb"
        subprocess.run(
            ["dpkg-deb", "-Znone", "--root-owner-group", "--build", tree, path], check=True, capture_output=True
        )
        return path

    def notes(self) -> list[dict]:
        return [json.loads(path.read_bytes()) for path in sorted((self.data_dir / "inbox").glob("*.json"))]


@pytest.fixture
def box(tmp_path):
    """A box with version 1.0 in force."""
    places = Places.under(tmp_path, user=None)
    places.versions.mkdir(parents=True)
    places.state_dir.mkdir(parents=True, mode=0o700)
    places.keys.parent.mkdir(parents=True, mode=0o755)
    made = TestBox(tmp_path, places, Ed25519PrivateKey.generate())
    places.keys.write_bytes(
        made.key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    places.keys.chmod(0o644)
    made.data_dir.mkdir()
    made.version("1.0")
    places.current.symlink_to("versions/1.0")
    return made
