"""The appliance's own key: made at first start, kept in the data directory, its public part shown by `doctor`."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import os
import pwd
import re
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from drivers.errors import StoreError
from drivers.fsync import sync_folder, write_whole

FILE = "signing.pem"

_SORTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
#: Numbers that Python and ECMAScript write differently: with an exponent, with ".0", beyond 15 digits. In a text that
#: a string happens to hold it is found as well, which costs time and nothing else.
_WRITTEN_OTHERWISE = re.compile(r"[:,\[]-?(?:[0-9]{16}|[0-9]+(?:\.0[,\]}]|(?:\.[0-9]+)?e[+-]))")
_SURE_DIGITS = 15
#: Of these doubles neither Python nor ECMAScript writes an exponent.
_PLAIN_DOUBLES = (1e-4, 1e15)


class SealError(ValueError):
    """What is no JSON that a signature can be put over (RFC 8785, 3.1: I-JSON)."""


class SigningKey:
    """An Ed25519 key (RFC 8032); `fingerprint` is the SHA-256 of its public part in DER, in hexadecimal."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_pem = private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.fingerprint = fingerprint(self.public_pem)

    def sign(self, data: bytes) -> bytes:
        """Return the signature of `data`, 64 bytes."""
        return self._private.sign(data)

    @classmethod
    def of(cls, data_dir: Path) -> SigningKey:
        """Return the key of a data directory, making it where there is none.

        Raises StoreError where others may read it, or where it is no Ed25519 key.
        """
        path = data_dir / FILE
        if not path.exists():
            pem = Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write_whole(path, pem, mode=0o600)
            sync_folder(data_dir)
        if path.stat().st_mode & 0o077:
            raise StoreError(f"{path}: others may read the signing key; mend: chmod 600 {path}")
        try:
            private = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except ValueError as error:
            raise StoreError(f"{path}: no key in PEM: {error}") from None
        if not isinstance(private, Ed25519PrivateKey):
            raise StoreError(f"{path}: not an Ed25519 key")
        return cls(private)


def fingerprint(public_pem: bytes) -> str:
    """Return the fingerprint of a public key in PEM. Raises ValueError where it is none."""
    key = serialization.load_pem_public_key(public_pem)
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def is_signed(public_pem: bytes, data: bytes, signature: bytes) -> bool:
    """Return whether `signature` is that key's over `data`. Raises ValueError where the key is no Ed25519 key."""
    key = serialization.load_pem_public_key(public_pem)
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")
    try:
        key.verify(signature, data)
    except InvalidSignature:
        return False
    return True


class _WrittenOtherwise(ValueError):
    """A number that Python and ECMAScript write differently."""


def _integer_alike(digits: str) -> int:
    if len(digits) > _SURE_DIGITS:
        raise _WrittenOtherwise
    return int(digits)


def _double_alike(text: str) -> float:
    value = float(text)
    if value.is_integer() or not _PLAIN_DOUBLES[0] <= abs(value) < _PLAIN_DOUBLES[1]:
        raise _WrittenOtherwise
    return value


#: Reads what both write alike, and nothing else.
_ALIKE = json.JSONDecoder(parse_int=_integer_alike, parse_float=_double_alike)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise SealError("a name comes twice: two readers might read two messages")
    return table


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _SURE_DIGITS else float(digits)


def _double(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 10**_SURE_DIGITS else value


def canonical(message: bytes) -> Any:
    """Return a JSON text as what RFC 8785 is to be applied to: every number a double's value, as ECMAScript reads it.

    Raises SealError.
    """
    try:
        return json.loads(message, parse_int=_integer, parse_float=_double, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise SealError(str(error)) from None


def signed_form(value: Any) -> bytes:
    """Return the RFC 8785 form of a value of `canonical`'s. Raises SealError.

    Python's own encoder is several times as fast as the library, and writes plain texts and numbers just so; what it
    may write otherwise is the library's.
    """
    with contextlib.suppress(ValueError, TypeError, RecursionError):
        text = _SORTED.encode(value)
        if text.isascii() and not _WRITTEN_OTHERWISE.search(text) and isinstance(value, (dict, list)):
            return text.encode()
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise SealError(str(error)) from None


def encoded(signature: bytes) -> bytes:
    """Return a signature as JWS writes it: base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(signature).rstrip(b"=")


def decoded(text: str) -> bytes:
    """Return the signature behind a text of `encoded`'s, and of no other spelling. Raises ValueError."""
    try:
        value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    if encoded(value) != text.encode():
        raise ValueError("not base64url as JWS writes it")
    return value


def event_signature(key: SigningKey, event: bytes) -> bytes:
    """Return the signature over an event of this appliance's, which has none yet. Raises SealError."""
    return encoded(key.sign(own_form(event)))


def own_form(event: bytes) -> bytes:
    """Return the RFC 8785 form of an event of one's own: no name comes twice in it, and seldom an odd number."""
    with contextlib.suppress(ValueError, RecursionError):
        text = _SORTED.encode(_ALIKE.decode(event.decode()))
        if text.isascii():
            return text.encode()
    return signed_form(canonical(event))


def event_holds(public_pem: bytes, event: bytes) -> bool:
    """Return whether an event is signed by a key: over the RFC 8785 form of it without `data.signature`."""
    try:
        message = canonical(event)
        signature = message["data"].pop("signature")
        alike = (signature["alg"], signature["kid"]) == ("EdDSA", fingerprint(public_pem))
        return alike and is_signed(public_pem, signed_form(message), decoded(signature["value"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def whoami() -> str:
    """Return the operating system's user behind this process, for the record of an export."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # an account that the system knows by number alone
        user = str(os.getuid())
    behind = os.environ.get("SUDO_USER")
    return f"{behind} as {user}" if behind else user
