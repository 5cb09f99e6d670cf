"""What an EPC means where it is one of GS1's (EPC Tag Data Standard); anything else on a tag stays what it is, hex."""

from __future__ import annotations

from functools import lru_cache

from epcpy import ConvertException, hex_to_tag_encodable

#: A lane has its own people's tags and the bags of some minutes; what is decoded once need not be again.
REMEMBERED = 2048


@lru_cache(REMEMBERED)
def uri_of(epc: str) -> str | None:
    """Return the pure identity URI (urn:epc:id:...) of an EPC in hex, None where it is no code of GS1."""
    try:
        uri = hex_to_tag_encodable(epc).epc_uri
    except (ConvertException, ValueError):  # the latter where a code is cut short
        return None
    return uri if isinstance(uri, str) and len(uri) <= 128 else None
