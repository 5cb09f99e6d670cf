"""What comes down from the console, beyond what its documents say of it."""

from edge.down import Receipt

HIT_ID = "01a1ff22-e56b-72a5-bc54-449daed0b32c"


def test_of_a_receipts_texts_none_is_kept():
    """Each hit has a name of its own: pydantic by itself would keep some sixteen thousand of them."""
    one, other = (Receipt.model_validate_json(f'{{"hit_id":"{HIT_ID}","rev":0}}') for _ in range(2))
    assert one.hit_id == other.hit_id == HIT_ID
    assert one.hit_id is not other.hit_id
