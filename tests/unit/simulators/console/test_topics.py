import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.console.topics import Origin, Topics

TOPICS = Topics("jaitf")


@pytest.mark.parametrize(
    ("topic", "origin"),
    [
        ("jaitf/v1/lfw/edge-01/up/hit/xray-1", Origin("lfw", "edge-01", "hit", "xray-1")),
        ("jaitf/v1/lfw/edge-01/up/state", Origin("lfw", "edge-01", "state", "")),
        ("jaitf/v1/lfw/edge-01/up/evidence/a/7", Origin("lfw", "edge-01", "evidence", "a/7")),
        ("jaitf/v1/lfw/edge-01/down/receipt", None),
        ("jaitf/v1/LFW/edge-01/up/state", None),
        ("jaitf/v1/lfw/edge-01/up", None),
        ("jaitf/v1/lfw/../up/state", None),
        ("jaitf/v2/lfw/edge-01/up/state", None),
        ("other/v1/lfw/edge-01/up/state", None),
        ("", None),
    ],
)
def test_who_speaks(topic: str, origin: Origin | None) -> None:
    assert TOPICS.origin(topic) == origin


def test_a_root_may_have_levels() -> None:
    topics = Topics("customs/jaitf")
    assert topics.everything == "customs/jaitf/v1/+/+/up/#"
    assert topics.origin("customs/jaitf/v1/lfw/edge-01/up/state") == Origin("lfw", "edge-01", "state", "")
    assert topics.receipt("lfw", "edge-01") == "customs/jaitf/v1/lfw/edge-01/down/receipt"


@given(st.text())
def test_no_topic_leads_a_receipt_astray(tail: str) -> None:
    origin = TOPICS.origin(f"jaitf/v1/{tail}")
    if origin is not None:
        assert not set("+#/ \n") & set(origin.site + origin.edge)
