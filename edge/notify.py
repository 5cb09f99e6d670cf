"""Words to the service manager, as sd_notify(3) has them: datagrams to the socket that $NOTIFY_SOCKET names.

The protocol is five lines and promised to stay; its manual asks for it to be spoken without a library where that is
easier. Without a service manager nothing is said.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping


class ServiceManager:
    """What listens to this process; `watchdog_s` is how long it waits for a sign of life, None where it wants none."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._watchdog_us = _watchdog_us(environment)
        self._status = ""

    @property
    def listens(self) -> bool:
        """Whether there is a service manager."""
        return bool(self._address)

    @property
    def watchdog_s(self) -> float | None:
        """How long the service manager waits for a sign of life before it ends this process, None for ever."""
        return self._watchdog_us / 1e6 if self._watchdog_us else None

    def ready(self) -> None:
        """Say that everything is under way; the watchdog waits as long as the unit says, from now on."""
        self._say("READY=1")
        if self._watchdog_us:
            self._say(f"WATCHDOG_USEC={self._watchdog_us}")

    def stopping(self) -> None:
        """Say that this process is about to end."""
        self._say("STOPPING=1")

    def again(self, within_s: float) -> None:
        """Say that this process starts again from its beginning: no sign of life is due for `within_s`."""
        self._say(f"STATUS=starting again with another configuration\nWATCHDOG_USEC={int(within_s * 1e6)}\nWATCHDOG=1")

    def alive(self) -> None:
        """Give a sign of life."""
        self._say("WATCHDOG=1")

    def status(self, line: str) -> None:
        """Show one line for a person, in `systemctl status`; said only where it is another than before."""
        line = " ".join(line.split())
        if line != self._status:
            self._status = line
            self._say(f"STATUS={line}")

    def _say(self, words: str) -> None:
        if not self.listens:
            return
        # A manager that cannot be told is no reason to fail the lane; it draws its own conclusion from the silence.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto(words.encode(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL, self._address)


def _address(text: str) -> str:
    """Return the socket's address: a path, or a name in the abstract namespace; "" for any other (vsock)."""
    if text.startswith("@"):
        return "\0" + text[1:]
    return text if text.startswith("/") else ""


def _watchdog_us(environment: Mapping[str, str]) -> int:
    """Return how many microseconds the manager waits, 0 where it waits for another process or not at all."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    text = environment.get("WATCHDOG_USEC", "")
    return int(text) if text.isdecimal() else 0
