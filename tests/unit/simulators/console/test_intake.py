"""Strangers' bytes: what the schema allows is taken, all else is refused with a reason, and nothing is raised."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulators.console import intake
from simulators.console.intake import Arrival, Bad, Hit, Other, Said, Thumb
from simulators.console.topics import Topics
from tests.unit.simulators.console.appliance import encoded, hit, uuid7

TOPICS = Topics("jaitf")
UP = "jaitf/v1/lfw/edge-01/up"
SCHEMA = jsonschema.Draft202012Validator(json.loads(Path(__file__).with_name("hit.v1.schema.json").read_text()))


def read(rest: str, payload: object) -> Hit | Thumb | Said | Bad | Other:
    body = payload if isinstance(payload, bytes) else encoded(payload)
    return intake.read(TOPICS, Arrival(f"{UP}/{rest}", body, 1_800_000_000_000))


def reason(rest: str, payload: object) -> str:
    result = read(rest, payload)
    assert isinstance(result, Bad), result
    return result.reason


def test_a_hit_keeps_its_bytes() -> None:
    payload = b" " + encoded(hit(7)) + b"\n"
    result = read("hit/xray-1", payload)
    assert isinstance(result, Hit)
    assert result.payload == payload
    assert result.data.seq == 7
    assert result.observed_ms == 1795253407000


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"{", "JSON"),
        (b"[" * 8000, "JSON"),
        (b"[]", "object"),
        (encoded(hit(1)).replace(b"0.93", b"NaN"), "data.score"),
        (encoded(hit(1, severity="urgent")), "data.severity"),
        (encoded(hit(1, rev="0")), "data.rev"),
        (encoded(hit(1, threats=[])), "data.threats"),
        (encoded(hit(1, observed_at="2026-02-30T00:00:00.000Z")), "no such time"),
        (encoded(hit(1, site="cdg")), "another's topic"),
        (encoded(hit(1, rev=2**40)), "beyond any count"),
        (encoded(hit(1, note="x" * 8192)), "8192 are allowed"),
        (encoded(hit(1)).replace(b"organic", rb"\ud800"), "JSON"),
    ],
)
def test_a_bad_hit_is_refused_with_its_reason(payload: bytes, why: str) -> None:
    assert why in reason("hit/xray-1", payload)


@pytest.mark.parametrize(
    ("rest", "payload", "why"),
    [
        ("thumb/no-hit", b"\xff\xd8\xff", "no hit"),
        (f"thumb/{uuid7(1)}", b"GIF89a", "not a JPEG"),
        (f"thumb/{uuid7(1)}", b"\xff\xd8\xff" + bytes(64 * 1024), "65536 are allowed"),
        ("state", {"state": "asleep", "session": "s", "at": "2026-11-21T09:30:12.481Z"}, "state"),
        ("birth", {"seq_start": 1}, "ledger_id"),
        ("health", b"7", "object"),
        ("hit/..", b"{}", "no topic"),
        ("hit", b"{}", "no topic"),
        ("hat/xray-1", b"{}", "no topic"),
    ],
)
def test_other_bad_messages(rest: str, payload: object, why: str) -> None:
    assert why in reason(rest, payload)


def test_what_is_not_kept_is_no_fault() -> None:
    assert isinstance(read("reading/k9-1", b"\x00"), Other)


FIELDS: list[tuple[str, ...]] = [
    *((key,) for key in hit(1)),
    *(("data", key) for key in hit(1)["data"]),
    *(("data", "threats", 0, key) for key in ("label", "category", "score", "box", "zone", "measurement")),  # type: ignore[list-item]
    ("data", "clock", "quality"),
    ("data", "clock", "offset_ms"),
    ("data", "item", "scan_id"),
    ("data", "model", "sha256"),
    ("data", "evidence", "bytes"),
]
ABSENT = object()
VALUES = st.one_of(
    st.sampled_from(
        [
            *(ABSENT, None, True, 0, 1, 1.0, 1.5, -1, "", "x", "1.0", "é", [], [1, 2, 3, 4], [1, 2, 3], {}),
            *({"scan_id": 1}, {"name": "n", "value": 1, "unit": ""}, {"quality": "synced"}, "critical", "post", "/x"),
            *([{"label": "a", "category": "PI"}], [{"label": 1, "category": "PI"}], "2026-11-21T09:30:12.481Z"),
            *({"name": None, "version": None, "sha256": None}, {"sha256": "", "media_type": 1, "bytes": None}),
            *("EXPLOSIVE", "alarm"),
        ]
    ),
    st.integers(-5, 2**33),
    st.floats(-2, 2),
    st.text(max_size=5),
)


def _set(event: dict[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    place: Any = event
    for key in path[:-1]:
        place = place[key]
    if value is ABSENT:
        place.pop(path[-1], None)
    else:
        place[path[-1]] = value
    return event


@given(st.sampled_from(FIELDS), VALUES)
@example(("data", "rev"), 1.0)
@example(("data", "threats", 0, "zone"), "left ankle")
@example(("data", "threats", 0, "measurement"), {"name": "counts", "value": True, "unit": "cps"})
@example(("data", "model"), None)
@example(("data", "evidence"), None)
@example(("data", "clock", "offset_ms"), None)
def test_it_takes_what_the_schema_takes_and_nothing_else(path: tuple[str, ...], value: object) -> None:
    event = _set(hit(1), path, value)
    topic_of_body = event["data"] if isinstance(event.get("data"), dict) else {}
    names = [topic_of_body.get(key) for key in ("site", "edge", "device")]
    valid = SCHEMA.is_valid(event)
    if valid and topic_of_body["rev"] >= 2**31:
        return  # the schema sets no limit, a count of revisions has one
    place = "/".join(str(name) for name in names) if valid else "lfw/edge-01/xray-1"
    site, edge, device = place.split("/")
    if valid and any(len(name) > 63 for name in (site, edge, device)):
        return
    result = intake.read(TOPICS, Arrival(f"jaitf/v1/{site}/{edge}/up/hit/{device}", encoded(event), 0))
    if isinstance(result, Bad) and "no such time" in result.reason:
        return  # the schema's pattern knows no calendar
    assert isinstance(result, Hit) == valid, result


@given(
    st.sampled_from(["hit/xray-1", f"thumb/{uuid7(1)}", "state", "birth", "device/xray-1", "verdict/xray-1", "health"]),
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_nothing_is_ever_raised(rest: str, payload: bytes) -> None:
    assert read(rest, payload) is not None


@given(st.data())
def test_a_hit_with_a_byte_changed_is_taken_or_refused(data: st.DataObject) -> None:
    payload = bytearray(encoded(hit(1)))
    at = data.draw(st.integers(0, len(payload) - 1))
    payload[at] = data.draw(st.integers(0, 255))
    assert isinstance(read("hit/xray-1", bytes(payload)), Hit | Bad)
