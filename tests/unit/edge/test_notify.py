"""What the service manager is told, and that nothing is said where there is none."""

import os
import socket

import pytest

from edge.notify import ServiceManager


@pytest.fixture
def manager(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener, {"NOTIFY_SOCKET": str(tmp_path / "notify")}


def test_ready_restores_the_watchdog_that_a_restart_from_within_has_put_off(manager):
    listener, environment = manager
    told = ServiceManager(environment | {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())})
    assert told.watchdog_s == 30
    told.again(300)
    assert listener.recv(1000).decode().split("\n")[1:] == ["WATCHDOG_USEC=300000000", "WATCHDOG=1"]
    told.ready()
    assert listener.recv(1000) == b"READY=1"
    assert listener.recv(1000) == b"WATCHDOG_USEC=30000000"


def test_a_status_is_one_line_and_is_said_once(manager):
    listener, environment = manager
    told = ServiceManager(environment)
    told.status("two\nlines")
    told.status("two lines")
    told.alive()
    assert [listener.recv(1000), listener.recv(1000)] == [b"STATUS=two lines", b"WATCHDOG=1"]


def test_the_abstract_namespace_is_understood():
    name = f"jaitf-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name)
        listener.settimeout(5)
        ServiceManager({"NOTIFY_SOCKET": "@" + name}).stopping()
        assert listener.recv(1000) == b"STOPPING=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "vsock:2:1"}, {"NOTIFY_SOCKET": "/nowhere/at/all"}])
def test_nobody_who_listens_is_no_fault(environment):
    ServiceManager(environment).alive()


def test_a_watchdog_on_another_process_is_none_of_ours():
    assert ServiceManager({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}).watchdog_s is None
