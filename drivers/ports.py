"""Ports of this machine: who listens on one, so that "address in use" can be said with a name, and one that is free."""

from __future__ import annotations

import errno
import os
import random
import socket
from contextlib import suppress
from dataclasses import dataclass

import psutil

HOST = "127.0.0.1"
#: Below those that Linux gives to connections (32768 and up): no connection takes by chance what was free.
FIRST_PORT, PORTS_EACH, SHARES = 12_000, 500, 40
_ANY = ("", "0.0.0.0", "::", "*")
_claims: list[int] = []
"""File numbers, and not sockets: they end with the process and with nothing else."""
_left: list[int] = []
_claimed_by = 0


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that listens; `pid` is None where it is another user's and this process may not see it."""

    pid: int | None
    program: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.program})" if self.pid else self.program


def holder(host: str, port: int, *, udp: bool = False) -> Holder | None:
    """Return who keeps `host:port` from being listened on, None where nobody does. "" is every address."""
    for connection in psutil.net_connections(kind="udp" if udp else "tcp"):
        taken = connection.laddr
        listens = udp or connection.status == psutil.CONN_LISTEN
        if not listens or not taken or taken.port != port:
            continue
        if host in _ANY or taken.ip in _ANY or taken.ip.removeprefix("::ffff:") == host:
            return _named(connection.pid)
    return None


def _named(pid: int | None) -> Holder:
    if pid is None:
        return Holder(None, "a process of another user (root can see which)")
    try:
        return Holder(pid, psutil.Process(pid).name())
    except psutil.Error:
        return Holder(pid, "ended meanwhile")


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """Return a port of loopback, for TCP or with `socket.SOCK_DGRAM` for UDP, on which nothing is bound.

    It is given once, and to one process: of those that choose here at a time, each has a share of its own. Raises
    OSError (EADDRINUSE) where no share is left.
    """
    global _claimed_by
    if _claimed_by != os.getpid():  # a fork's ports are its parent's
        while _claims:
            os.close(_claims.pop())
        _left.clear()
        _claimed_by = os.getpid()
    while True:
        while _left:
            port = _left.pop()
            with suppress(OSError), socket.socket(type=kind) as probe:
                probe.bind((HOST, port))
                return port
        _left.extend(_share())


def _share() -> list[int]:
    """Return the ports of a share that no other process has, in any order; the claim ends with this process."""
    for number in random.SystemRandom().sample(range(SHARES), SHARES):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0jaitf-edge-ports-{number}")
        except OSError:
            claim.close()
            continue
        _claims.append(claim.detach())
        first = FIRST_PORT + number * PORTS_EACH
        return random.SystemRandom().sample(range(first, first + PORTS_EACH), PORTS_EACH)
    raise OSError(errno.EADDRINUSE, f"no free port from {FIRST_PORT} to {FIRST_PORT + SHARES * PORTS_EACH - 1}")
