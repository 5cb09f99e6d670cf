"""The wire between a device's process and the core, taken for hostile: what fits comes through, nothing else does."""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import wire
from drivers.clock import Stamp
from drivers.contract import (
    Category,
    DeviceState,
    Energy,
    Finding,
    Identity,
    IdKind,
    ItemHint,
    Measurement,
    Outcome,
    Picture,
    Polarity,
    Reading,
    Scan,
    Severity,
    Verdict,
    VerdictThreat,
)
from drivers.errors import ProtocolError

texts = st.text(st.characters(codec="utf-8"), max_size=40)
numbers = st.integers(0, 2**40)
integers = st.integers(-wire.MAX_INTEGER, wire.MAX_INTEGER)
floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.booleans() | integers | floats | texts
stamps = st.builds(Stamp, st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
hints = st.builds(ItemHint, st.none() | texts, st.none() | texts, st.none() | texts)
millimetres = st.floats(0.001, 100)


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    rows, columns = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    channels, bits = draw(st.sampled_from([1, 3])), draw(st.integers(1, 16))
    size = rows * columns * channels * (1 if bits <= 8 else 2)
    data = draw(st.binary(min_size=size, max_size=size))
    return Picture(
        view=draw(st.integers(0, 15)),
        energy=draw(st.sampled_from(Energy)),
        rows=rows,
        columns=columns,
        channels=channels,
        bits=bits,
        data=memoryview(data) if draw(st.booleans()) else data,
        polarity=draw(st.sampled_from(Polarity)),
        logarithmic=draw(st.booleans()),
        pixel_mm=draw(st.none() | st.tuples(millimetres, millimetres)),
    )


def lying_in(original: bytes, picture: Picture, offset: int) -> Picture:
    """The picture as a view of its file, where that is long enough."""
    end = offset + len(picture.data)
    return replace(picture, data=memoryview(original)[offset:end], offset=offset) if end <= len(original) else picture


@st.composite
def scans(draw: st.DrawFn) -> Scan:
    original = draw(st.binary(max_size=150))
    views = tuple(
        lying_in(original, picture, draw(st.integers(0, 100))) if draw(st.booleans()) else picture
        for picture in draw(st.lists(pictures(), max_size=3))
    )
    return Scan(
        at=draw(stamps),
        key=draw(texts),
        original=original,
        media_type=draw(texts),
        name=draw(texts),
        pictures=views,
        scan_id=draw(st.none() | texts),
        item=draw(hints),
        problem=draw((st.none() | texts) if views else texts),
        scan_type=draw(texts),
        tip_type=draw(st.none() | texts),
        answer_repeats=draw(st.booleans()),
        incomplete=draw(st.none() | texts),
    )


findings = st.builds(
    Finding,
    texts,
    st.builds(Measurement, texts, scalars, texts),
    st.sampled_from(Category),
    st.sampled_from(Severity),
    st.none() | texts,
)
identities = st.builds(
    Identity, st.sampled_from(IdKind), st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
)
readings = st.builds(
    Reading,
    stamps,
    st.dictionaries(
        texts, st.recursive(scalars | st.none(), lambda inner: st.lists(inner, max_size=3), max_leaves=5), max_size=4
    ),
    st.lists(findings, max_size=3).map(tuple),
    st.binary(max_size=100),
    hints,
    st.booleans(),
    st.lists(identities, max_size=3).map(tuple),
    texts,
    st.none() | texts,
)
real = st.floats(-1e6, 1e6)
verdicts = st.builds(
    Verdict,
    st.sampled_from(["alarm", "clear", "unknown"]),
    texts,
    *(numbers, numbers, texts, texts, texts, texts, texts, texts),
    reason=st.none() | texts,
    hit_id=st.none() | texts,
    threshold=st.none() | real,
    threats=st.lists(
        st.builds(
            VerdictThreat,
            texts,
            st.sampled_from(Category),
            st.none() | real,
            st.none() | st.tuples(real, real, real, real),
            numbers,
            st.none() | texts,
        ),
        max_size=3,
    ).map(tuple),
)
messages = st.one_of(
    st.builds(wire.Hello, driver=texts, version=texts),
    st.builds(wire.Beat, progress=numbers, deadline_s=st.none() | st.floats(0.1, 86_400)),
    st.builds(
        wire.State,
        state=st.sampled_from(DeviceState),
        reason=texts,
        code=texts,
        facts=st.dictionaries(texts, scalars, max_size=3),
    ),
    st.builds(wire.Offer, number=numbers, observation=scans() | readings),
    st.builds(wire.Answer, number=numbers, outcome=st.sampled_from(Outcome), verdict=st.none() | verdicts),
    st.builds(
        wire.Start,
        device=texts,
        driver=texts,
        settings=st.dictionaries(texts, scalars, max_size=3),
        state_dir=texts,
        window=st.integers(1, 4096),
    ),
)


def on_the_wire(*sent: Any) -> bytes:
    return b"".join(bytes(part) for message in sent for part in wire.encode(message))


def received(data: bytes) -> list[Any]:
    return list(wire.Decoder().feed(data))


@given(st.lists(messages, max_size=3))
def test_every_message_comes_through_as_it_was(sent: list[Any]) -> None:
    got = received(on_the_wire(*sent))
    assert got == sent
    # Equal is not enough: True == 1, and a picture's bytes must be bytes of its own.
    assert [on_the_wire(message) for message in got] == [on_the_wire(message) for message in sent]


@given(st.lists(messages, min_size=1, max_size=3), st.lists(st.integers(0, 10_000), max_size=20))
def test_it_does_not_matter_where_the_stream_is_cut(sent: list[Any], cuts: list[int]) -> None:
    data = on_the_wire(*sent)
    decoder, got, last = wire.Decoder(), [], 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        got += decoder.feed(data[last:cut])
        last = cut
    assert got == sent


@given(messages, st.integers(1, 10_000))
def test_a_stream_that_ends_early_gives_nothing_and_hurts_nobody(message: Any, missing: int) -> None:
    data = on_the_wire(message)
    assert received(data[: len(data) - (missing % len(data)) - (missing % len(data) == 0)]) == []


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_garbage_is_a_protocol_error_and_nothing_else(data: bytes) -> None:
    try:
        got = received(data)
    except ProtocolError:
        return
    assert got == []
    assert len(data) < wire.PREFIX.size or data[:4] == wire.MAGIC


@settings(max_examples=300)
@given(messages, st.lists(st.tuples(numbers, st.integers(0, 255)), min_size=1, max_size=5))
def test_damaged_frames_are_messages_or_protocol_errors(message: Any, damage: list[tuple[int, int]]) -> None:
    data = bytearray(on_the_wire(message))
    for at, value in damage:
        data[at % len(data)] = value
    with contextlib.suppress(ProtocolError):
        received(bytes(data))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300)
