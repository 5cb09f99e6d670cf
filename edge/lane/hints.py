"""The lane: which item is this? Ties what a device saw to the object of inspection."""

from __future__ import annotations

import uuid

from drivers.contract import ItemHint, Observation, Scan
from edge.nouns import Item

#: OOI ID Types under which an ID of ten digits is a bag tag's licence plate (IATA Resolution 740).
TAG_ID_TYPES = {"BARCODE", "RFID", "TEXT"}
TAG_DIGITS = 10


def bag_tag(hint: ItemHint) -> str | None:
    """Return the licence plate that a device read: exactly ten digits, for a partial read is no read."""
    if hint.id is None or hint.id_type not in TAG_ID_TYPES:
        return None
    text = hint.id.strip()
    return text if len(text) == TAG_DIGITS and text.isascii() and text.isdigit() else None


def item_of(observation: Observation) -> Item:
    """Return the item that an observation is of; one without a Scan Instance UID gets a UUID of the lane's."""
    scan_id = observation.scan_id if isinstance(observation, Scan) else None
    hint = observation.item
    return Item(scan_id or str(uuid.uuid4()), bag_tag(hint), hint.type)
