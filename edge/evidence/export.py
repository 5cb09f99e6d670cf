"""Makes an evidence package of a hit: a ZIP that proves itself (contract, section 5)."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

from drivers.clock import Clock
from drivers.errors import StoreError
from edge import __version__
from edge.evidence.rows import HitRow, acts_of, revisions
from edge.ledger.acts import Act
from edge.ledger.inbox import Visit, leave
from edge.signing import SigningKey, whoami

PACKAGE = "org.jaitf.edge.evidence.v1"
SUMS = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.sig"
KEY = "key.pem"
REPORT = "report.json"
CUSTODY = "custody.jsonl"
DISPOSITIONS = "dispositions.jsonl"
DISPOSITION = "disposition"
SUFFIXES = {
    "application/dicom": ".dcs",
    "application/zip": ".zip",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/tiff": ".tif",
    "application/vnd.jaitf.linescan": ".jlsc",
}


def export(data_dir: Path, hit_id: str, out: Path, clock: Clock) -> dict[str, Any]:
    """Write the evidence package of a hit to `out` and return its manifest.

    Raises StoreError where there is no such hit, its evidence is purged or is not the bytes that were committed, or
    `out` is there already.
    """
    if out.exists():
        raise StoreError(f"{out} is there already; an evidence package is never written over")
    manifest, package = packed(data_dir, hit_id, clock, whoami())
    about = {"sha256": hashlib.sha256(package).hexdigest(), "file": out.name}
    leave(data_dir, Visit(kind="export", at=clock.now().rfc3339(), by=whoami(), hit_id=hit_id, about=about))
    partial = out.with_name(out.name + ".partial")
    try:
        partial.write_bytes(package)
        partial.rename(out)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreError(f"{out}: {error.strerror}") from error
    return manifest


def packed(data_dir: Path, hit_id: str, clock: Clock, by: str) -> tuple[dict[str, Any], bytes]:
    """Return a hit's evidence package with its manifest, exported by whom. Raises StoreError, as `export` does."""
    rows = revisions(data_dir, hit_id)
    files = _files(data_dir, rows) | _custody(acts_of(data_dir, hit_id))
    key = SigningKey.of(data_dir)
    manifest = _manifest(rows, files, key, clock, by)
    files["manifest.json"] = _json(manifest)
    files[KEY] = key.public_pem
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items())).encode()
    files[SUMS] = sums
    files[SIGNATURE] = key.sign(sums)
    return manifest, _zip(files)


def _files(data_dir: Path, rows: list[HitRow]) -> dict[str, bytes]:
    last = rows[-1]
    files = {"hit.json": last.payload, REPORT: last.report_text.encode()}
    for row in rows[:-1]:
        files[f"revisions/hit.{row.rev}.json"] = row.payload
    for row in rows:
        if row.raw:
            files[f"scan/reading.{row.rev}.bin"] = row.raw
    if last.evidence:
        original = _original(data_dir, last)
        files[f"scan/original{SUFFIXES.get(last.media_type or '', '.bin')}"] = original
        from edge.evidence.tdr import threat_detection_report  # pydicom: for who exports, not for every appliance

        files["tdr.dcs"] = threat_detection_report(last, original)
    return files


def _custody(done: list[Act]) -> dict[str, bytes]:
    """Return what was done about the hit, an act a line with its place in their chain; and the dispositions of it."""
    lines = [json.dumps(act.told(), ensure_ascii=False) for act in done]
    said = [act.body.decode() for act in done if act.kind == DISPOSITION]
    return {
        CUSTODY: "".join(f"{line}\n" for line in lines).encode(),
        DISPOSITIONS: "".join(f"{body}\n" for body in said).encode(),
    }


def _original(data_dir: Path, row: HitRow) -> bytes:
    if row.purged_ns is not None or row.path is None:
        raise StoreError(f"the evidence of hit {row.hit_id} was purged when its time was over")
    try:
        data = (data_dir / row.path).read_bytes()
    except OSError as error:
        raise StoreError(f"{data_dir / row.path}: {error.strerror}") from error
    if hashlib.sha256(data).hexdigest() != row.evidence:
        raise StoreError(f"{data_dir / row.path}: not the bytes that were committed; it was changed or is damaged")
    return data


def _manifest(rows: list[HitRow], files: dict[str, bytes], key: SigningKey, clock: Clock, by: str) -> dict[str, Any]:
    last = rows[-1]
    data = json.loads(last.payload)["data"]
    return {
        "package": PACKAGE,
        "hit_id": last.hit_id,
        "rev": last.rev,
        "seq": last.seq,
        **{name: data[name] for name in ("site", "lane", "edge", "device", "observed_at", "committed_at")},
        "chain": {"prev": last.prev.hex(), "hash": last.hash.hex()},
        "key_fingerprint": key.fingerprint,
        "exported_at": clock.now().rfc3339(),
        "exported_by": by,
        "software": __version__,
        "note": "A detector's output is an indication, not a finding of fact.",
        "files": [
            {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in sorted(files.items())
        ],
    }


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o644 << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
