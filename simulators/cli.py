"""`jaitf-sim DEVICE`: one simulated device on its real wire.

Devices are a table of names and modules; a module is imported only when its device is asked for, and gives a Typer
application as `app`. Another device joins by one line here.
"""

from __future__ import annotations

import sys
from importlib import import_module

DEVICES = {
    "collar": ("simulators.collar.cli", "a dog's collar: its place over NMEA 0183, on a line"),
    "bodyscanner": (
        "simulators.bodyscanner.cli",
        "a body scanner: reports on persons by zones over DICOS, or relay contacts; no pictures",
    ),
    "codereader": (
        "simulators.codereader.cli",
        "a code reader: bag tags, boarding passes, parcels, documents; line or HID",
    ),
    "fleet": ("simulators.fleet.cli", "no device: many appliances on one broker, with their hits"),
    "lane": ("simulators.lane.cli", "several of the devices here in one process, each on its own port"),
    "lamp": ("simulators.lamp.cli", "a relay board with lamps on a line: says what it shows"),
    "modbus": ("simulators.modbus.cli", "a Modbus device over TCP, TLS or RTU: counter, radiation portal, contacts"),
    "linescan": ("simulators.linescan.cli", "an X-ray line detector over a belt with bags: raw dual-energy lines"),
    "rpm": (
        "simulators.rpm.cli",
        "a radiation portal (VM-250): passages, gamma and neutron alarms, faults",
    ),
    "scale": ("simulators.scale.cli", "a scale: parcels come, rest and go; MT-SICS, Toledo continuous or NCI"),
    "screen": ("simulators.screen.cli", "an operator's screen with bags scrolling through it: RTSP, or a video file"),
    "tagreader": ("simulators.tagreader.cli", "a UHF tag reader: bags, a canine team and its button; LLRP or serial"),
    "tip": ("simulators.xray.tip_command", "no device: puts a simulated threat into a picture of an ordinary bag"),
    "xray": (
        "simulators.xray.command",
        "an X-ray scanner that stores its scans over DICOS, or writes them into a folder",
    ),
}

#: Drivers whose simulated device has another name than they.
BY_DRIVER = {
    "dicos": "xray",
    "folder": "xray",
    "llrp": "tagreader",
    "nmea": "collar",
    "rpm-ascii": "rpm",
    "uhf-serial": "tagreader",
}

_USAGE = """Usage: jaitf-sim DEVICE [OPTIONS]

One simulated device on its real wire. What it says is simulated, and says so.

Devices:
{devices}

Example: jaitf-sim xray --to 127.0.0.1:11112 --every-s 2
Help for one: jaitf-sim DEVICE --help
"""


def usage() -> str:
    """Return the help text: how to call, and the devices there are."""
    width = max(map(len, DEVICES))
    lines = [f"  {name.ljust(width)}  {what}" for name, (_, what) in sorted(DEVICES.items())]
    return _USAGE.format(devices="\n".join(lines))


def main(arguments: list[str] | None = None) -> None:
    """Run one device's command; exit 2 where there is no such device."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(usage())
        raise SystemExit(0 if arguments else 2)
    name, rest = arguments[0], arguments[1:]
    if name not in DEVICES:
        meant = f"; that driver's is: jaitf-sim {BY_DRIVER[name]}" if name in BY_DRIVER else ""
        sys.stderr.write(f"jaitf-sim: there is no device {name!r}{meant}\n\n{usage()}")
        raise SystemExit(2)
    import_module(DEVICES[name][0]).app(args=rest, prog_name=f"jaitf-sim {name}")


if __name__ == "__main__":
    main()
