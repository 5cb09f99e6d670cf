"""The doctor's look at the machine: real locks, real sockets, real folders."""

import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from drivers.ports import Holder, free_port, holder
from edge.clock import ClockQuality, ClockState, ClockWatch
from edge.daemon import Lock
from edge.doctor import box, examine_box, store
from edge.doctor.finding import Grade
from edge.ledger.store import FILE, open_ledger
from edge.signing import SigningKey

HOLD_LOCK = """
import sys, pathlib
from edge.daemon import Lock
lock = Lock(pathlib.Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def graded(findings):
    return [(finding.grade.value, finding.text) for finding in findings]


def test_an_appliance_that_runs_is_seen_without_taking_its_lock(configured):
    config = configured()
    data = config.appliance.data_dir
    assert graded(box.appliance(config)) == [("ok", "not running")]
    command = [sys.executable, "-c", HOLD_LOCK, data]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        assert box.running(config) == process.pid
        process.stdin.close()
    assert (data / "lock").read_text().split() == [str(process.pid)]
    assert box.running(config) is None
    lock = Lock(data)
    assert box.running(config) == os.getpid()
    del lock


def test_what_was_changed_since_it_started_is_not_in_force_and_is_named(configured, tmp_path):
    config = configured(one='driver = "folder"\n[settings]\npath = "."\n')
    lock = Lock(config.appliance.data_dir)
    started_ns = box.started_ns(config)
    for path in (tmp_path / "edge.toml", tmp_path / "devices" / "one.toml"):
        os.utime(path, ns=(started_ns - 1, started_ns - 1))
    assert [finding.grade for finding in box.appliance(config)] == [Grade.OK]
    os.utime(tmp_path / "devices" / "one.toml", ns=(started_ns + 1, started_ns + 1))
    _, warning = box.appliance(config)
    assert warning.text == "devices/one.toml: changed after it started, and not in force"
    assert "systemctl restart" in warning.mend
    del lock


def test_a_lock_that_fell_between_two_pages_of_the_table_is_held(configured, monkeypatch):
    """As where others lock and unlock while it is read: of eighty locks one is missing in every thirtieth look."""
    config = configured()
    lock = Lock(config.appliance.data_dir)
    inode = (config.appliance.data_dir / "lock").stat().st_ino
    looks = iter(["", "", "", f"1: FLOCK  ADVISORY  WRITE {os.getpid()} fe:00:{inode} 0 EOF\n"])
    monkeypatch.setattr(box, "LOCKS", SimpleNamespace(read_text=lambda: next(looks)))
    assert box.running(config) == os.getpid()
    del lock


def test_a_holder_that_cannot_be_seen_may_be_the_appliance_where_one_runs(configured, monkeypatch):
    config = configured(web="127.0.0.1:8088")
    monkeypatch.setattr(box, "holder", lambda *_, **__: Holder(None, "a process of another user"))
    assert [finding.grade for finding in box.ports(config)] == [Grade.FAIL]
    lock = Lock(config.appliance.data_dir)
    assert [finding.grade for finding in box.ports(config)] == [Grade.WARN]
    del lock


def test_a_port_s_holder_is_named(configured):
    port = free_port()  # nobody else's, before and after
    with socket.create_server(("127.0.0.1", port)):
        found = holder("", port)
        assert found.pid == os.getpid() and str(found) == f"process {os.getpid()} ({found.program})"
        assert holder("127.0.0.2", port) is None and holder("127.0.0.1", port) == found
        (finding,) = box.ports(configured(web=f"127.0.0.1:{port}"))
        assert finding.grade is Grade.FAIL and f"held by process {os.getpid()}" in finding.text
        assert "web.listen" in finding.mend
    assert holder("", port) is None
    assert graded(box.ports(configured(web=f"127.0.0.1:{port}"))) == [
        ("ok", f"the technician's page: 127.0.0.1:{port} is free")
    ]


def test_its_own_ports_are_no_fault(configured):
    with socket.create_server(("127.0.0.1", 0)) as server:
        config = configured(web=f"127.0.0.1:{server.getsockname()[1]}")
        lock = Lock(config.appliance.data_dir)
        (finding,) = box.ports(config)
        assert finding.text.endswith("is this appliance's")
        del lock


def test_udp_ports(configured):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        port = free_port(socket.SOCK_DGRAM)  # nobody else's over TCP either
        server.bind(("127.0.0.1", port))
        assert holder("127.0.0.1", port, udp=True).pid == os.getpid()
        assert holder("127.0.0.1", port) is None


def test_the_data_directory(configured):
    config = configured()
    data = config.appliance.data_dir
    assert graded(box.data_dir(config)) == [("ok", f"{data}: not there yet; `run` will make it")]
    data.mkdir(mode=0o755)
    (finding,) = box.data_dir(config)
    assert (finding.grade, finding.mend) == (Grade.WARN, f"chmod o-rwx {data}")
    data.chmod(0o750)
    assert [f.grade for f in box.data_dir(config)] == [Grade.OK]
    data.rmdir()
    data.touch()
    assert [f.grade for f in box.data_dir(config)] == [Grade.FAIL]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_the_data_directory_of_a_user_that_this_box_does_not_know(configured):
    config = configured()
    config.appliance.data_dir.mkdir(mode=0o750)
    os.chown(config.appliance.data_dir, 54321, 54321)
    (finding,) = box.data_dir(config)
    assert (finding.grade, finding.text.endswith("private to user 54321")) == (Grade.OK, True)


@pytest.mark.parametrize(
    ("free", "used", "grade"),
    [(10**9, 0, Grade.OK), (10**8, 0, Grade.FAIL), (10**9, 70_000_000, Grade.FAIL), (300_000_000, 0, Grade.OK)],
)
def test_the_disk(configured, monkeypatch, free, used, grade):
    config = configured()
    data = config.appliance.data_dir
    data.mkdir()
    with (data / "evidence").open("wb") as file:
        file.truncate(used)
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": free}))
    (finding,) = box.disk(config)
    assert finding.grade == grade
    if free == 10**8:
        mount = finding.mend.split("du -xhd2 ")[1].split()[0]
        assert os.path.ismount(mount) and Path(mount).stat().st_dev == data.stat().st_dev


def test_files_that_a_running_appliance_takes_away_meanwhile_are_no_fault(configured, monkeypatch):
    config = configured()
    data, real = config.appliance.data_dir, os.stat
    (data / "evidence").mkdir(parents=True)
    for name in ("before", "after", "stays"):
        (data / "evidence" / name).write_bytes(b"x" * 2_000_000)

    def looked_at(path, **how):
        if str(path).endswith("evidence/before"):
            Path(path).unlink()
        about = real(path, **how)
        if str(path).endswith("evidence/after"):
            Path(path).unlink()
        return about

    monkeypatch.setattr(os, "stat", looked_at)
    (finding,) = box.disk(config)
    assert "; 4 MB used" in finding.text
    assert [path.name for path in (data / "evidence").iterdir()] == ["stays"]


def test_a_disk_smaller_than_the_quota(configured, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 59_000_000}))
    monkeypatch.setattr(box, "LEAST_FREE_BYTES", 1)
    (finding,) = box.disk(configured())
    assert finding.grade is Grade.WARN and "before the quota" in finding.text


@pytest.mark.parametrize(("quality", "grade"), [(ClockQuality.SYNCED, Grade.OK), (ClockQuality.UNSYNCED, Grade.WARN)])
def test_the_clock(configured, monkeypatch, quality, grade):
    monkeypatch.setattr(ClockWatch, "state", lambda self: ClockState(quality, 1.5))
    assert [f.grade for f in box.clock(configured())] == [grade]


def test_the_ledger(configured):
    config = configured()
    data = config.appliance.data_dir
    assert "none yet" in next(iter(store.ledger(config))).text
    data.mkdir()
    (data / FILE).touch()  # as a first start on a full disk leaves it
    assert "none yet" in next(iter(store.ledger(config))).text
    open_ledger(data).db.close()
    assert [f.grade for f in store.ledger(config)] == [Grade.OK] * 3
    content = bytearray((data / FILE).read_bytes())
    content[4096:8192] = b"\xff" * 4096
    (data / FILE).write_bytes(content)
    findings = list(store.ledger(config))
    assert [f.grade for f in findings] == [Grade.FAIL] and "sets a damaged file aside" in findings[0].mend
    (data / FILE).write_bytes(b"no database at all" * 1000)
    assert [f.grade for f in store.ledger(config)] == [Grade.FAIL]


def test_a_ledger_that_is_being_written_can_be_read(configured):
    config = configured()
    config.appliance.data_dir.mkdir()
    opened = open_ledger(config.appliance.data_dir)
    opened.db.execute("BEGIN IMMEDIATE")
    try:
        assert [f.grade for f in store.ledger(config)] == [Grade.OK] * 3
    finally:
        opened.db.close()


def test_a_ledger_that_someone_changed(configured, monkeypatch):
    config = configured()
    config.appliance.data_dir.mkdir()
    open_ledger(config.appliance.data_dir).db.close()
    monkeypatch.setattr(store, "broken_links", lambda data_dir: iter(f"hit {n}: missing" for n in range(100)))
    broken = [f for f in store.ledger(config) if f.grade is Grade.FAIL]
    assert len(broken) == store.SHOWN_LINKS and "hit 0: missing" in broken[0].text


def test_the_signing_key(configured):
    config = configured()
    data = config.appliance.data_dir
    assert "none yet" in next(iter(store.signing_key(config))).text
    data.mkdir()
    key = SigningKey.of(data)
    assert graded(store.signing_key(config)) == [("ok", f"fingerprint {key.fingerprint}")]
    (data / "signing.pem").chmod(0o644)
    assert [f.grade for f in store.signing_key(config)] == [Grade.FAIL]


def test_a_check_that_breaks_does_not_take_the_others_with_it(configured, monkeypatch, tmp_path):
    configured()

    def broken(config):
        yield box.ok("so far")
        raise sqlite3.OperationalError("boo")

    monkeypatch.setattr("edge.doctor.doctor.CHECKS", {"bad": broken, "clock": box.clock})
    found = list(examine_box(tmp_path))
    assert [name for name, _ in found][-3:] == ["bad", "bad", "clock"]
    assert "OperationalError: boo" in found[-2][1].text