@given(scans() | readings, st.data())
def test_a_header_with_another_value_is_a_message_or_a_protocol_error(observation: Any, data: st.DataObject) -> None:
    sent = on_the_wire(wire.Offer(number=1, observation=observation))
    _, head_bytes, body_bytes = wire.PREFIX.unpack_from(sent)
    head = json.loads(sent[wire.PREFIX.size :][:head_bytes])
    place, key = head, data.draw(st.sampled_from(sorted(head)))
    while isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
        place, key = place[key], data.draw(st.sampled_from(sorted(place[key])))
    place[key] = data.draw(json_values)
    changed = json.dumps(head).encode()
    frame = wire.PREFIX.pack(wire.MAGIC, len(changed), body_bytes) + changed + sent[wire.PREFIX.size + head_bytes :]
    try:
        (got,) = received(frame)
    except ProtocolError:
        return
    assert on_the_wire(got), "what the core believes it can also write"
    for picture in getattr(got.observation, "pictures", ()):
        assert len(picture.data) == picture.rows * picture.columns * picture.channels * picture.bytes_per_value


def framed(head: bytes | dict[str, Any], body: bytes = b"") -> bytes:
    head = head if isinstance(head, bytes) else json.dumps(head).encode()
    return wire.PREFIX.pack(wire.MAGIC, len(head), len(body)) + head + body


