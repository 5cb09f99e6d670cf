"""What need not be asked: what a configuration that is there says, what the machine is called, what lies on it."""

from __future__ import annotations

import os
import re
import socket
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from edge.config.model import Appliance

LOOPBACK = "127.0.0.1"
BROKER_PORTS = (1883, 8883)
DATA_DIR = Path("/var/lib/jaitf-edge")
#: Where TLS files are looked for: the configuration's folder, what is in it for them, and the usual place beside it.
TLS_FOLDERS = ("", "tls", "certs", "/etc/jaitf-edge/tls")
#: ATF_COM (linux/if_arp.h): the entry has a hardware address, so somebody answered.
_COMPLETE = 0x2
_HOSTNAME = re.compile(r"(?P<site>[a-z0-9]{3,4})-(?P<lane>[a-z0-9-]+)-(?P<id>edge-?\d+)")


def existing(folder: Path) -> dict[str, Any]:
    """Return the tables of `edge.toml` as they stand, none where there is no such file. Raises ValueError: no TOML."""
    try:
        return tomllib.loads((folder / "edge.toml").read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}


def table(path: Path) -> dict[str, Any]:
    """Return a TOML file's table, empty where it cannot be read as one."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}


def neighbours(arp: Path = Path("/proc/net/arp")) -> list[str]:
    """Return the IPv4 addresses that answered this machine lately, as the kernel remembers them (proc(5))."""
    try:
        rows = [row.split() for row in arp.read_text().splitlines()[1:]]
    except OSError:
        return []
    return [row[0] for row in rows if len(row) > 3 and int(row[2], 16) & _COMPLETE]


def names(hostname: str) -> dict[str, str]:
    """Return what a machine's name says of site, lane and appliance: `lfw-t1-l3-edge-01` says all, others only who."""
    name = re.sub(r"[^a-z0-9-]+", "-", hostname.partition(".")[0].lower()).strip("-")
    if match := _HOSTNAME.fullmatch(name):
        return dict(match.groupdict())
    return {"id": name[:63]} if name and name != "localhost" else {}


def data_dir(folder: Path) -> Path:
    """Return where this user can keep what must not be lost: the usual place, else a folder in the configuration's."""
    parent = next(path for path in (DATA_DIR, *DATA_DIR.parents) if path.exists())
    return DATA_DIR if os.access(parent, os.W_OK) else folder.absolute() / "data"


def brokers(host: str = LOOPBACK) -> list[str]:
    """Return the addresses of brokers that listen on this machine, as `console.url` has them."""
    found = []
    for port in BROKER_PORTS:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex((host, port)) == 0:
                found.append(f"mqtt{'s' if port == 8883 else ''}://{host}:{port}")
    return found


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files for TLS that belong together: authorities, and a certificate with its key."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


def tls_files(folder: Path) -> TlsFiles:
    """Return what lies near the configuration by what is in the files, not by their names."""
    authorities: list[Path] = []
    own: list[tuple[Path, bytes]] = []
    keys: dict[bytes, Path] = {}
    for path in _pems(folder):
        try:
            raw = path.read_bytes()
        except OSError:
            continue  # not this user's to read: it cannot be proposed
        if public := _of_key(raw):
            keys.setdefault(public, path)
        elif found := _of_certificate(raw):
            authority, public = found
            authorities.append(path) if authority else own.append((path, public))
    pair = next(((cert, keys[public]) for cert, public in own if public in keys), None)
    return TlsFiles(authorities[0] if authorities else None, *(pair or (None, None)))


def _pems(folder: Path) -> Iterator[Path]:
    for name in TLS_FOLDERS:
        place = folder / name
        if place.is_dir():
            yield from sorted(
                p for p in place.iterdir() if p.suffix in (".pem", ".crt", ".key", ".cer") and p.is_file()
            )


def _of_key(raw: bytes) -> bytes | None:
    try:
        key = serialization.load_pem_private_key(raw, password=None)
    except (ValueError, TypeError):
        return None
    return _public(key.public_key())


def _of_certificate(raw: bytes) -> tuple[bool, bytes] | None:
    try:
        certificate = x509.load_pem_x509_certificate(raw)
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        authority = basic.value.ca
    except x509.ExtensionNotFound:
        authority = False
    except ValueError:
        return None
    return authority, _public(certificate.public_key())


def _public(key: Any) -> bytes:
    made: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return made


def lane(folder: Path, hostname: str | None = None) -> dict[str, Any]:
    """Return the values of `[appliance]` that are known already: the configuration's, else the hostname's."""
    there = existing(folder).get("appliance", {})
    guessed: dict[str, Any] = names(hostname or socket.gethostname())
    known = {**guessed, "data_dir": str(data_dir(folder)), **there}
    return {name: known[name] for name in Appliance.model_fields if name in known}
