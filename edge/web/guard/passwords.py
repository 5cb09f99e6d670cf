"""Passwords, kept as argon2id hashes (RFC 9106, its second recommended setting: 64 MiB, three passes)."""

from __future__ import annotations

import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from drivers.errors import ConfigError

MIN_CHARACTERS = 12
MAX_CHARACTERS = 256
_MIN_DIFFERENT = 5

_HASHER = PasswordHasher()
#: No password's: what a name that nobody has is checked against, so that its answer takes as long as any other.
NOBODY = _HASHER.hash("nobody has this password: it is never compared with success")


def checked(password: str, name: str) -> str:
    """Return a new password as it will be hashed. Raises ConfigError where it is too short or too easily guessed."""
    password = unicodedata.normalize("NFKC", password)
    if len(password) < MIN_CHARACTERS:
        raise ConfigError(f"a password has at least {MIN_CHARACTERS} characters; four or five words make a good one")
    if len(password) > MAX_CHARACTERS:
        raise ConfigError(f"a password has at most {MAX_CHARACTERS} characters")
    if len(set(password)) < _MIN_DIFFERENT or password.casefold().replace(name.casefold(), "") in ("", "password"):
        raise ConfigError("this password is too easily guessed; four or five words make a good one")
    return password


def hashed(password: str, name: str) -> str:
    """Return a new password's hash. Raises ConfigError as `checked` does."""
    return _HASHER.hash(checked(password, name))


def matches(hash_: str | None, password: str) -> bool:
    """Return whether a password is the one of a hash; None takes as long as a hash, and never matches."""
    try:
        right = _HASHER.verify(hash_ or NOBODY, unicodedata.normalize("NFKC", password)[: MAX_CHARACTERS + 1])
    except (Argon2Error, InvalidHashError):
        return False
    return right and hash_ is not None
