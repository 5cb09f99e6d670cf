"""The beginning of a driver that somebody else writes: a package whose failing tests say what to write next."""

from __future__ import annotations

from enum import StrEnum


class Like(StrEnum):
    """What the new driver's device is like."""

    SERIAL_LINES = "serial-lines"
    MODBUS_PROFILE = "modbus-profile"
    TCP_FRAMES = "tcp-frames"
    PICTURES = "pictures"
