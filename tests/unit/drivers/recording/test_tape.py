from __future__ import annotations

import json
import stat
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import ConfigError
from drivers.recording import tape
from drivers.recording.tape import Event, Kind, Tape

HEADER = tape.header_of("scale", "scale-1", {"url": "tcp://127.0.0.1:1"}, 1_795_000_000_000_000_000, "0")


def made(path: Path, max_bytes: int = tape.MAX_BYTES) -> Tape:
    return Tape(path, HEADER, count(0, 1_000_000).__next__, max_bytes)


@given(
    st.builds(
        Event,
        st.integers(0, 2**63 - 1),
        st.integers(0, 1000),
        st.sampled_from(Kind),
        st.binary(max_size=600) | st.sampled_from([b"S S 12.3 kg\r\n", b"\x02abc\x03"]),
        st.text(max_size=20),
    )
)
def test_what_is_written_is_read(event: Event) -> None:
    line = tape.encoded(event)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert tape.decoded(line) == event


@given(st.binary(max_size=80))
def test_any_line_is_an_event_or_a_value_error(line: bytes) -> None:
    try:
        tape.decoded(line)
    except ValueError:
        return


def test_ordinary_tools_read_what_was_said(tmp_path: Path) -> None:
    kept = made(tmp_path / "a.wire")
    kept.add(kept.connection(), Kind.IN, b"S S      12.35 kg\r\n")
    kept.add(1, Kind.OUT, b"\x01\x03\x00")
    kept.close()
    header, said, asked, stop = map(json.loads, (tmp_path / "a.wire").read_text().splitlines())
    assert (header["jaitf_wire"], header["driver"]) == (1, "scale")
    assert (said["e"], said["ascii"]) == ("in", "S S      12.35 kg\r\n")
    assert (asked["e"], asked["hex"]) == ("out", "01 03 00")
    assert stop["e"] == "stop"


def test_a_recording_is_its_owners_and_takes_a_new_name(tmp_path: Path) -> None:
    made(tmp_path / "a.wire").close()
    assert stat.S_IMODE((tmp_path / "a.wire").stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="new name"):
        made(tmp_path / "a.wire")
    with pytest.raises(ConfigError, match="No such file"):
        made(tmp_path / "none" / "a.wire")


@pytest.mark.parametrize("size", [10, 300, 300_000])
def test_it_never_grows_past_its_bound_and_says_that_it_ended(tmp_path: Path, size: int) -> None:
    kept = made(tmp_path / "a.wire", max_bytes=20_000)
    for _ in range(2000 if size < 1000 else 3):
        kept.add(1, Kind.IN, b"\xff" * size)
    assert kept.full
    kept.close()
    assert (tmp_path / "a.wire").stat().st_size == kept.size_bytes <= 20_000
    last = tape.read(tmp_path / "a.wire").events[-1]
    assert (last.kind, last.text) == (Kind.STOP, "the bound of 20000 bytes is reached")


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_pulled_plug_costs_the_last_line_alone(tmp_path: Path, cut: int) -> None:
    kept = made(tmp_path / "a.wire")
    for number in range(3):
        kept.add(1, Kind.IN, b"%d" % number)
    whole = (tmp_path / "a.wire").read_bytes()  # never closed
    (tmp_path / "torn.wire").write_bytes(whole[:-cut])
    found = tape.read(tmp_path / "torn.wire")
    assert found.torn
    assert [event.data for event in found.events] == [b"0", b"1"]
    kept.close()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", ":1: no recording"),
        ('{"jaitf_wire":2,"driver":"a","device":"b","started_ns":0}\n', ":1: no recording"),
        (HEADER.model_dump_json() + '\n{"t":0,"c":1,"e":"sang"}\n', ":2: not a line"),
        (HEADER.model_dump_json() + '\n\n{"t":0,"c":1,"e":"in","hex":"0"}\n', ":3: not a line"),
    ],
)
def test_what_is_no_recording_is_said_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "a.wire"
    path.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        tape.read(path)


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.wire"
    path.write_bytes(b"x" * (tape.MAX_LINE_BYTES + 10))
    with pytest.raises(ConfigError, match="a line of more than"):
        tape.read(path)
