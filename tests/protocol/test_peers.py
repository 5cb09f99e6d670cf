"""The broker that other tests stand on: same port over its lives, its own words when it fails."""

import socket
from collections.abc import Callable

import pytest

from tests.peers import Broker

pytestmark = pytest.mark.protocol


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize("end", [Broker.stop, Broker.kill])
def test_it_comes_back_on_the_same_port(broker: Broker, end: Callable[[Broker], None]) -> None:
    port = broker.port
    assert answers(port)
    end(broker)
    assert broker.pid is None
    assert not answers(port)
    broker.start()
    assert broker.port == port
    assert answers(port)


def test_two_at_once(start_broker: Callable[..., Broker]) -> None:
    assert start_broker().port != start_broker().port


def test_a_bad_configuration_is_told_in_its_own_words(start_broker: Callable[..., Broker]) -> None:
    with pytest.raises(RuntimeError, match="no_such_option"):
        start_broker(config="no_such_option true")
