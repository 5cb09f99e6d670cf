"""Signed packages: a Debian package with an Ed25519 signature (RFC 8032) over all of its bytes.

The signature is 64 bytes, in a file beside the package (`FILE.deb.sig`) or in the package itself, as the last member of
its archive, `_jaitf-ed25519`: readers of packages pass over members whose names begin with `_` (deb(5)), so it stays a
package that `apt` installs. `openssl pkeyutl -verify -rawin` checks the first form.
"""

from __future__ import annotations

import mmap
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from drivers.errors import UpdateError
from drivers.fsync import sync_folder, write_whole
from edge.update.places import NAME, Places

SIGNATURE_BYTES = 64
MAX_PACKAGE_BYTES = 4 * 1024**3
MAX_KEYS_BYTES = 64 * 1024
PACKAGE = "jaitf-edge"
TOOL_DEADLINE_S = 600.0
SPARE_BYTES = 200_000_000

_MAGIC = b"!<arch>\n"
# name, mtime, uid, gid, mode, size, end: ar(5)
_HEADER = b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (b"_jaitf-ed25519", 0, 0, 0, b"100644", SIGNATURE_BYTES)
_TRAILER_BYTES = len(_HEADER) + SIGNATURE_BYTES
_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\s*", re.DOTALL)

Keys = dict[str, Ed25519PublicKey]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a package says of itself."""

    version: str
    architecture: str
    installed_bytes: int


def trusted(path: Path, owner: int) -> Keys:
    """Return the public keys of a file of PEM blocks, by fingerprint.

    Raises UpdateError where anybody but `owner` could have written it, or where it holds none.
    """
    try:
        for each in (path, path.parent):
            about = each.stat()
            if about.st_uid != owner or about.st_mode & 0o022:
                raise UpdateError(f"{each}: others than its owner can change it: chown root and chmod go-w")
        pems = _BLOCK.findall(path.read_bytes()[:MAX_KEYS_BYTES])
        keys = [serialization.load_pem_public_key(pem) for pem in pems]
    except OSError as error:
        raise UpdateError(f"{path}: {error.strerror}: it lists whose packages this box takes") from None
    except ValueError as error:
        raise UpdateError(f"{path}: {error}") from None
    known = [key for key in keys if isinstance(key, Ed25519PublicKey)]
    if not keys or len(known) < len(keys):
        raise UpdateError(f"{path}: {'a key in it is no Ed25519 key' if keys else 'no public key in it'}")
    return {_fingerprint(key): key for key in known}


def sign(package: Path, pem: bytes, *, inside: bool = False) -> tuple[Path, str]:
    """Sign a package, beside it or, `inside`, in it; return what was written and the key's fingerprint.

    Raises UpdateError where the package or the key is none, and OSError.
    """
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise UpdateError(f"no private key in PEM that needs no password: {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UpdateError("the key is not an Ed25519 key")
    with _content(package) as (content, _):
        size, signature = len(content), key.sign(content)
    beside = _beside(package)
    if not inside:
        write_whole(beside, signature, mode=0o644)
        sync_folder(beside.parent)
        return beside, _fingerprint(key.public_key())
    _seal(package, size, signature)
    return package, _fingerprint(key.public_key())


def take(package: Path, to: Path) -> None:
    """Copy a package to where only root writes, with its signature in it; nothing is believed of it yet.

    Raises UpdateError where it is no signed package, and OSError.
    """
    with _content(package) as (content, inside):
        size = len(content)
        signature = inside or _detached(package)
    shutil.copyfile(package, to)
    to.chmod(0o600)
    _seal(to, size, signature)


def signer(package: Path, keys: Keys) -> str:
    """Return the fingerprint of the key that signed a package with its signature in it.

    Raises UpdateError where none of the keys did.
    """
    with _content(package) as (content, signature):
        if signature is None:
            raise UpdateError(f"{package.name}: not signed")
        for fingerprint, key in keys.items():
            try:
                key.verify(signature, content)
            except InvalidSignature:
                continue
            return fingerprint
    raise UpdateError(f"{package.name}: not signed by a key that this box trusts")


def facts(package: Path) -> Facts:
    """Return what a package that is believed says of itself. Raises UpdateError."""
    text = _tool("--field", str(package), "Package", "Version", "Architecture", "Installed-Size")
    fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    if fields.get("Package") != PACKAGE:
        raise UpdateError(f"this is the package {fields.get('Package')}, not {PACKAGE}")
    version = fields.get("Version", "")
    if not NAME.fullmatch(version):
        raise UpdateError(f"{version!r} cannot be a version's folder")
    return Facts(version, fields.get("Architecture", ""), int(fields.get("Installed-Size", 0)) * 1024)


def unpack(package: Path, about: Facts, places: Places) -> None:
    """Unpack a package's files below `places.partial`.

    Raises UpdateError where there is no room, or no version in it.
    """
    free = shutil.disk_usage(places.versions).free
    if free < about.installed_bytes + SPARE_BYTES:
        wanted = (about.installed_bytes + SPARE_BYTES) // 1_000_000
        raise UpdateError(f"{free // 1_000_000} MB are free on {places.versions}, {wanted} are needed")
    _tool("--extract", str(package), str(places.partial))
    if not (places.partial / "opt/jaitf-edge/versions" / about.version / "bin" / "jaitf-edge").exists():
        raise UpdateError(f"the package brings no opt/jaitf-edge/versions/{about.version}")


def is_older(version: str, than: str) -> bool:
    """Return whether a version is older than another, as Debian orders them."""
    command = ["dpkg", "--compare-versions", version, "lt", than]
    return subprocess.run(command, check=False, capture_output=True, timeout=TOOL_DEADLINE_S).returncode == 0


def _seal(package: Path, size: int, signature: bytes) -> None:
    with package.open("r+b") as file:
        file.truncate(size)
        file.seek(size)
        file.write(_HEADER + signature)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(package.parent)


def _beside(package: Path) -> Path:
    return package.with_name(package.name + ".sig")


def _detached(package: Path) -> bytes:
    path = _beside(package)
    try:
        with path.open("rb") as file:
            signature = file.read(SIGNATURE_BYTES + 1)
    except FileNotFoundError:
        raise UpdateError(f"{package}: not signed: no signature in it, and no {path.name} beside it") from None
    if len(signature) != SIGNATURE_BYTES:
        raise UpdateError(f"{path}: not a signature of {SIGNATURE_BYTES} bytes")
    return signature


@contextmanager
def _content(package: Path) -> Iterator[tuple[memoryview, bytes | None]]:
    """Give a package's bytes without a signature in it, and that signature. Raises UpdateError, OSError."""
    size = package.stat().st_size
    if not len(_MAGIC) < size <= MAX_PACKAGE_BYTES:
        raise UpdateError(f"{package}: not a Debian package")
    with package.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        whole = memoryview(mapped)
        sealed = size > _TRAILER_BYTES and whole[-_TRAILER_BYTES:-SIGNATURE_BYTES] == _HEADER
        content = whole[:-_TRAILER_BYTES] if sealed else whole
        try:
            # An archive's members begin at even places: behind an odd end nothing could be added.
            if content[: len(_MAGIC)] != _MAGIC or len(content) % 2:
                raise UpdateError(f"{package}: not a Debian package")
            yield content, bytes(whole[-SIGNATURE_BYTES:]) if sealed else None
        finally:
            content.release()
            whole.release()


def _fingerprint(key: Ed25519PublicKey) -> str:
    from inference.trust import fingerprint

    return fingerprint(key)


def _tool(*arguments: str) -> str:
    try:
        ran = subprocess.run(
            ["dpkg-deb", *arguments], capture_output=True, text=True, timeout=TOOL_DEADLINE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UpdateError(f"dpkg-deb: {error}") from None
    if ran.returncode:
        raise UpdateError(f"dpkg-deb {arguments[0]}: {ran.stderr.strip()[-500:]}")
    return ran.stdout
