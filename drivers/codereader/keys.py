"""What a HID scanner types: evdev records (linux/input.h, struct input_event) to characters, by keyboard layout.

A scanner types as if it were a keyboard of the country that it is set to; the layout here must be the same. Some hold
Alt and type a character's number on the keypad instead, which no layout changes; control characters come with Ctrl.
Only ASCII is known: a code with anything else is none of those that are looked for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from drivers.errors import ProtocolError

#: struct input_event of this machine: two longs of time, type, code, value.
RECORD = struct.Struct("@llHHi")
_EV_SYN, _EV_KEY = 0, 1
_SYN_DROPPED = 3
_EV_MAX, _KEY_MAX = 0x1F, 0x2FF
_PRESSED = 1
_SHIFTS, _CONTROLS, _ALT, _ALT_GR = frozenset({42, 54}), frozenset({29, 97}), 56, 100
_MODIFIERS = _SHIFTS | _CONTROLS | {_ALT, _ALT_GR}
#: Caps lock, num lock, the Windows keys: they type nothing.
_SILENT = frozenset({58, 69, 125, 126})
#: What no layout makes printable; a code that has it is damaged.
UNKNOWN = "\0"
_BUTTONS = (
    {f"KEY_F{n}": 58 + n for n in range(1, 11)}
    | {f"KEY_F{n}": 76 + n for n in (11, 12)}
    | {f"KEY_F{n}": 170 + n for n in range(13, 25)}
    | {"KEY_ESC": 1, "KEY_BACKSPACE": 14, "KEY_TAB": 15, "KEY_ENTER": 28, "KEY_B": 48, "KEY_DOT": 52, "KEY_SPACE": 57}
    | {"KEY_KPENTER": 96, "KEY_HOME": 102, "KEY_UP": 103, "KEY_PAGEUP": 104, "KEY_LEFT": 105, "KEY_RIGHT": 106}
    | {"KEY_END": 107, "KEY_DOWN": 108, "KEY_PAGEDOWN": 109, "KEY_INSERT": 110, "KEY_DELETE": 111, "KEY_MUTE": 113}
    | {"KEY_VOLUMEDOWN": 114, "KEY_VOLUMEUP": 115, "KEY_POWER": 116, "KEY_PAUSE": 119, "KEY_NEXTSONG": 163}
    | {"KEY_PLAYPAUSE": 164, "KEY_PREVIOUSSONG": 165, "KEY_CAMERA": 212}
    | {f"BTN_{n}": 0x100 + n for n in range(10)}
    | {"BTN_LEFT": 0x110, "BTN_RIGHT": 0x111, "BTN_MIDDLE": 0x112}
)

#: The keys that type, in the order of a layout's rows: digits, upper, home and lower letters, space, 102nd key.
_PLACES = (41, *range(2, 14), *range(16, 28), *range(30, 41), 43, *range(44, 54), 57, 86)
_KEYPAD = dict(zip((71, 72, 73, 75, 76, 77, 79, 80, 81, 82, 55, 74, 78, 83, 98), "7894561230*-+./", strict=True))
_ENDS = {28: "\r", 96: "\r", 15: "\t"}


class Layout(StrEnum):
    """The keyboard that a scanner pretends to be."""

    US = "us"
    FR = "fr"
    ES = "es"
    PT = "pt"


#: Plain and with shift (a middle dot stands where no ASCII character is), and what AltGr adds, by key.
_LAYOUTS: dict[Layout, tuple[str, str, dict[int, str]]] = {
    Layout.US: (
        "`1234567890-=qwertyuiop[]asdfghjkl;'\\zxcvbnm,./ <",
        '~!@#$%^&*()_+QWERTYUIOP{}ASDFGHJKL:"|ZXCVBNM<>? >',
        {},
    ),
    Layout.FR: (
        "·&·\"'(-·_··)=azertyuiop^$qsdfghjklm·*wxcvbn,;:! <",
        "~1234567890·+AZERTYUIOP··QSDFGHJKLM%·WXCVBN?./· >",
        dict(zip(range(3, 14), "~#{[|`\\^@]}", strict=True)),
    ),
    Layout.ES: (
        "·1234567890'·qwertyuiop`+asdfghjkl···zxcvbnm,.- <",
        '·!"·$%&/()=?·QWERTYUIOP^*ASDFGHJKL···ZXCVBNM;:_ >',
        {41: "\\", 2: "|", 3: "@", 4: "#", 26: "[", 27: "]", 40: "{", 43: "}"},
    ),
    Layout.PT: (
        "\\1234567890'·qwertyuiop+·asdfghjkl··~zxcvbnm,.- <",
        '|!"#$%&/()=?·QWERTYUIOP*`ASDFGHJKL··^ZXCVBNM;:_ >',
        {3: "@", 8: "{", 9: "[", 10: "]", 11: "}"},
    ),
}


def code_of(name: str | int) -> int:
    """Return a key's code by its name in linux/input-event-codes.h, or as it is; raises ValueError."""
    if isinstance(name, int):
        if not 1 <= name <= _KEY_MAX:
            raise ValueError(f"a key's code is 1 to {_KEY_MAX}, not {name}")
        if name in _MODIFIERS | _SILENT:
            raise ValueError(f"key {name} (shift, Ctrl, Alt, a lock) changes other keys and is no button")
        return name
    if name not in _BUTTONS:
        raise ValueError(f"{name!r} is no key known by name ({', '.join(list(_BUTTONS)[:3])}, ...); give its code")
    return _BUTTONS[name]


