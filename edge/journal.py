"""The system's journal, by its own protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): a line's level and facts as fields.

`journalctl JAITF_DEVICE=xray-1` finds what was logged about a device, JAITF_HIT_ID= a hit, JAITF_CODE= a finding. What
was said with `extra={"device": ..., "hit_id": ..., "code": ...}` becomes these fields.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import sys
from collections.abc import Mapping
from pathlib import Path

SOCKET = Path("/run/systemd/journal/socket")
IDENTIFIER = "jaitf-edge"
FACTS = {"device": "JAITF_DEVICE", "hit_id": "JAITF_HIT_ID", "code": "JAITF_CODE"}
MAX_FIELD_BYTES = 16 * 1024
"""A longer text is cut: a datagram has to go through the socket whole."""

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


class JournalHandler(logging.Handler):
    """Sends each line to the journal; where that is not there to take it, to standard error. `facts` go with each."""

    def __init__(self, address: Path = SOCKET, facts: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._address = str(address)
        self._facts = dict(facts or {})
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        try:
            text = self.format(record)
            self._socket.sendto(encoded(fields(record, text, self._facts)), socket.MSG_NOSIGNAL, self._address)
        except OSError:
            print(f"<{priority(record.levelno)}>{record.name}: {record.getMessage()}", file=sys.stderr)  # noqa: T201 - the journal is away
        except Exception:  # noqa: BLE001  # as every handler of the standard library: logging never fails its caller
            self.handleError(record)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()
        super().close()


def priority(level: int) -> int:
    """Return syslog's number of a level of `logging`: 2 critical to 7 debug."""
    return next((number for least, number in _PRIORITIES if level >= least), 7)


def fields(record: logging.LogRecord, text: str, facts: Mapping[str, str]) -> dict[str, str]:
    """Return a record's journal fields."""
    said = {name: str(getattr(record, fact)) for fact, name in FACTS.items() if getattr(record, fact, None)}
    known = {FACTS[fact]: value for fact, value in facts.items()}
    return {
        "MESSAGE": text,
        "PRIORITY": str(priority(record.levelno)),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        "LOGGER": record.name,
        "CODE_FILE": record.pathname,
        "CODE_LINE": str(record.lineno),
        "CODE_FUNC": record.funcName or "",
        **known,
        **said,
    }


def encoded(table: Mapping[str, str]) -> bytes:
    """Return fields as one datagram: NAME=VALUE, or, for a value of several lines, its length before it."""
    parts = []
    for name, value in table.items():
        data = value.encode(errors="replace")[:MAX_FIELD_BYTES]
        if b"\n" in data:
            parts += [name.encode(), b"\n", struct.pack("<Q", len(data)), data, b"\n"]
        else:
            parts += [name.encode(), b"=", data, b"\n"]
    return b"".join(parts)


def is_stderr(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether standard error goes to the journal: systemd says so by $JOURNAL_STREAM (systemd.exec(5))."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        stat = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(stat.st_dev), str(stat.st_ino))


def log_to(line: str, message: str, facts: Mapping[str, str] | None = None) -> None:
    """Log to the journal in the form `message`, where standard error is the journal; else there, in the form `line`."""
    handler: logging.Handler = JournalHandler(facts=facts) if is_stderr() else logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(message if isinstance(handler, JournalHandler) else line))
    for old in logging.getLogger().handlers[:]:
        logging.getLogger().removeHandler(old)
    logging.getLogger().addHandler(handler)
