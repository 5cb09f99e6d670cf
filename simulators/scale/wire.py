"""The protocols of simulated scales, written apart from the appliance's driver: MT-SICS, Toledo continuous, NCI."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from simulators.scale.model import Load

SERIAL_NUMBER = "SIM0000001"

#: Takes what came so far and what lies on the scale; returns how many bytes were used up, and the answer.
Answerer = Callable[[bytes, Load], tuple[int, bytes]]


def sics(data: bytes, load: Load) -> tuple[int, bytes]:
    """Answer the first line of MT-SICS in `data`: SI, S, I4; ES to others."""
    line, end, _ = data.partition(b"\r\n")
    if not end:
        return 0, b""
    used = len(line) + 2
    if line == b"I4":
        return used, f'I4 A "{SERIAL_NUMBER}"\r\n'.encode()
    if line not in (b"SI", b"S"):
        return used, b"ES\r\n"
    if load.over:
        return used, b"S +\r\n"
    if line == b"S" and load.moving:
        return used, b"S I\r\n"
    return used, f"S {'D' if load.moving else 'S'} {load.kg:>10.2f} kg\r\n".encode()


def nci(data: bytes, load: Load) -> tuple[int, bytes]:
    """Answer the first command of NCI in `data`: W, S; a question mark to others."""
    command, end, _ = data.partition(b"\r")
    if not end:
        return 0, b""
    used = len(command) + 1
    one = 0x30 | load.moving | (load.kg == 0) << 1
    two = 0x30 | load.over << 1
    status = b"\n" + bytes([one, two]) + b"\r\x03"
    if command == b"W":
        shown = b"\n" + (b"------" if load.over else f"{load.kg:7.2f}kg".encode()) + b"\r"
        return used, shown + status
    return used, status if command == b"S" else b"\n?\r\x03"


def toledo(load: Load, tare: Decimal = Decimal(0)) -> bytes:
    """Return one frame of the continuous output: kilograms, two decimals, with checksum."""
    a = 0b0101100  # two decimals, steps of 1
    b = 0b0110000 | load.moving << 3 | load.over << 2 | (tare > 0)
    digits = f"{int(load.kg * 100):06d}{int(tare * 100):06d}".encode()
    frame = b"\x02" + bytes([a, b, 0x20]) + digits + b"\r"
    return frame + bytes([-sum(frame) & 0x7F])
