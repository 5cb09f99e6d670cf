"""DICOS's dialect: what a peer's PDUs become, and that no PDU breaks it."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dicos.dialect import DICOS_DIALECTS, DICOS_V03, Dialect
from drivers.dicos.pdu import Tally, TooMuch, dialect
from simulators.dicomwire import associate_rq, command

COMMAND = command(7, "1.2.3", "1.2.3.4")[12:]
DATA = bytes(range(200))


def p_data(*values: tuple[int, bytes]) -> bytearray:
    body = b"".join(pack(">IBB", len(value) + 2, 5, control) + value for control, value in values)
    return bytearray(pack(">BxI", 4, len(body)) + body)


@pytest.mark.parametrize(
    ("came", "becomes"),
    [
        ([(3, COMMAND + DATA)], [(3, COMMAND), (2, DATA)]),
        ([(1, COMMAND + DATA)], [(3, COMMAND), (0, DATA)]),
        ([(3, COMMAND)], [(3, COMMAND)]),
        ([(1, COMMAND)], [(3, COMMAND)]),
        ([(3, COMMAND), (2, DATA)], [(3, COMMAND), (2, DATA)]),
        ([(1, COMMAND[:20]), (3, COMMAND[20:])], [(1, COMMAND[:20]), (3, COMMAND[20:])]),
        ([(0, COMMAND + DATA)], [(0, COMMAND + DATA)]),
    ],
)
def test_a_command_is_parted_from_its_data(came: list[tuple[int, bytes]], becomes: list[tuple[int, bytes]]) -> None:
    assert Dialect(DICOS_V03).received(p_data(*came)) == p_data(*becomes)
    assert Dialect().received(p_data(*came)) == p_data(*came), "DICOM's own peers are not touched"


def test_a_command_in_pieces_is_not_taken_for_two() -> None:
    spoken = Dialect(DICOS_V03)
    assert spoken.received(p_data((1, COMMAND[:20]))) == p_data((1, COMMAND[:20]))
    rest = COMMAND + DATA  # the rest of the command may look like anything
    assert spoken.received(p_data((1, rest))) == p_data((1, rest))


@pytest.mark.parametrize("name", DICOS_DIALECTS)
def test_our_association_is_named_as_the_peers(name: str) -> None:
    plain = associate_rq("1.2.3")
    theirs = Dialect(name).sent(plain)
    assert dialect(memoryview(theirs)) == name
    assert theirs == associate_rq("1.2.3", application=name)
    assert Dialect().sent(plain) == plain


def test_an_answer_whose_items_are_too_long_is_repaired() -> None:
    def accepted(overstated: int) -> bytearray:
        syntax = b"1.2.840.10008.1.2.1"
        context = pack(">BxBx", 1, 0) + pack(">BxH", 0x40, len(syntax)) + syntax
        item = pack(">BxH", 0x21, len(context) + overstated) + context
        name = DICOS_V03.encode()
        body = bytes(68) + pack(">BxH", 0x10, len(name)) + name + item + item + pack(">BxH", 0x50, 0)
        return bytearray(pack(">BxI", 2, len(body)) + body)

    assert Dialect(DICOS_V03).received(accepted(4)) == accepted(0)
    assert Dialect(DICOS_V03).received(accepted(0)) == accepted(0)


@given(st.sampled_from([1, 2, 3, 4, 5]), st.binary(max_size=300))
def test_no_pdu_breaks_it(kind: int, body: bytes) -> None:
    spoken = Dialect(DICOS_V03)
    pdu = bytearray(pack(">BxI", kind, len(body)) + body)
    out = spoken.received(bytearray(pdu))
    assert int.from_bytes(out[2:6], "big") == len(out) - 6
    assert isinstance(spoken.sent(bytes(pdu)), bytes)


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2, 3]), st.binary(max_size=60)), max_size=8))
def test_no_byte_of_data_is_lost_or_made(values: list[tuple[int, bytes]]) -> None:
    out = Dialect(DICOS_V03).received(p_data(*values))
    content, at = b"", 6
    while at < len(out):
        length = int.from_bytes(out[at : at + 4], "big")
        content += out[at + 6 : at + 4 + length]
        at += 4 + length
    assert content == b"".join(value for _, value in values)
    try:
        Tally(10_000).data(memoryview(out)[6:])
    except TooMuch:
        pytest.fail("what it makes is a P-DATA PDU")
