"""What a serial line does to bytes when both sides are not set to the same speed: bit by bit, as a UART samples them.

A character is a start bit (0), eight data bits, the lowest first, and a stop bit (1); the line rests at 1.
"""

from __future__ import annotations

import termios

_SPEEDS = {getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdigit()}


def heard(data: bytes, sent_baud: int, heard_baud: int) -> bytes:
    """Return what a receiver set to `heard_baud` makes of characters that were sent back to back at `sent_baud`."""
    if sent_baud == heard_baud or not data:
        return data
    line = [bit for byte in data for bit in (0, *(byte >> n & 1 for n in range(8)), 1)]

    def level(seconds: float) -> int:
        at = int(seconds * sent_baud)
        return line[at] if at < len(line) else 1

    made = bytearray()
    edge, end = 0, len(line)
    while edge < end:
        if line[edge] != 0 or (edge and line[edge - 1] == 0):
            edge += 1
            continue
        start = edge / sent_baud
        bits = [level(start + (n + 0.5) / heard_baud) for n in range(10)]
        if bits[0] == 0:
            made.append(sum(bit << n for n, bit in enumerate(bits[1:9])))
        edge = max(int((start + 9.5 / heard_baud) * sent_baud), edge + 1)
    return bytes(made)


def speed_of(terminal: int) -> int:
    """Return the speed that a terminal is set to; of a pseudo-terminal's master, that of its other end."""
    return _SPEEDS.get(termios.tcgetattr(terminal)[4], 0)