def scan_head(**changes: Any) -> dict[str, Any]:
    picture = Picture(0, Energy.LOW, 1, 1, 1, 8, b"\0")
    scan = Scan(Stamp(1, 1), "k", b"o", "image/png", "n", (picture,))
    sent = on_the_wire(wire.Offer(number=1, observation=scan))
    _, head_bytes, _ = wire.PREFIX.unpack_from(sent)
    return {**json.loads(sent[wire.PREFIX.size :][:head_bytes]), **changes}


def reading_head(**changes: Any) -> dict[str, Any]:
    sent = on_the_wire(wire.Offer(number=1, observation=Reading(Stamp(1, 1), {})))
    return {**json.loads(sent[wire.PREFIX.size :]), **changes}


PICTURE = scan_head()["pictures"][0]
DEEP = b'{"kind":"hello","driver":' + b"[" * 20_000 + b"]" * 20_000 + b',"version":""}'


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (b"JEW2" + bytes(8), "not a frame"),
        (wire.PREFIX.pack(wire.MAGIC, wire.MAX_HEADER_BYTES + 1, 0), "over the limit"),
        (wire.PREFIX.pack(wire.MAGIC, 2, wire.MAX_BODY_BYTES + 1), "over the limit"),
        (wire.PREFIX.pack(wire.MAGIC, 2**32 - 1, 2**32 - 1), "over the limit"),
        (framed(b""), "Invalid JSON"),
        (framed(b"\xff\xfe"), "Invalid JSON"),
        (framed(b"[]"), "header"),
        (framed(b'{"kind":"eval"}'), "does not match any of the expected tags"),
        (framed(DEEP), "recursion limit"),
        (framed({"kind": "beat", "progress": 1}, b"x"), "beat has a body"),
        (framed({"kind": "beat", "progress": -1}), "beat.progress"),
        (framed({"kind": "beat", "progress": 1, "more": 1}), "beat.more"),
        (framed({"kind": "state", "state": "fine"}), "state.state"),
        (framed({"kind": "state", "state": "up", "reason": "x" * 513}), "state.reason"),
        (framed({"kind": "state", "state": "up", "facts": {str(i): i for i in range(33)}}), "state.facts"),
        (framed(scan_head(), b""), "differ in length"),
        (framed(scan_head(parts=[1]), b"o"), "one part for its original"),
        (framed(scan_head(parts=[0, 2]), b"o\0"), "picture data and picture size differ"),
        (framed(scan_head(parts=[-1, 3]), b"o\0"), "parts.0"),
        (framed(scan_head(parts=[1] * 18), b"o" * 18), "parts"),
        (framed(scan_head(pictures=[], parts=[1]), b"o"), "must say why"),
        (framed(scan_head(pictures=[{**PICTURE, "offset": 0}]), b"o\0"), "or in a part of its own"),
        (framed(scan_head(pictures=[{**PICTURE, "offset": 1}], parts=[1, 0]), b"o"), "picture data and picture size"),
        (framed(scan_head(pictures=[{**PICTURE, "offset": -1}], parts=[1, 0]), b"o"), "offset"),
        (framed(scan_head(pictures=[{**PICTURE, "rows": 60_000}]), b"o\0"), "rows"),
        (framed(scan_head(pictures=[{**PICTURE, "bits": 64}]), b"o\0"), "bits"),
        (framed(scan_head(pictures=[{**PICTURE, "channels": 2}]), b"o\0"), "channels"),
        (framed(scan_head(pictures=[{**PICTURE, "pixel_mm": [0, 1]}]), b"o\0"), "pixel_mm"),
        (framed(scan_head(key="k" * 513), b"o\0"), "key"),
        (framed(scan_head(at={"wall_ns": 2**63, "monotonic_ns": 0}), b"o\0"), "wall_ns"),
        (framed(reading_head(parts=[wire.MAX_RAW_BYTES + 1]), b"x" * (wire.MAX_RAW_BYTES + 1)), "parts.0"),
        (framed(reading_head(parts=[1, 1]), b"xx"), "parts"),
        (framed(reading_head(values={"x": math.nan})), "number that JSON does not have"),
        (framed(reading_head(values={"x": [{"y": math.inf}]})), "number that JSON does not have"),
        (framed(reading_head(values={"x": 2**53})), "integer over the limit"),
    ],
)
def test_what_does_not_fit_says_why_and_ends_the_stream(frame: bytes, says: str) -> None:
    decoder = wire.Decoder()
    with pytest.raises(ProtocolError, match=says):
        list(decoder.feed(frame))
    with pytest.raises(ProtocolError, match=says):
        list(decoder.feed(on_the_wire(wire.Beat(progress=1))))


