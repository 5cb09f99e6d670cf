"""The wire between a device's process and the core: a length-prefixed JSON header, then raw bytes. No pickle.

A frame is `JEW1`, header length, body length (both unsigned 32 bit, big endian), the header (UTF-8 JSON), the body. The
header's `parts` cuts the body into picture data and originals; of a picture that lies in the original as it is, the
header says where, and its part is empty. The core takes every byte of it for hostile: lengths are
capped before anything is kept, headers are validated, and what does not fit raises ProtocolError, after which the
process at the other end is not believed any more.
"""

from drivers.wire.messages import (
    MAGIC,
    MAX_BODY_BYTES,
    MAX_HEADER_BYTES,
    MAX_INTEGER,
    MAX_PARTS,
    MAX_RAW_BYTES,
    MAX_SIDE,
    PREFIX,
    Answer,
    Beat,
    FromCore,
    FromDevice,
    Hello,
    Offer,
    Order,
    OutputOrder,
    Start,
    State,
)
from drivers.wire.reading import Decoder
from drivers.wire.writing import encode

__all__ = [
    "MAGIC",
    "MAX_BODY_BYTES",
    "MAX_HEADER_BYTES",
    "MAX_INTEGER",
    "MAX_PARTS",
    "MAX_RAW_BYTES",
    "MAX_SIDE",
    "PREFIX",
    "Answer",
    "Beat",
    "Decoder",
    "FromCore",
    "FromDevice",
    "Hello",
    "Offer",
    "Order",
    "OutputOrder",
    "Start",
    "State",
    "encode",
]
