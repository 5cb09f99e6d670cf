"""A port that is given is free, given once, and no other process's: whatever runs beside this chooses apart."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from drivers import ports
from drivers.ports import FIRST_PORT, HOST, PORTS_EACH, SHARES, free_port, holder

ASK = f"from drivers.ports import free_port; print(*(free_port() for _ in range({PORTS_EACH + 50})))"


@pytest.fixture(autouse=True)
def _own(monkeypatch) -> Iterator[None]:
    claims: list[int] = []
    monkeypatch.setattr(ports, "_claims", claims)
    monkeypatch.setattr(ports, "_left", [])
    yield
    for claim in claims:
        os.close(claim)


def test_none_is_given_twice_over_a_share_and_more():
    given = [free_port() for _ in range(PORTS_EACH + 50)]
    assert len(set(given)) == len(given)
    assert all(FIRST_PORT <= port < FIRST_PORT + SHARES * PORTS_EACH for port in given)


def test_tcp_and_udp_get_different_ones():
    given = [free_port(kind) for _ in range(100) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)]
    assert len(set(given)) == len(given)


def test_what_is_bound_is_passed_over(monkeypatch):
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, free_port(socket.SOCK_DGRAM)))
        number = taken.getsockname()[1]
        monkeypatch.setattr(ports, "_left", [1, number])
        monkeypatch.setattr(ports, "_share", lambda: [number + 1] if number % 2 else [number - 1])
        assert free_port(socket.SOCK_DGRAM) in {1, number + 1, number - 1}
        found = holder(HOST, number, udp=True)
        assert found is not None and found.pid == os.getpid()


def test_processes_beside_each_other_choose_apart():
    command = [sys.executable, "-c", f"{ASK}; input()"]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as one,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other,
    ):
        mine = {free_port() for _ in range(100)}
        theirs = [{int(word) for word in child.stdout.readline().split()} for child in (one, other)]
        for child in (one, other):
            child.communicate(b"\n")
    assert len(mine | theirs[0] | theirs[1]) == 100 + 2 * (PORTS_EACH + 50)


def test_a_fork_has_ports_of_its_own():
    free_port()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, str(free_port()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as said:
        theirs = int(said.read())
    os.waitpid(child, 0)  # this one: another's end is waited for by whoever started it
    assert (theirs - FIRST_PORT) // PORTS_EACH != (free_port() - FIRST_PORT) // PORTS_EACH


def test_that_none_is_left_is_told(monkeypatch):
    monkeypatch.setattr(ports, "SHARES", 0)
    with pytest.raises(OSError, match="no free port from 12000") as told:
        free_port()
    assert told.value.errno == errno.EADDRINUSE
