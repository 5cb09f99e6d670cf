"""Takes a wedged USB serial adapter from its driver and gives it back: the last step before somebody pulls its plug.

python3 -P -m edge.rebind (--spool | --finish | NAME) as root, with the standard library alone. NAME is what udev calls
the port: an entry of /dev/serial/by-id, /dev/serial/by-path or /dev/jaitf. Nothing else can be named, nothing is read
from who asks but that name, and each adapter has its turn only now and then.

A device is taken off with all it has; of an adapter with several ports only the asked one's interface is, for the
others may be at work (Documentation/driver-api/driver-model, unbind and bind).
"""

from __future__ import annotations

import argparse
import fcntl
import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from drivers.fsync import write_whole

log = logging.getLogger("jaitf.rebind")

SPOOL = Path("/run/jaitf-edge-rebind")
FOLDERS = ("serial/by-id", "serial/by-path", "jaitf")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+@=,-]{0,199}")
MAX_ASKED = 32
APART_S = 900.0
MOST_A_DAY = 6
S_PER_DAY = 86_400.0
OFF_S = 1.0
BACK_DEADLINE_S = 15.0

_TTY = re.compile(r"tty(USB|ACM)\d{1,3}")
_DEVICE = re.compile(r"\d{1,3}-\d{1,3}(\.\d{1,3}){0,6}")
_INTERFACE = re.compile(_DEVICE.pattern + r":\d{1,3}\.\d{1,3}")
_HUB = "09"


class RebindError(Exception):
    """What was asked for may not be done, or could not."""


@dataclass(frozen=True, slots=True)
class Roots:
    """Where things are; tests have a tree of their own. `state_dir` is this program's alone."""

    dev: Path = Path("/dev")
    sys: Path = Path("/sys")
    state_dir: Path = Path("/run/jaitf-edge-rebind-state")
    spool: Path = SPOOL


@dataclass(frozen=True, slots=True)
class Target:
    """What is bound anew: its name on the bus, the driver's folder in sysfs, and the port behind which it stands."""

    bus_name: str
    driver: Path
    tty: str


def find(name: str, roots: Roots) -> Target:
    """Return what stands behind a port's udev name. Raises RebindError for anything but a USB serial adapter's."""
    if not NAME.fullmatch(name):
        raise RebindError(f"{name!r} is no name of a port")
    link = next((path for folder in FOLDERS if (path := roots.dev / folder / name).is_symlink()), None)
    if link is None:
        raise RebindError(f"{name}: udev knows no such port: is it plugged in?")
    tty = Path(os.path.normpath(link.parent / link.readlink()))
    if tty.parent != roots.dev or not _TTY.fullmatch(tty.name):
        raise RebindError(f"{name}: {tty} is no USB serial port")
    devices = (roots.sys / "devices").resolve()
    port = (roots.sys / "class/tty" / tty.name / "device").resolve()
    if not port.is_relative_to(devices):
        raise RebindError(f"{tty.name}: not a device")
    above = [port, *port.parents]
    interface = next((path for path in above if (path / "bInterfaceNumber").exists()), None)
    device = next((path for path in above if (path / "busnum").exists() and (path / "devnum").exists()), None)
    if interface is None or device is None or interface.parent != device:
        raise RebindError(f"{tty.name}: not on USB")
    if not _DEVICE.fullmatch(device.name) or not _INTERFACE.fullmatch(interface.name):
        raise RebindError(f"{tty.name}: {device.name} is no USB device's name")
    if (device / "bDeviceClass").read_text().strip() == _HUB:
        raise RebindError(f"{device.name} is a hub: others hang on it")
    chosen = device if _ports(device) == {tty.name} else interface
    driver = (chosen / "driver").resolve()
    if driver.parent != (roots.sys / "bus/usb/drivers").resolve():
        raise RebindError(f"{chosen.name}: no USB driver has it")
    return Target(chosen.name, driver, tty.name)


def _ports(device: Path) -> set[str]:
    """Return the serial ports of a USB device."""
    return {path.name for shape in ("*:*/ttyUSB*", "*:*/tty/ttyACM*") for path in device.glob(shape)}


class Rebinder:
    """Binds adapters anew on one machine. Time is CLOCK_BOOTTIME in seconds: nobody sets it."""

    def __init__(
        self,
        roots: Roots,
        now: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._roots = roots
        self._now = now
        self._sleep = sleep
        roots.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)

    def rebind(self, name: str) -> Target:
        """Bind the adapter behind a port anew. Raises RebindError, OSError."""
        self.finish()
        target = find(name, self._roots)
        self._take_turn(target)
        write_whole(self._unfinished, json.dumps([target.bus_name, str(target.driver)]).encode(), mode=0o600)
        (target.driver / "unbind").write_text(target.bus_name)
        self._sleep(OFF_S)
        self.finish()
        log.warning("%s (%s, %s) was taken off its driver and bound again", name, target.tty, target.bus_name)
        self._await(name)
        return target

    def finish(self) -> None:
        """Give back what was taken off and not given back yet: by this program, or by one that was cut off."""
        try:
            bus_name, driver = json.loads(self._unfinished.read_bytes())
        except FileNotFoundError:
            return
        try:
            if not (Path(driver) / bus_name).exists():
                (Path(driver) / "bind").write_text(bus_name)
        finally:
            self._unfinished.unlink()

    def spool(self) -> bool:
        """Do what lies in the spool; return whether all of it could be done. What was asked is asked once."""
        well = True
        for path in sorted(self._roots.spool.iterdir())[:MAX_ASKED]:
            try:
                path.unlink()
                self.rebind(path.name)
            except (RebindError, OSError) as error:
                log.error("%s", error)
                well = False
        return well

    @property
    def _unfinished(self) -> Path:
        return self._roots.state_dir / "unfinished"

    def _take_turn(self, target: Target) -> None:
        """Note that an adapter has its turn. Raises RebindError where it had too many."""
        path, now = self._roots.state_dir / f"{target.bus_name}.turns", self._now()
        turns = json.loads(path.read_bytes()) if path.exists() else []
        turns = [at for at in turns if now - at < S_PER_DAY]
        if turns and now - turns[-1] < APART_S:
            raise RebindError(f"{target.bus_name}: had its turn {now - turns[-1]:.0f} s ago")
        if len(turns) >= MOST_A_DAY:
            raise RebindError(f"{target.bus_name}: had its {MOST_A_DAY} turns of this day: somebody must look at it")
        write_whole(path, json.dumps([*turns, now]).encode(), mode=0o600)

    def _await(self, name: str) -> None:
        deadline = self._now() + BACK_DEADLINE_S
        while not any((self._roots.dev / folder / name).exists() for folder in FOLDERS):
            if self._now() > deadline:
                raise RebindError(f"{name} did not come back: pull its plug")
            self._sleep(0.5)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked for; return the exit status."""
    parser = argparse.ArgumentParser(description="Bind a wedged USB serial adapter anew.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--spool", action="store_true", help=f"what the appliance asks for in {SPOOL}")
    what.add_argument("--finish", action="store_true", help="only give back what was taken off")
    what.add_argument("name", nargs="?", help="what udev calls the port")
    asked = parser.parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s: %(message)s")
    roots = Roots()
    rebinder = Rebinder(roots)
    lock = os.open(roots.state_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one at a time, by hand or not
        if asked.spool:
            return 0 if rebinder.spool() else 1
        if asked.finish:
            rebinder.finish()
        else:
            rebinder.rebind(asked.name)
    except (RebindError, OSError) as error:
        log.error("%s", error)
        return 1
    finally:
        os.close(lock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
