"""Checks an evidence package, on any machine: nothing of the appliance is needed but this code."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.errors import EdgeError
from edge.evidence.export import CUSTODY, DISPOSITION, DISPOSITIONS, KEY, PACKAGE, REPORT, SIGNATURE, SUMS
from edge.ledger.acts import act_link
from edge.ledger.chain import chain_link
from edge.signing import event_holds, fingerprint, is_signed

MAX_ENTRIES = 1000
MAX_BYTES = 4 * 1024**3


class NoPackage(EdgeError):
    """The file is no evidence package at all."""

    code = "no-package"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked."""

    ok: bool
    what: str


def verify(package: Path, pinned: str | None = None) -> list[Finding]:
    """Return what was checked and whether it holds; the package holds only where every finding does.

    `pinned` is the fingerprint that the key must have: a key that comes with what it signs proves nothing by itself.
    Raises NoPackage where the file is none.
    """
    files = _read(package)
    findings = _check_sums(files)
    try:
        findings.append(Finding(is_signed(files[KEY], files[SUMS], files[SIGNATURE]), f"{SUMS} is signed by {KEY}"))
        known = fingerprint(files[KEY])
        if pinned is None:
            findings.append(Finding(True, f"the key is {known}: compare it with what `doctor` shows on the appliance"))
        else:
            findings.append(Finding(known == pinned.lower(), f"the key is the pinned one ({known})"))
    except ValueError as error:
        findings.append(Finding(False, f"{KEY} is a key: {error}"))
    try:
        findings += _check_hit(files)
        findings += _check_custody(files)
    except (ValueError, KeyError, TypeError) as error:
        findings.append(Finding(False, f"manifest and hit can be read: {error!r}"))
    return findings


def _read(package: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(package) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ENTRIES or sum(entry.file_size for entry in entries) > MAX_BYTES:
                raise NoPackage(f"{package}: too large for an evidence package")
            if len({entry.filename for entry in entries}) != len(entries):
                raise NoPackage(f"{package}: a name comes twice")
            files = {entry.filename: archive.read(entry) for entry in entries}
    except OSError as error:
        raise NoPackage(f"{package}: {error.strerror or error}") from error
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise NoPackage(f"{package}: not a ZIP, or damaged: {error}") from error
    missing = {SUMS, SIGNATURE, KEY, "hit.json", "manifest.json"} - files.keys()
    if missing:
        raise NoPackage(f"{package}: no evidence package, it lacks {', '.join(sorted(missing))}")
    return files


def _check_sums(files: dict[str, bytes]) -> list[Finding]:
    findings, listed = [], set()
    for line in files[SUMS].decode(errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        listed.add(name)
        holds = name in files and hashlib.sha256(files[name]).hexdigest() == digest
        findings.append(Finding(holds, f"{name} is as it was exported"))
    for name in sorted(files.keys() - listed - {SUMS, SIGNATURE}):
        findings.append(Finding(False, f"{name} belongs to the package"))
    return findings


def _check_hit(files: dict[str, bytes]) -> list[Finding]:
    manifest: dict[str, Any] = json.loads(files["manifest.json"])
    data: dict[str, Any] = json.loads(files["hit.json"])["data"]
    named = (manifest["package"], manifest["hit_id"], manifest["rev"], manifest["seq"])
    findings = [
        Finding(named == (PACKAGE, data["hit_id"], data["rev"], data["seq"]), "the manifest is of this hit"),
    ]
    evidence = data["evidence"]
    originals = [content for name, content in files.items() if name.startswith("scan/original")]
    if evidence is not None:
        whole = len(originals) == 1 and hashlib.sha256(originals[0]).hexdigest() == evidence["sha256"]
        findings.append(Finding(whole, "the picture is the one that the hit names, bit for bit"))
    raw = files.get(f"scan/reading.{data['rev']}.bin", b"")
    chain = manifest["chain"]
    link = chain_link(bytes.fromhex(chain["prev"]), files["hit.json"], raw, evidence["sha256"] if evidence else None)
    findings.append(Finding(link.hex() == chain["hash"], "the hit is the one in the appliance's chain"))
    if "report_sha256" in data:
        report = hashlib.sha256(files.get(REPORT, b"")).hexdigest()
        findings.append(Finding(report == data["report_sha256"], f"{REPORT} is the verdict that the hit names"))
    if "signature" in data:
        findings.append(Finding(event_holds(files[KEY], files["hit.json"]), f"the hit is signed by {KEY}"))
    return findings


def _check_custody(files: dict[str, bytes]) -> list[Finding]:
    """Check that each act is as it was written and signed, and that the dispositions are those of the acts."""
    said: list[str] = []
    whole = True
    for line in files.get(CUSTODY, b"").splitlines():
        act = json.loads(line)
        at_ns = int(act["at_ns"])
        link = act_link(
            bytes.fromhex(act["prev"]), act["number"], at_ns, act["kind"], act["hit_id"], act["body"].encode()
        )
        whole &= link.hex() == act["hash"]
        if act["signature"]:
            whole &= is_signed(files[KEY], link, bytes.fromhex(act["signature"]))
        if act["kind"] == DISPOSITION:
            said.append(act["body"])
    same = files.get(DISPOSITIONS, b"").decode().splitlines() == said
    return [
        Finding(whole, "what was done about the hit is as it was written and signed"),
        Finding(same, f"{DISPOSITIONS} is what was said"),
    ]
