"""The form that a signature is put over is RFC 8785's, whichever encoder writes it."""

from __future__ import annotations

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from edge.signing import SealError, canonical, own_form, signed_form

pytestmark = pytest.mark.slow

WHOLE = st.integers(-(2**53) + 1, 2**53 - 1)
PLAIN = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.one_of(st.text(), st.from_regex(r"[:,\[]-?[0-9]+(\.[0-9]+)?(e[+-][0-9]+)?[,\]}]"))
VALUES = st.recursive(
    st.none() | st.booleans() | WHOLE | PLAIN | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def by_the_library(message: bytes) -> bytes:
    return rfc8785.dumps(json.loads(message, parse_int=float))


@given(st.lists(VALUES) | st.dictionaries(TEXTS, VALUES))
def test_the_signed_form_is_the_librarys(value):
    try:
        message = json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    assert signed_form(canonical(message)) == own_form(message) == by_the_library(message)


@pytest.mark.parametrize(
    "number",
    (
        *("0", "-0", "-0.0", "1.0", "1e3", "1E400", "1e-7", "0.00001", "123456789012345", "1234567890123456"),
        *("1e15", "1e21", "5e-324", "9007199254740993", "100000000000000000000000", "0.1", "1.5e-5", "-1.25"),
    ),
)
def test_every_way_of_writing_a_number_comes_to_one(number):
    message = b'{"b":%s,"a":[%s,"\xc2\xb5"],"c":[%s]}' % ((number.encode(),) * 3)
    plain = b'{"b":%s,"a":[%s],"c":1}' % ((number.encode(),) * 2)
    for each in (message, plain):
        try:
            expected = by_the_library(each)
        except rfc8785.CanonicalizationError:
            for form in (own_form, lambda text: signed_form(canonical(text))):
                with pytest.raises(SealError):
                    form(each)
        else:
            assert signed_form(canonical(each)) == own_form(each) == expected


@pytest.mark.parametrize(
    "message", [b"NaN", b'{"a":NaN}', b'{"a":Infinity}', b'{"a":1,"a":2}', b'{"a":"\\ud800"}', b"["]
)
def test_what_cannot_be_signed_is_refused(message):
    with pytest.raises(SealError):
        signed_form(canonical(message))


def test_what_is_nested_without_end_is_refused():
    with pytest.raises(SealError):
        signed_form(canonical(b"[" * 100_000 + b"]" * 100_000))