def test_a_picture_that_lies_in_its_file_travels_once() -> None:
    original = bytes(range(200)) * 50
    picture = Picture(0, Energy.LOW, 80, 100, 1, 8, memoryview(original)[1000:9000], offset=1000)
    scan = Scan(Stamp(1, 1), "k", original, "application/dicom", "n", (picture,))
    sent = on_the_wire(wire.Offer(number=1, observation=scan))
    assert len(sent) < len(original) + 2000
    (got,) = received(sent)
    assert got.observation == scan
    # A file that was put together anew has it elsewhere, or not at all.
    other = replace(scan, original=bytes(9000))
    (got,) = received(on_the_wire(wire.Offer(number=1, observation=other)))
    assert bytes(got.observation.pictures[0].data) == original[1000:9000]


def test_what_came_before_the_damage_is_not_lost() -> None:
    decoder, got = wire.Decoder(), []
    with pytest.raises(ProtocolError):
        for message in decoder.feed(on_the_wire(wire.Beat(progress=1)) + b"garbage, and more of it"):
            got.append(message)  # what came before the error is the point
    assert got == [wire.Beat(progress=1)]


def test_a_lying_length_costs_no_memory_before_the_bytes_come() -> None:
    decoder = wire.Decoder()
    assert list(decoder.feed(wire.PREFIX.pack(wire.MAGIC, 100, wire.MAX_BODY_BYTES))) == []
    assert (len(decoder._head), decoder._body) == (wire.PREFIX.size, [])


def test_a_core_may_allow_less() -> None:
    frame = wire.PREFIX.pack(wire.MAGIC, 10, 101)
    with pytest.raises(ProtocolError, match="over the limit"):
        list(wire.Decoder(max_body_bytes=100).feed(frame))


@pytest.mark.parametrize(
    "observation",
    [
        Reading(Stamp(1, 1), {"x": math.nan}),
        Reading(Stamp(1, 1), {"x": "y" * wire.MAX_HEADER_BYTES}),
        Reading(Stamp(1, 1), {}, raw=b"x" * (wire.MAX_RAW_BYTES + 1)),
        Scan(Stamp(1, 1), "k" * 600, b"", "", "", problem="p"),
        Scan(Stamp(1, 1), "k", b"", "", "\udcff", problem="p"),
    ],
)
def test_a_driver_learns_at_once_that_its_observation_does_not_fit(observation: Any) -> None:
    with pytest.raises(ValueError):
        wire.encode(wire.Offer(number=1, observation=observation))


@pytest.mark.parametrize(
    ("value", "said"),
    [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf"), (2**60, float(2**60)), (1.5, 1.5), (True, True)],
)
def test_an_alarm_is_not_lost_because_its_number_is_none(value: Any, said: Any) -> None:
    alarm = Reading(Stamp(1, 1), {}, (Finding("level", Measurement("level", value)),))
    (offer,) = wire.Decoder().feed(b"".join(wire.encode(wire.Offer(number=1, observation=alarm))))
    assert isinstance(offer, wire.Offer) and isinstance(offer.observation, Reading)
    got = offer.observation.findings[0].measurement.value
    assert (got, type(got)) == (said, type(said))


def test_picture_data_is_not_copied() -> None:
    data = bytearray(4)
    parts = wire.encode(
        wire.Offer(
            number=1,
            observation=Scan(Stamp(1, 1), "k", b"", "", "", (Picture(0, Energy.LOW, 2, 2, 1, 8, memoryview(data)),)),
        )
    )
    data[0] = 9
    assert bytes(parts[-1]) == b"\x09\0\0\0"


def test_of_texts_that_came_none_is_kept() -> None:
    """Each scan has names of its own: pydantic by itself would keep some sixteen thousand of them."""
    offer = wire.Offer(number=1, observation=Scan(Stamp(1, 1), "1.2.840.7", b"", "", "", problem="p"))
    one, other = received(on_the_wire(offer, offer))
    assert one.observation.key == other.observation.key
    assert one.observation.key is not other.observation.key
