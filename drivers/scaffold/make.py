"""Writes a new driver's folder from templates; see docs/how-to/new-driver.md for the way from there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from drivers.errors import ConfigError
from drivers.scaffold import Like

TEMPLATES = Path(__file__).with_name("templates")
SUFFIX = ".tmpl"
MAX_NAME = 24
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LEFT = re.compile(r"@@\w+@@")


@dataclass(frozen=True, slots=True)
class _Kind:
    """Which folders of templates make a kind, later ones over earlier; and what stands in them."""

    folders: tuple[str, ...]
    wires: str = "Wire.TCP,"
    url: str = "tcp://10.0.0.9:4001"
    pictures: bool = False
    cuts: bool = True


_KINDS = {
    Like.SERIAL_LINES: _Kind(
        ("common", "readings", "serial-lines"),
        wires="Wire.TCP, Wire.PTY",
        url="serial:///dev/serial/by-id/usb-NAME?baud=9600",
        cuts=False,
    ),
    Like.TCP_FRAMES: _Kind(("common", "readings", "tcp-frames")),
    Like.PICTURES: _Kind(("common", "pictures"), pictures=True),
    Like.MODBUS_PROFILE: _Kind(("modbus-profile",)),
}
_STEPS = {
    "@@STEP_CUT@@": "Step 2: write codec.cut: where a frame begins and ends, and that its checksum holds",
    "@@STEP_PARSE@@": "Step 3: write codec.parse: what a whole message means, ValueError for any other",
    "@@STEP_SAID@@": "Step 5: write simulator.said: the message of this number, as the device sends it",
}


def make(name: str, like: Like, out: Path, taken: frozenset[str] = frozenset()) -> list[Path]:
    """Write the folder `out`, which must not be there, and return its files.

    Raises ConfigError for a name that a driver cannot have or that is `taken`, and where the folder cannot be made.
    """
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise ConfigError(f"{name!r} is no driver's name: lower-case words of letters and digits, parted by '-'")
    if name in taken:
        raise ConfigError(f"a driver is called {name!r} already")
    files = _files(name, like)
    try:
        out.mkdir(parents=True)
        for path, text in files.items():
            target = out / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    except FileExistsError:
        raise ConfigError(f"{out}: is there already; a new driver takes a new folder") from None
    except OSError as error:
        raise ConfigError(f"{out}: {error.strerror}") from None
    return [out / path for path in files]


def _files(name: str, like: Like) -> dict[Path, str]:
    kind = _KINDS[like]
    module = name.replace("-", "_")
    model = 'model = "baggage"\n' if kind.pictures else ""
    words = _STEPS | {
        "@@MESSAGES@@\n": _part("messages") if kind.cuts else "",
        "@@TEST_CUT@@": _part("test_cut") if kind.cuts else "",
        "@@EXAMPLE@@": f'driver = "{name}"\n{model}[settings]\nurl = "{kind.url}"\n',
        "@@WIRES@@": kind.wires,
        "@@PICTURES@@": str(kind.pictures),
        "@@CLASS@@": "".join(word.capitalize() for word in name.split("-")),
        "@@MODULE@@": module,
        "@@NAME@@": name,
    }
    made: dict[Path, str] = {}
    for folder in kind.folders:
        for path in sorted((TEMPLATES / folder).rglob(f"*{SUFFIX}")):
            place = str(path.relative_to(TEMPLATES / folder)).removesuffix(SUFFIX)
            text = path.read_text(encoding="utf-8")
            for token, word in words.items():
                text = text.replace(token, word)
            assert not _LEFT.search(text), (path, _LEFT.search(text))
            made[Path(place.replace("MODULE", module).replace("NAME", name))] = text
    return made


def _part(name: str) -> str:
    return (TEMPLATES / f"{name}.part").read_text(encoding="utf-8")
