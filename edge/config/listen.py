"""Addresses to listen on, as the configuration writes them: HOST:PORT, or SCHEME://HOST:PORT."""

from __future__ import annotations

from dataclasses import dataclass

MAX_PORT = 65535
_EVERY = ("0.0.0.0", "::", "*")


@dataclass(frozen=True, slots=True)
class Address:
    """Where something listens; `host` is "" for every address of this machine."""

    host: str
    port: int
    udp: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host or "0.0.0.0"
        return f"{'udp://' if self.udp else ''}{host}:{self.port}"

    def clashes(self, other: Address) -> bool:
        """Say whether the two cannot be listened on at once."""
        same_host = self.host == other.host or "" in (self.host, other.host)
        return same_host and (self.port, self.udp) == (other.port, other.udp) and self.port != 0


def parse(text: object) -> Address | None:
    """Return the address, None where `text` is none."""
    if not isinstance(text, str):
        return None
    scheme, _, rest = text.rpartition("://")
    host, colon, port = rest.partition("/")[0].rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > MAX_PORT:
        return None
    host = {"localhost": "127.0.0.1", **dict.fromkeys(_EVERY, "")}.get(host, host)
    return Address(host, int(port), udp=scheme == "udp")
