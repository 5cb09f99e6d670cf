"""Whose model packages may judge: an Ed25519 signature (RFC 8032) over `model.toml`, which names every file's hash.

`[signature] kid` in the manifest is the fingerprint of the signer's key, `model.toml.sig` the signature, 64 bytes. A
fingerprint is the SHA-256 of the public key in DER, as `doctor` shows the appliance's own.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from drivers.errors import ModelError
from inference.manifest import parse
from inference.package import BUILT_IN, MANIFEST, SIGNATURE, Package, read

MAX_KEYS_BYTES = 64 * 1024
_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\s*", re.DOTALL)
_SIGNED = re.compile(rb'\n\[signature\]\nkid = "[^"\n]*"\n')


class Trust:
    """The keys whose packages may judge. What came with the appliance is trusted as the appliance is."""

    def __init__(self, keys: list[Ed25519PublicKey]) -> None:
        self._keys = {fingerprint(key): key for key in keys}

    @classmethod
    def of(cls, path: Path) -> Trust:
        """Return the trust in the public keys of a file of PEM blocks.

        Raises ModelError where it holds none, or a key of another kind.
        """
        try:
            text = path.read_bytes()[:MAX_KEYS_BYTES]
            keys = [serialization.load_pem_public_key(match[0]) for match in _BLOCK.finditer(text)]
        except OSError as error:
            raise ModelError(f"{path}: {error.strerror}") from None
        except ValueError as error:
            raise ModelError(f"{path}: {error}") from None
        known = [key for key in keys if isinstance(key, Ed25519PublicKey)]
        if len(known) < len(keys) or not keys:
            raise ModelError(f"{path}: {'a key in it is no Ed25519 key' if keys else 'no public key in it'}")
        return cls(known)

    def check(self, package: Package) -> None:
        """Raise ModelError where a package is not signed by one of the keys."""
        if package.path.parent == BUILT_IN:
            return
        signed = package.manifest.signature
        if signed is None or package.signature is None:
            raise ModelError(f"{package.path}: not signed, and only signed packages may judge here")
        key = self._keys.get(signed.kid)
        if key is None:
            raise ModelError(f"{package.path}: signed by a key that is not trusted here, {signed.kid[:16]}...")
        try:
            key.verify(package.signature, package.text)
        except InvalidSignature:
            raise ModelError(f"{package.path}: {SIGNATURE} is not that key's signature over {MANIFEST}") from None


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return the SHA-256 of a public key in DER, in hexadecimal."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return hashlib.sha256(key.public_bytes(serialization.Encoding.DER, form)).hexdigest()


def sign(folder: Path, pem: bytes) -> str:
    """Sign the package in a folder with a private key (PEM, PKCS 8), anew where it was signed; return the fingerprint.

    Raises ModelError where the package is damaged or the key is none, and OSError.
    """
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise ModelError(f"no private key in PEM that needs no password: {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ModelError("the key is not an Ed25519 key")
    if not folder.is_dir():
        raise ModelError(f"{folder}: a package is signed as a folder, not as a zip")
    kid = fingerprint(key.public_key())
    text = _SIGNED.sub(b"", read(folder).text).rstrip() + f'\n\n[signature]\nkid = "{kid}"\n'.encode()
    if (said := parse(text).signature) is None or said.kid != kid:
        raise ModelError(f"{folder}: {MANIFEST} has a [signature] of another form; take it out first")
    (folder / SIGNATURE).write_bytes(key.sign(text))
    (folder / MANIFEST).write_bytes(text)
    return kid
