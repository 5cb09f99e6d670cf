"""Nothing of a person is kept: what speaks against keeping an association's bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dicos.elements import file_meta
from drivers.dicos.keepable import reason_against
from drivers.dicos.uids import DX_FOR_PROCESSING
from simulators.dicomwire import associate_rq, command, data
from simulators.dicosfiles import made

SECRET = 4321


def picture(**tags: Any) -> bytes:
    """Return a data set whose every value is SECRET."""
    file = made(np.full((8, 12), SECRET, np.uint16), SOPInstanceUID="1.2.3.1", **tags)
    return file[file_meta(file)[1] :]


PERSON = picture(OOIType="PERSON")


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95, 1.0])
def test_nor_is_one_that_broke_off(cut: float) -> None:
    stored = command(1, DX_FOR_PROCESSING, "1.2.3") + data(PERSON)
    whole = associate_rq(DX_FOR_PROCESSING) + stored
    said = whole[: len(whole) - len(stored) + int(len(stored) * cut)]
    kept_anyway = reason_against(said, b"") == ""
    assert not (kept_anyway and (SECRET.to_bytes(2, "little") * 2 in said or b"PERSON" in said))


def test_what_offers_pictures_of_people_and_what_cannot_be_read_is_left_out() -> None:
    assert reason_against(associate_rq("1.2.840.10008.5.1.4.1.1.501.4.1"), b"") == "it offers pictures of people"
    assert reason_against(b"\xff" * 5000, b"") == "it cannot be read"
    assert reason_against(b"\xff" * 100, b"") == ""
    baggage = associate_rq(DX_FOR_PROCESSING) + command(1, DX_FOR_PROCESSING, "1.2.3") + data(picture())
    assert reason_against(baggage, b"") == ""


@given(st.binary(max_size=200))
def test_any_bytes_are_judged(said: bytes) -> None:
    reason_against(said, said)
    reason_against(associate_rq(DX_FOR_PROCESSING) + b"\x04\x00" + said, said)
