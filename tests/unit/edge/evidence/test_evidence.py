"""Evidence packages: made from a real ledger, checked by our command and by unzip, sha256sum and openssl alone."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import subprocess
import zipfile
from pathlib import Path

import pytest

from drivers.clock import SystemClock
from drivers.contract import Category, Measurement, Severity
from drivers.errors import StoreError
from edge.clock import ClockWatch
from edge.event import EventWriter, Identity
from edge.evidence import export, verify
from edge.evidence.rows import broken_links, changed_files
from edge.evidence.verify import NoPackage
from edge.ledger import Ledger, Record
from edge.nouns import Decision, Evidence, Hit, Item, ModelName, Threat, ThreatReport

SCAN, CONTACT = "019d3c6e-7a51-7c1e-b1a0-5f0c7d6f2c11", "019d3c6e-7a51-7c1e-b1a0-5f0c7d6f2c12"
CLOCK = SystemClock()


def hit(hit_id: str, evidence: Evidence | None, rev: int = 0) -> Hit:
    now = CLOCK.now()
    threat = (
        Threat("dense object", Category.PI, 0.9, (1.0, 2.0, 3.0, 4.0))
        if evidence
        else Threat("contact", Category.OTHER, measurement=Measurement("contact", True))
    )
    report = ThreatReport(
        Decision.ALARM,
        score=0.9 if evidence else None,
        threshold=0.5 if evidence else None,
        threats=(threat,),
        severity=Severity.HIGH,
        model=ModelName("baggage", "1.0", "0" * 64) if evidence else None,
        started=now if evidence else None,
        ended=now if evidence else None,
    )
    raw = b"" if evidence else b"\x00\x01"
    return Hit(hit_id, rev, "xray-1", "dicos", now, Item("1.2.3", "0220123456", "BAGGAGE"), report, evidence, raw)


@pytest.fixture
async def data_dir(tmp_path: Path) -> Path:
    """A data directory with a scan's hit, and a contact's in two revisions."""
    events = EventWriter(Identity("jaitf", "lfw", "t1", "edge-01", "passenger"), ClockWatch().state)
    ledger = Ledger(tmp_path, events, CLOCK, quota_bytes=10**9, keep_days=30, on_commit=lambda hits, notes: None)
    ledger.start()
    await ledger.commit(Record("xray-1", hit=hit(SCAN, Evidence(b"what the scanner sent", "image/png"))))
    await ledger.commit(Record("xray-1", hit=hit(CONTACT, None)))
    await ledger.commit(Record("xray-1", hit=hit(CONTACT, None, rev=1)))
    await ledger.close()
    return tmp_path


def holds(package: Path, key: str | None = None) -> bool:
    return all(finding.ok for finding in verify(package, key))


def test_a_package_holds_all_that_proves_a_hit(data_dir: Path) -> None:
    manifest = export(data_dir, SCAN, data_dir / "hit.zip", CLOCK)
    with zipfile.ZipFile(data_dir / "hit.zip") as package:
        names = set(package.namelist())
        assert package.read("scan/original.png") == b"what the scanner sent"
        assert json.loads(package.read("hit.json"))["data"]["hit_id"] == SCAN
        assert package.read("tdr.dcs")[128:132] == b"DICM"
    assert names == {
        "hit.json",
        "scan/original.png",
        "tdr.dcs",
        "custody.jsonl",
        "dispositions.jsonl",
        "manifest.json",
        "report.json",
        "key.pem",
        "SHA256SUMS",
        "SHA256SUMS.sig",
    }
    assert holds(data_dir / "hit.zip", manifest["key_fingerprint"])
    assert not holds(data_dir / "hit.zip", "0" * 64)


def test_a_reading_is_proven_by_its_bytes_and_every_revision_is_there(data_dir: Path) -> None:
    export(data_dir, CONTACT, data_dir / "hit.zip", CLOCK)
    with zipfile.ZipFile(data_dir / "hit.zip") as package:
        assert package.read("scan/reading.1.bin") == b"\x00\x01"
        assert json.loads(package.read("revisions/hit.0.json"))["data"]["rev"] == 0
        assert json.loads(package.read("hit.json"))["data"]["rev"] == 1
    assert holds(data_dir / "hit.zip")


def test_a_package_is_checked_without_this_software(data_dir: Path) -> None:
    export(data_dir, SCAN, data_dir / "hit.zip", CLOCK)
    folder = data_dir / "unpacked"
    folder.mkdir()
    if not shutil.which("unzip"):
        with zipfile.ZipFile(data_dir / "hit.zip") as package:
            package.extractall(folder)
    else:
        subprocess.run(["unzip", "-q", data_dir / "hit.zip", "-d", folder], check=True, timeout=120)
    subprocess.run(["sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True, timeout=120)
    openssl = "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig"
    subprocess.run(openssl.split(), cwd=folder, check=True, timeout=120, capture_output=True)


def test_a_flipped_bit_in_any_file_is_found(data_dir: Path) -> None:
    export(data_dir, SCAN, data_dir / "hit.zip", CLOCK)
    with zipfile.ZipFile(data_dir / "hit.zip") as package:
        files = {name: package.read(name) for name in package.namelist()}
    for name, content in files.items():
        for place in {0, len(content) // 2, len(content) - 1} if content else ():
            changed = bytearray(content)
            changed[place] ^= 1
            forged = data_dir / "forged.zip"
            with zipfile.ZipFile(forged, "w") as package:
                for other, kept in files.items():
                    package.writestr(other, bytes(changed) if other == name else kept)
            with contextlib.suppress(NoPackage):
                assert not holds(forged), f"{name}, byte {place}"
    with zipfile.ZipFile(data_dir / "more.zip", "w") as package:
        for name, content in {**files, "scan/extra.png": b"x"}.items():
            package.writestr(name, content)
    assert not holds(data_dir / "more.zip")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a zip at all" * 100])
def test_what_is_no_package_is_said_to_be_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(NoPackage):
        verify(tmp_path / "x.zip")


def test_evidence_that_was_changed_is_not_exported(data_dir: Path) -> None:
    (path,) = (data_dir / "evidence").glob("*/*")
    path.write_bytes(b"what the scanner sent?")
    with pytest.raises(StoreError, match="not the bytes"):
        export(data_dir, SCAN, data_dir / "hit.zip", CLOCK)
    assert len(list(changed_files(data_dir))) == 1
    path.unlink()
    assert len(list(changed_files(data_dir))) == 1


def test_a_package_is_never_written_over_and_an_unknown_hit_is_said(data_dir: Path) -> None:
    (data_dir / "hit.zip").write_text("mine")
    with pytest.raises(StoreError, match="there already"):
        export(data_dir, SCAN, data_dir / "hit.zip", CLOCK)
    with pytest.raises(StoreError, match="no hit"):
        export(data_dir, "019d3c6e-0000-7000-8000-000000000000", data_dir / "other.zip", CLOCK)


def test_a_key_that_others_may_read_is_refused(data_dir: Path) -> None:
    export(data_dir, SCAN, data_dir / "hit.zip", CLOCK)
    (data_dir / "signing.pem").chmod(0o644)
    with pytest.raises(StoreError, match="chmod 600"):
        export(data_dir, SCAN, data_dir / "again.zip", CLOCK)


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE hit SET payload = CAST(replace(payload, 'high', 'low ') AS BLOB) WHERE seq = 1",
        "UPDATE hit SET raw = x'0002' WHERE seq = 2",
        "UPDATE hit SET report = replace(report, '0.9', '0.8') WHERE seq = 1",
        "DELETE FROM hit WHERE seq = 2",
        "UPDATE hit SET seq = CASE seq WHEN 2 THEN 30 WHEN 3 THEN 2 END WHERE seq IN (2, 3)",
    ],
    ids=["a payload changed", "raw bytes changed", "a verdict changed", "a row removed", "rows reordered"],
)
def test_a_ledger_that_was_tampered_with_is_found(data_dir: Path, harm: str) -> None:
    assert list(broken_links(data_dir)) == []
    db = sqlite3.connect(data_dir / "ledger.db")
    db.execute(harm)
    db.commit()
    db.close()
    assert list(broken_links(data_dir))
