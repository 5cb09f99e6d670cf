"""`doctor`: a page of lines, and an exit status for scripts."""

import json

import pytest

from drivers.clock import SystemClock
from edge.ledger import inbox

pytestmark = pytest.mark.slow


def test_a_new_box(cli, tmp_path):
    url = "mqtt://127.0.0.1:1"  # nobody listens on port 1
    cli("init", tmp_path, "--data-dir", tmp_path / "data", "--console-url", url)
    edge = tmp_path / "edge.toml"
    edge.write_text(edge.read_text().replace('# listen = "127.0.0.1:8088"', 'listen = "127.0.0.1:0"'))
    ran = cli("doctor", "--config", tmp_path)
    assert ran.status == 1
    grades = {line.split()[0] for line in ran.out.splitlines()}
    assert grades <= {"ok", "warn", "fail"}
    assert [line.split()[1] for line in ran.out.splitlines() if line.startswith("fail")] == ["broker"]
    assert all("| mend: " in line for line in ran.out.splitlines() if not line.startswith("ok"))
    objects = [json.loads(line) for line in cli("doctor", "--config", tmp_path, "--json").out.splitlines()]
    assert {"grade", "check", "text", "mend"} == set(objects[0])
    assert {o["check"] for o in objects} >= {"clock", "disk", "broker", "ledger", "ports"}


def test_a_broken_configuration_is_2(cli, tmp_path):
    (tmp_path / "edge.toml").write_text("x = 1")
    ran = cli("doctor", "--config", tmp_path)
    assert (ran.status, "fail  configuration" in ran.out) == (2, True)


def test_the_console_is_told_what_fails_where_that_is_asked_for_and_of_nothing_else(cli, tmp_path):
    data = tmp_path / "data"
    data.mkdir(mode=0o750)
    cli("init", tmp_path, "--data-dir", data, "--console-url", "mqtt://127.0.0.1:1")
    edge = tmp_path / "edge.toml"
    edge.write_text(edge.read_text().replace('# listen = "127.0.0.1:8088"', 'listen = "127.0.0.1:0"'))
    assert cli("doctor", "--config", tmp_path).status == 1
    assert not (data / inbox.FOLDER).exists()
    assert cli("doctor", "--config", tmp_path, "--tell").status == 1
    ((_, note),) = inbox.waiting(data, SystemClock())
    assert (note.left.kind, note.left.outcome) == ("doctor", "failed")
    assert note.left.detail.startswith("broker: ")
    assert "clock" not in note.left.detail  # a warning is no failure