def characters(layout: Layout) -> list[dict[int, str]]:
    """Return key code to character: plain, with shift, with AltGr."""
    plain, shifted, alt_gr = _LAYOUTS[layout]
    rows = [{place: text for place, text in zip(_PLACES, row, strict=True) if text != "·"} for row in (plain, shifted)]
    return [row | _KEYPAD | _ENDS for row in (*rows, alt_gr)]


@dataclass(frozen=True, slots=True)
class Press:
    """A key that went down: its code, and what it types (`UNKNOWN` where the layout has nothing there)."""

    code: int
    text: str


class KeyDecoder:
    """Turns records into presses; pure. What the kernel had to drop makes the code at hand unreadable."""

    def __init__(self, layout: Layout) -> None:
        self._levels = characters(layout)
        self._held: set[int] = set()
        self._number = ""
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Press]:
        """Take bytes and yield the keys that went down, repeats left out; a number typed with Alt is one of Alt's.

        Raises ProtocolError where the bytes are no input records: then the file is no input device's.
        """
        self._buffer += data
        while len(self._buffer) >= RECORD.size:
            _, _, kind, code, value = RECORD.unpack_from(self._buffer)
            del self._buffer[: RECORD.size]
            if kind > _EV_MAX or code > _KEY_MAX or (kind == _EV_KEY and value not in (0, 1, 2)):
                self._buffer.clear()
                raise ProtocolError("bytes came that are no input records; is it an input device?")
            if kind == _EV_SYN and code == _SYN_DROPPED:
                self._held.clear()
                self._number = ""
                yield Press(0, UNKNOWN)
            elif kind == _EV_KEY and code in _MODIFIERS:
                (self._held.add if value else self._held.discard)(code)
                if code == _ALT and not value and self._number:
                    yield Press(_ALT, _character(self._number))
                self._number = ""
            elif kind == _EV_KEY and value == _PRESSED and code not in _SILENT:
                yield from self._key(code)

    def _key(self, code: int) -> Iterator[Press]:
        if _ALT in self._held and _KEYPAD.get(code, "").isdigit():
            self._number += _KEYPAD[code]
            return
        level = 2 if _ALT_GR in self._held else 1 if self._held & _SHIFTS else 0
        text = self._levels[level].get(code, UNKNOWN)
        if self._held & _CONTROLS:
            upper = text.upper()
            text = chr(ord(upper) - 0x40) if "@" <= upper <= "_" else UNKNOWN
        yield Press(code, text)


def _character(number: str) -> str:
    return chr(int(number)) if len(number) <= 4 and int(number) < 0x80 else UNKNOWN
