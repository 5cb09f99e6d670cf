"""EPCs as they are told: GS1's decoded beside their hex, others as they are, each an identity for the lane."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llrpkit.epc import decode_epc

from drivers import wire
from drivers.clock import Stamp
from drivers.contract import Identity, IdKind
from drivers.epc import uri_of
from drivers.tags import TAGS_A_READING, Gathered
from drivers.uhf_serial.m100 import M100Framer, crc_genibus, frame

AT = Stamp(1_000_000_000, 0)
#: Codes on which epcpy and llrpkit agree, which know nothing of one another.
KNOWN = {
    "3074257BF7194E4000001A85": "urn:epc:id:sgtin:0614141.812345.6789",
    "30751FEB705C5904E3D50D70": "urn:epc:id:sgtin:4717276.094564.21002259824",
    "3414257BF40C0E400000162E": "urn:epc:id:giai:0614141.3393367761229358",
    "3134257BF4499602D2000000": "urn:epc:id:sscc:0614141.1234567890",
}


@pytest.mark.parametrize(("epc", "uri"), KNOWN.items())
def test_codes_of_gs1_are_decoded(epc, uri):
    assert uri_of(epc) == uri_of(epc.lower()) == uri
    assert decode_epc(bytes.fromhex(epc)).pure_identity_uri == uri


@pytest.mark.parametrize("epc", ["E28011606000020000000001", "", "3074", "00" * 12, "FF" * 12, "30", "zz"])
def test_other_codes_stay_what_they_are(epc):
    assert uri_of(epc) is None


@given(st.binary(min_size=1, max_size=62))
def test_any_code_is_taken(data):
    uri = uri_of(data.hex())
    assert uri is None or uri.startswith("urn:epc:id:")


def test_a_tag_is_told_with_its_uri_and_names_the_item():
    gathered = Gathered()
    gathered.see("3074257BF7194E4000001A85", 1, -50, AT)
    gathered.see("3074257BF7194E4000001A85", 2, -60, AT)
    gathered.see("E28011606000020000000001", 1, -50, AT)
    (reading,) = gathered.take(AT)
    assert [tag.get("uri") for tag in reading.values["tags"]] == [*[KNOWN["3074257BF7194E4000001A85"]] * 2, None]
    assert "uri" not in reading.values["tags"][2]
    assert reading.identities == (
        Identity(IdKind.EPC, "3074257bf7194e4000001a85"),
        Identity(IdKind.EPC, "e28011606000020000000001"),
    )
    assert not reading.findings


def test_the_fullest_reading_goes_over_the_wire():
    gathered = Gathered()
    for number in range(TAGS_A_READING):
        gathered.see(f"3074257BF7194E40{number:08X}", 1, -50, AT)
    (reading,) = gathered.take(AT)
    data = b"".join(map(bytes, wire.encode(wire.Offer(number=1, observation=reading))))
    (message,) = wire.Decoder().feed(data)
    assert isinstance(message, wire.Offer)
    assert message.observation == reading


def test_a_tag_that_says_it_is_not_of_gs1_is_not_decoded():
    """An RFID bag tag: the toggle bit of its PC is set, and what its EPC memory looks like means nothing."""
    epc = bytes.fromhex("3074257BF7194E4000001A85")
    for pc, gs1 in ((0x3000, True), (0x31C1, False)):
        told = pc.to_bytes(2) + epc
        notice = frame(2, 0x22, b"\xc9" + told + crc_genibus(told).to_bytes(2))
        (reply,) = M100Framer().feed(notice)
        (tag,) = reply.tags
        assert tag.gs1 is gs1
        gathered = Gathered()
        gathered.see(tag.epc, 1, tag.rssi_dbm, AT, gs1=tag.gs1)
        (reading,) = gathered.take(AT)
        assert ("uri" in reading.values["tags"][0]) is gs1
