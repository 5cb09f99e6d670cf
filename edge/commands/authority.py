"""Who may command: anyone whom the broker lets, or the holder of a listed console key alone."""

from __future__ import annotations

import re
from pathlib import Path

from drivers.errors import ConfigError
from edge.down import Command
from edge.signing import SealError, canonical, decoded, fingerprint, is_signed, signed_form

MAX_FILE_BYTES = 64 * 1024
_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\s*", re.DOTALL)


class ConsoleKeys:
    """The consoles' public keys by fingerprint."""

    def __init__(self, pems: list[bytes]) -> None:
        self._pems = {fingerprint(pem): pem for pem in pems}

    @property
    def fingerprints(self) -> list[str]:
        """Return which keys are listed."""
        return list(self._pems)

    @classmethod
    def read(cls, path: Path) -> ConsoleKeys:
        """Return the keys in a file of PEM blocks. Raises ConfigError: a list that names nobody locks everyone out."""
        try:
            text = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"console.command_keys_file: {path}: {error.strerror}") from None
        pems = [match[0] for match in _BLOCK.finditer(text[:MAX_FILE_BYTES])]
        try:
            for pem in pems:
                is_signed(pem, b"", bytes(64))
            keys = cls(pems)
        except ValueError as error:
            raise ConfigError(f"console.command_keys_file: {path}: {error}") from None
        if not pems:
            raise ConfigError(f"console.command_keys_file: {path}: no public key in it")
        return keys

    def refusal(self, command: Command, payload: bytes, topic: str) -> str:
        """Return why a command is not to be obeyed, "" where one of the keys signed it.

        The signature covers the topic too: what was signed for one appliance and one command is worth nothing to
        another.
        """
        if command.signature is None:
            return "this appliance obeys signed commands alone"
        pem = self._pems.get(command.signature.kid)
        if pem is None:
            return "signed by a key that is not listed here"
        try:
            message = canonical(payload)
            del message["signature"]
            holds = is_signed(pem, signed_form(message | {"topic": topic}), decoded(command.signature.value))
        except (SealError, ValueError, KeyError, TypeError) as error:
            return f"the signature cannot be checked: {error}"
        return "" if holds else "the signature is not over this command on this topic"
