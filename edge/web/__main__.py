"""The page's process: `python -m edge.web WIRE LISTENING CORE`, two inherited sockets and the core's process.

Started by the core alone, and ends with it.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import resource
import signal
import socket
import sys
from pathlib import Path

from setproctitle import setproctitle

from edge.web import errand, wire
from edge.web.serve import Place, serve

_PR_SET_PDEATHSIG = 1
NICE = 5
MEMORY_BYTES = 512 * 1024 * 1024
START_S = 30.0


def _settle(parent: int) -> None:
    """Make this process the first to go where something is short, and one that never outlives the core."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    setproctitle("jaitf-edge-page")
    # A terminal's Ctrl-C and a service manager's SIGTERM go to the whole group; the core decides who ends when.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, errand.MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Path("/proc/self/oom_score_adj").write_text("500")


def main() -> None:
    """Serve until the core ends the wire."""
    core, listening = socket.socket(fileno=int(sys.argv[1])), socket.socket(fileno=int(sys.argv[2]))
    _settle(int(sys.argv[3]))
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s page: %(message)s")
    core.settimeout(START_S)
    start = wire.decode(core.recv(wire.MAX_BYTES))
    asyncio.run(serve(core, listening, Place.of(start.said)))


if __name__ == "__main__":
    main()
