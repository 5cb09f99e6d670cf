"""Both families' frames: golden ones from the vendors' documents, and every kind of noise between and within them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.uhf_serial.frames import Family, Reply, Tag
from drivers.uhf_serial.m100 import M100, crc_genibus, frame
from drivers.uhf_serial.reader18 import Reader18, crc_mcrf4xx

EPC = "30751FEB705C5904E3D50D70"
NOTICE = "BB 02 22 00 11 C9 3400 30751FEB705C5904E3D50D70 3A76 EF 7E"
NO_TAG = "BB 01 FF 00 01 15 16 7E"
INFORMATION = "BB 01 03 00 10 00 4D31303020323664426D2056312E30 92 7E"
ONE_TAG = "13 00 01 01 01 0C 30751FEB705C5904E3D50D70 95 2E"
M, R = M100(), Reader18(0)
noise = st.binary(max_size=40)


def of(golden: str) -> bytes:
    return bytes.fromhex(golden)


def replies(family: Family, *pieces: bytes) -> list[Reply]:
    framer = family.framer()
    return [reply for piece in pieces for reply in framer.feed(piece)]


def epcs(found: list[Reply]) -> list[str]:
    return [tag.epc for reply in found for tag in reply.tags]


def notice(epc: bytes, rssi: int = 0xC9) -> bytes:
    told = (len(epc) // 2 << 11 | 0x400).to_bytes(2) + epc  # 0400: the tag has user memory
    return frame(2, 0x22, bytes([rssi]) + told + crc_genibus(told).to_bytes(2))


def listed(*epcs: bytes, status: int = 1) -> bytes:
    data = bytes([len(epcs)]) + b"".join(bytes([len(epc)]) + epc for epc in epcs)
    inner = bytes([5 + len(data), 0, 1, status]) + data
    return inner + crc_mcrf4xx(inner).to_bytes(2, "little")


@pytest.mark.parametrize(
    ("golden", "made"),
    [
        ("BB 00 22 00 00 22 7E", M.ask_tags()),
        ("BB 00 03 00 01 00 04 7E", M.ask_identity()),
        ("BB 00 27 00 03 22 27 10 83 7E", frame(0, 0x27, of("22 27 10"))),
        ("BB 00 B6 00 02 07 D0 8F 7E", frame(0, 0xB6, of("07 D0"))),
        (NOTICE, notice(of(EPC))),
        ("04 00 01 DB 4B", R.ask_tags()),
        ("04 FF 21 19 95", Reader18(0xFF).ask_identity()),
        (ONE_TAG, listed(of(EPC))),
    ],
)
def test_frames_are_the_vendors(golden, made):
    assert made == of(golden)


@pytest.mark.parametrize(
    ("family", "golden", "meaning"),
    [
        (M, NOTICE, Reply(tags=(Tag(EPC, -55),))),
        (M, NO_TAG, Reply()),
        (M, INFORMATION, Reply(identity="M100 26dBm V1.0")),
        (R, ONE_TAG, Reply(tags=(Tag(EPC),))),
    ],
)
def test_frames_are_understood(family, golden, meaning):
    assert replies(family, of(golden)) == [meaning]


def test_the_checks_are_the_published_ones():
    assert (crc_genibus(b"123456789"), crc_mcrf4xx(b"123456789")) == (0xD64E, 0x6F91)  # the catalogue's check values


def test_modules_faults_are_told_and_an_empty_round_is_none():
    assert "channel" in (replies(M, frame(1, 0xFF, b"\x20"))[0].fault or "")
    assert replies(M, frame(1, 0xFF, b"\xb3"))[0].fault == "error B3"

    def status(code: int) -> bytes:
        inner = bytes([5, 0, 1, code])
        return inner + crc_mcrf4xx(inner).to_bytes(2, "little")

    assert replies(R, status(0xFB)) == [Reply()]
    assert "antenna" in (replies(R, status(0xF8))[0].fault or "")
    assert replies(R, listed(of(EPC), status=3))[0].more


def test_a_tag_whose_own_check_fails_is_none_though_the_frame_is_whole():
    told = b"\x34\x00" + of(EPC)
    wrong = frame(2, 0x22, b"\xc9" + told + b"\x00\x00")
    longer = frame(2, 0x22, b"\xc9" + told + b"\x00" + crc_genibus(told + b"\x00").to_bytes(2))
    assert replies(M, wrong + longer) == [Reply(damaged=1)] * 2
    inner = bytes([7, 0, 1, 1, 1, 12])  # one tag of twelve bytes, of which none follows
    assert replies(R, inner + crc_mcrf4xx(inner).to_bytes(2, "little")) == [Reply(damaged=1)]


def test_another_modules_answer_on_the_same_line_is_not_ours():
    inner = bytearray(listed(of(EPC))[:-2])
    inner[1] = 7
    other = bytes(inner) + crc_mcrf4xx(bytes(inner)).to_bytes(2, "little")
    assert epcs(replies(Reader18(0), other)) == []
    assert epcs(replies(Reader18(7), other)) == epcs(replies(Reader18(255), other)) == [EPC]


even_epc = st.integers(1, 31).flatmap(lambda words: st.binary(min_size=2 * words, max_size=2 * words))


@given(st.lists(even_epc, min_size=1, max_size=4), st.integers(0, 255))
def test_any_epc_comes_through_delimiters_in_it_or_not(tags, rssi):
    wanted = [epc.hex().upper() for epc in tags]
    found = replies(M, b"".join(notice(epc, rssi) for epc in tags))
    assert epcs(found) == wanted
    assert {tag.rssi_dbm for reply in found for tag in reply.tags} == {rssi - 256 if rssi > 127 else rssi}
    assert epcs(replies(R, listed(*tags[:3]))) == wanted[:3]


@given(st.lists(even_epc, max_size=4), st.data())
def test_frames_come_whole_however_they_are_cut(tags, data):
    for family, wire in ((M, b"".join(map(notice, tags))), (R, b"".join(map(listed, tags)))):
        cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
        pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
        assert epcs(replies(family, *pieces)) == [epc.hex().upper() for epc in tags]


@pytest.mark.parametrize(("family", "good"), [(M, of(NOTICE)), (R, of(ONE_TAG))])
@given(before=noise)
def test_after_noise_and_a_pause_every_frame_is_found(family, good, before):
    framer = family.framer()
    list(framer.feed(before))
    framer.quiet()
    assert epcs(list(framer.feed(good * 3))) == [EPC] * 3


@pytest.mark.parametrize(("family", "good"), [(M, of(NOTICE)), (R, of(ONE_TAG))])
@given(before=noise)
def test_after_noise_without_a_pause_frames_are_found_again_soon(family, good, before):
    # What looks like the start of a frame may swallow as much as the longest one has.
    found = epcs(replies(family, before + good * 20))
    assert found[-1:] == [EPC]
    assert set(found) == {EPC}
    assert len(found) >= 20 - 256 // len(good) - 2


@pytest.mark.parametrize(("family", "good"), [(M, of(NOTICE)), (R, of(ONE_TAG))])
@given(data=st.data())
def test_a_byte_doubled_dropped_or_changed_never_makes_another_tag(family, good, data):
    at = data.draw(st.integers(0, len(good) - 1))
    how = data.draw(st.sampled_from(["double", "drop", "change"]))
    bad = bytearray(good)
    if how == "double":
        bad.insert(at, bad[at])
    elif how == "drop":
        del bad[at]
    else:
        bad[at] ^= data.draw(st.integers(1, 255))
    framer = family.framer()
    found = epcs(list(framer.feed(bytes(bad))))
    framer.quiet()
    found += epcs(list(framer.feed(good)))
    assert set(found) == {EPC}


@given(noise)
def test_any_bytes_are_frames_or_skipped(data):
    for family in (M, R, Reader18(255)):
        framer = family.framer()
        list(framer.feed(data))
        framer.quiet()
        assert framer.skipped <= len(data)


def test_a_frame_inside_an_epc_is_not_taken_for_one_when_the_rest_never_comes():
    inside = frame(1, 0xFF, b"\x20") + of("00 00 00 00")
    framer = M.framer()
    assert list(framer.feed(notice(inside)[:-1])) == []
    framer.quiet()
    assert list(framer.feed(of(NO_TAG))) == [Reply()]
