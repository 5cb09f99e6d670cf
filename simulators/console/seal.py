"""Signatures as the contract has them: hits checked, commands signed. Ed25519 (RFC 8032) over RFC 8785's form."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


class SealError(ValueError):
    """A key or a file of pins that cannot be used; the text says which and why."""


def fingerprint(pem: str) -> str:
    """Return the SHA-256, in hex, of a public key's DER. Raises ValueError where it is no Ed25519 key in PEM."""
    key = _public(pem)
    return hashlib.sha256(
        key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ).hexdigest()


def _public(pem: str) -> Ed25519PublicKey:
    key = serialization.load_pem_public_key(pem.encode())
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")
    return key


def signer_of(event: bytes) -> str | None:
    """Return the `kid` that an event says it is signed by; None for one without a signature."""
    try:
        kid = json.loads(event)["data"]["signature"]["kid"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return kid if isinstance(kid, str) else None


def holds(event: bytes, pem: str) -> bool:
    """Say whether an event's signature is that key's, over all of the event but the signature itself."""
    try:
        message = json.loads(event, parse_int=float, object_pairs_hook=_once)
        signature = message["data"].pop("signature")
        value = base64.urlsafe_b64decode(signature["value"] + "=" * (-len(signature["value"]) % 4))
        if (signature["alg"], signature["kid"]) != ("EdDSA", fingerprint(pem)):
            return False
        _public(pem).verify(value, rfc8785.dumps(message))
    except (
        *(ValueError, KeyError, TypeError, AttributeError, RecursionError),
        *(InvalidSignature, rfc8785.CanonicalizationError),
    ):
        return False
    return True


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name comes twice: two readers might read two messages")
    return table


@dataclass(frozen=True, slots=True)
class Pins:
    """Which key an appliance's hits must be signed with, as its administrator read it off the appliance itself."""

    of: Mapping[tuple[str, str], str]

    @classmethod
    def read(cls, path: Path | None) -> Pins:
        """Read lines of `SITE/EDGE FINGERPRINT`; # begins a comment. Raises SealError with file and line."""
        found: dict[tuple[str, str], str] = {}
        try:
            lines = path.read_text("utf-8").splitlines() if path else []
        except (OSError, UnicodeDecodeError) as error:
            raise SealError(f"{path}: {error}") from error
        for number, line in enumerate(lines, 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            site, slash, edge = words[0].partition("/")
            if len(words) != 2 or not slash or len(words[1]) != 64 or set(words[1]) - set("0123456789abcdef"):
                raise SealError(f"{path}:{number}: not SITE/EDGE and a fingerprint of 64 hexadecimal digits")
            found[site, edge] = words[1]
        return cls(found)


class CommandKey:
    """The key that this console signs its commands with; appliances list its public part."""

    def __init__(self, path: Path) -> None:
        try:
            if path.stat().st_mode & 0o077:
                raise SealError(f"{path}: others may read the key; chmod 600 {path}")
            private = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise SealError(str(error) if isinstance(error, SealError) else f"{path}: {error}") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise SealError(f"{path}: not an Ed25519 key")
        self._private = private
        public = private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.kid = fingerprint(public.decode())

    def signed(self, body: dict[str, Any], topic: str) -> dict[str, Any]:
        """Return a command with its signature, which is good for this topic alone."""
        value = self._private.sign(rfc8785.dumps(body | {"topic": topic}))
        signature = base64.urlsafe_b64encode(value).rstrip(b"=").decode()
        return body | {"signature": {"alg": "EdDSA", "kid": self.kid, "value": signature}}
