"""What a device itself says of the item: the bag tag's licence plate."""

from __future__ import annotations

from drivers.contract import ItemHint

#: OOI ID Types under which an ID of ten digits is a bag tag's licence plate (IATA Resolution 740).
TAG_ID_TYPES = {"BARCODE", "RFID", "TEXT"}
TAG_DIGITS = 10


def bag_tag(hint: ItemHint) -> str | None:
    """Return the licence plate that a device read: exactly ten digits, for a partial read is no read."""
    if hint.id is None or hint.id_type not in TAG_ID_TYPES:
        return None
    text = hint.id.strip()
    return text if len(text) == TAG_DIGITS and text.isascii() and text.isdigit() else None
