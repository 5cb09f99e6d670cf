"""Who listens on a port of this machine, so that "address in use" can be said with a name."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

_ANY = ("", "0.0.0.0", "::", "*")


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
