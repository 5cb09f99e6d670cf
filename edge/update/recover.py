"""Finishes or undoes an update that was cut off: before the appliance starts, and whenever the update's process ends.

python3 -P -m edge.update.recover [--live] [--root DIR] [--user NAME]. Needs the standard library alone.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.update.disk import Disk
from edge.update.hands import ServantHands, Service
from edge.update.machine import Machine
from edge.update.places import USER, Places

log = logging.getLogger("jaitf.update")


def locked(places: Places) -> int:
    """Return the update's lock, held until it is closed, or until this process ends; waits for whoever has it."""
    places.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(places.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def recover(places: Places, *, live: bool) -> bool:
    """Finish or undo what was cut off; return whether all of it could be done. `live`: the box is up."""
    machine = Machine(places, Disk(), ServantHands(places.user))
    state = machine.state()
    if state is None:
        reason = ""
    elif live:
        reason = "the update's process ended before it was confirmed"
    else:
        reason = "the power went, or the machine was started again, before it was confirmed"
    service = Service()
    back, done = None, True
    goes_back = state is not None and state.phase in ("trial", "undoing")
    if live and goes_back:
        try:
            service.stop()
        except OSError as error:
            log.error("%s", error)  # the link goes back all the same
            done = False
    try:
        back = machine.recover(reason)
    except OSError as error:
        # The link is moved first; what could not be done is tried again at the next start.
        log.error("not all of the update could be undone: %s", error)
        done = False
    if back:
        log.warning("%s is in force again: %s", back, reason)
    if live and goes_back:
        try:
            service.restart()
        except OSError as error:
            log.error("%s", error)
            done = False
    return done


def main(arguments: Sequence[str] | None = None) -> int:
    """Recover; return the exit status."""
    parser = argparse.ArgumentParser(description="Finish or undo an update that was cut off.")
    parser.add_argument("--live", action="store_true", help="the box is up: stop and start the appliance around it")
    parser.add_argument("--root", type=Path, default=Path("/"))
    parser.add_argument("--user", default=USER, help="whom the appliance runs as; empty for whoever runs this")
    asked = parser.parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s: %(message)s")
    places = Places.under(asked.root, asked.user or None)
    if not places.home.is_dir():
        return 0
    lock = locked(places)
    try:
        return 0 if recover(places, live=asked.live) else 1
    finally:
        os.close(lock)


if __name__ == "__main__":
    sys.exit(main())
