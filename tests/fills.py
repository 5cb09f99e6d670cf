"""A frame of an invented device, for the kinds that the document does not walk through: 0xA5, length, content, sum."""

CUT = '''
def cut(data: bytes) -> tuple[bytes | None, int]:
    """Return the frame with which `data` begins, and how many bytes are done with."""
    start = data.find(b"\\xa5")
    if start:
        return None, len(data) if start < 0 else start
    if len(data) < 3:
        return None, 0
    size = 3 + data[1] + 1
    if data[2] != data[1] ^ 0xFF:
        return None, 1
    if len(data) < size:
        return None, 0
    frame = data[:size]
    return (frame, size) if sum(frame[:-1]) % 256 == frame[-1] else (None, 1)
'''
FRAMED = """
def framed(content: bytes) -> bytes:
    frame = bytes([0xA5, len(content), len(content) ^ 0xFF]) + content
    return frame + bytes([sum(frame) % 256])
"""
READING_CODEC = (
    CUT
    + '''

def parse(message: bytes) -> Measured:
    """Return what one frame says."""
    if len(message) != 6 or cut(message) != (message, 6):
        raise ValueError("not a frame")
    return Measured(float(message[3]), "cps", message[4] == 1)
'''
)
READING_SAID = (
    FRAMED
    + '''

def said(number: int) -> bytes:
    """Return a message."""
    return framed(bytes([number, 0]))
'''
)
READING_EXAMPLES = """
EXAMPLES: list[tuple[bytes, Measured]] = [
    (bytes.fromhex("a5 02 fd 07 00 ab"), Measured(7.0, "cps")),
    (bytes.fromhex("a5 02 fd 09 01 ae"), Measured(9.0, "cps", True)),
]
"""
PICTURE_CODEC = (
    CUT
    + '''

def parse(message: bytes) -> Shot:
    """Return the picture of one frame."""
    if len(message) < 6 or cut(message) != (message, len(message)):
        raise ValueError("not a frame")
    rows, values = message[3], message[4:-1]
    if not rows or not values or len(values) % rows:
        raise ValueError("rows and values do not fit")
    return Shot(rows, len(values) // rows, 8, values)
'''
)
PICTURE_SAID = (
    FRAMED
    + '''

def said(number: int) -> bytes:
    """Return a picture of 6 by 8 pixels that has its number in each."""
    return framed(bytes([6, *[number] * 48]))
'''
)
PICTURE_EXAMPLES = """
EXAMPLES: list[tuple[bytes, Shot]] = [
    (bytes.fromhex("a5 03 fc 01 07 08 b4"), Shot(1, 2, 8, b"\\x07\\x08")),
    (bytes.fromhex("a5 03 fc 02 07 08 b5"), Shot(2, 1, 8, b"\\x07\\x08")),
]
"""
FILLS = {
    "tcp-frames": {
        "tests/test_codec.py": READING_EXAMPLES,
        "hall_gate/codec.py": READING_CODEC,
        "hall_gate/simulator.py": READING_SAID,
    },
    "pictures": {
        "tests/test_codec.py": PICTURE_EXAMPLES,
        "hall_gate/codec.py": PICTURE_CODEC,
        "hall_gate/simulator.py": PICTURE_SAID,
    },
}
