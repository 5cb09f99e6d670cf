"""The parent of the devices' processes: small, single-threaded, started before the core has threads or sockets.

It holds what every driver needs in memory already, forks a process when the core asks for one, hands the core its end
of the wire and a handle on the process, and tells of exits. It dies with the core, and its children with it.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

from setproctitle import setproctitle

from drivers import heap, host, registry
from edge import journal

_PR_SET_PDEATHSIG = 1
MAX_REQUEST_BYTES = 4096
WIRE_BUFFER_BYTES = 1024 * 1024


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when `parent` is gone; prctl(2), PR_SET_PDEATHSIG."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _become(name: str, memory_bytes: int, wire: socket.socket, parent: int) -> None:
    """Turn a fresh fork into a device's process; does not return."""
    status = 1
    try:
        die_with_parent(parent)
        setproctitle(f"jaitf-edge-device {name}")
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        # Twice what the supervisor allows: it finds and names a leak; this is the wall behind it.
        resource.setrlimit(resource.RLIMIT_DATA, (2 * memory_bytes, 2 * memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # Where memory runs out, the kernel takes a device's process before the core.
        Path("/proc/self/oom_score_adj").write_text("500")
        _log_as(name, {"device": name})
        status = host.serve(wire)
    except BaseException:
        logging.getLogger("jaitf.device").exception("the process of %s failed to start", name)
    finally:
        os._exit(status)


def _log_as(name: str, facts: dict[str, str]) -> None:
    journal.log_to(f"%(levelname)s {name}: %(message)s", f"{name}: %(message)s", facts)


def _spawn(control: socket.socket, request: dict[str, object], inherited: list[int]) -> int:
    core_end, device_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    core_end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WIRE_BUFFER_BYTES)
    device_end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, WIRE_BUFFER_BYTES)
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        core_end.close()
        for descriptor in inherited:
            os.close(descriptor)
        _become(str(request["name"]), int(str(request["memory_bytes"])), device_end, parent)
    handle = os.pidfd_open(pid)
    reply = json.dumps({"spawned": request["name"], "pid": pid}).encode()
    socket.send_fds(control, [reply], [core_end.fileno(), handle])
    os.close(handle)
    core_end.close()
    device_end.close()
    return pid


def _reap(control: socket.socket, living: set[int]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        living.discard(pid)
        control.send(json.dumps({"exited": pid, "status": os.waitstatus_to_exitcode(status)}).encode())


def _end(living: set[int]) -> None:
    """End every child and wait for it, so that none is left as a zombie for a stranger."""
    for pid in living:
        os.kill(pid, signal.SIGKILL)
    for pid in living:
        os.waitpid(pid, 0)


def _prepare(names: Iterable[str]) -> None:
    """Have in memory what the processes of these drivers need, for all of them to share, and keep it shared.

    A driver of readings is code and little else: here it is in memory once, and not once a device. What pictures are
    read with is large and starts threads, which no fork survives: that is for the device's own process to load. A third
    party's driver is not touched: what it does when it is imported is its own process's business.
    """
    ours = registry.built_in()
    for info in (ours[name] for name in sorted(set(names) & ours.keys())):
        try:
            registry.settings_class(info)
            if not info.pictures:
                registry.driver_class(info)
        except Exception:
            # A library that is missing or broken is one device's loss: its own process meets it again.
            logging.getLogger("jaitf.device").exception("the driver %s cannot be loaded", info.name)
    heap.settle()


def main() -> None:
    """Serve the core over the socket whose number is the first argument, until it closes.

    The second argument is the core's process, the others the drivers of its devices.
    """
    die_with_parent(int(sys.argv[2]))
    setproctitle("jaitf-edge-nursery")
    _log_as("nursery", {})
    logging.getLogger().setLevel(logging.INFO)
    control = socket.socket(fileno=int(sys.argv[1]))
    # A terminal's Ctrl-C and a service manager's SIGTERM go to the whole group; the core alone decides who ends when.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    heap.few_arenas()
    _prepare(sys.argv[3:])
    control.send(json.dumps({"ready": os.getpid()}).encode())
    living: set[int] = set()
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(woken, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == woken:
                os.read(woken, 4096)
                _reap(control, living)
            else:
                request = control.recv(MAX_REQUEST_BYTES)
                if not request:
                    _end(living)
                    return
                wanted = json.loads(request)
                try:
                    living.add(_spawn(control, wanted, [control.fileno(), woken, wake]))
                except OSError as error:  # no memory, no more processes: this device's loss, not the others'
                    control.send(json.dumps({"failed": wanted["name"], "reason": str(error)[:512]}).encode())


if __name__ == "__main__":
    main()
