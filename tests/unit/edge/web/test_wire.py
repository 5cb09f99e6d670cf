import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import ProtocolError
from edge.web import wire

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20), lambda each: st.lists(each, max_size=4)
)


@given(
    st.text(max_size=20), st.dictionaries(st.text(max_size=8).filter(lambda key: key != "kind"), VALUES), st.binary()
)
def test_what_is_encoded_is_decoded(kind, said, body):
    assert wire.decode(wire.encode(wire.Message(kind, said, body))) == wire.Message(kind, said, body)


@given(st.binary(max_size=200))
def test_bytes_are_a_message_or_a_protocol_error(data):
    try:
        message = wire.decode(data)
    except ProtocolError:
        return
    assert isinstance(message.kind, str) and isinstance(message.said, dict)


def test_a_reader_that_does_not_read_is_never_waited_for():
    core, page = wire.pair()
    with core, page:
        message = wire.Message("scan", {}, b"x" * 60_000)
        sent = 0
        while wire.send(core, message):
            sent += 1
        assert 2 <= sent < 200
        assert wire.receive(page) == message
        assert wire.send(core, message)
        with pytest.raises(ProtocolError):
            wire.send(core, wire.Message("scan", {}, bytes(wire.MAX_BYTES)))


def test_the_end_of_the_other_is_told():
    core, page = wire.pair()
    with core:
        page.close()
        with pytest.raises(OSError):
            wire.receive(core)
