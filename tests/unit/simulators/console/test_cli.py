"""The command: its help, its refusals, and what it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulators.console.cli import app
from tests.unit.simulators.console.process import Console

pytestmark = pytest.mark.slow

NOBODY = "mqtt://127.0.0.1:1"


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def test_help_shows_an_example() -> None:
    status, output = run("--help")
    assert status == 0
    assert "Example: jaitf-console --broker mqtt://127.0.0.1:1883" in " ".join(output.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--broker"),
        (["--broker", "127.0.0.1"], "mqtt://HOST:PORT"),
        (["--broker", NOBODY, "--listen", "8090"], "HOST:PORT"),
        (["--broker", NOBODY, "--listen", "127.0.0.1:70000"], "HOST:PORT"),
        (["--broker", NOBODY, "--root", "a/#"], "first part of a topic"),
        (["--broker", NOBODY, "--colour"], "--colour"),
    ],
)
def test_wrong_use_exits_with_2(arguments: list[str], said: str) -> None:
    status, output = run(*arguments)
    assert status == 2
    assert said in output


def test_a_file_that_is_no_store_exits_with_1_and_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "letter.db"
    file.write_text("Dear colleague, " * 400)
    status, output = run("--broker", NOBODY, "--listen", "127.0.0.1:0", "--data", str(file))
    assert status == 1
    assert "letter.db" in output
    assert "not a database" in output
    assert file.read_text().startswith("Dear colleague")


@pytest.mark.parametrize("json_lines", [True, False])
def test_the_address_is_printed_where_any_port_was_asked_for(tmp_path: Path, json_lines: bool) -> None:
    more = ["--json"] if json_lines else []
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "simulators.console.cli",
            "--broker",
            NOBODY,
            "--listen",
            "127.0.0.1:0",
            *more,
            "--data",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    process.terminate()
    rest, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    url = json.loads(line)["url"] if json_lines else line.removeprefix("console: ").strip()
    assert url.startswith("http://127.0.0.1:")
    assert not url.endswith(":0")
    if json_lines:
        assert all(isinstance(json.loads(each), dict) for each in rest.splitlines())


def test_a_page_open_to_others_is_warned_of(tmp_path: Path) -> None:
    console = Console(NOBODY, tmp_path, listen="0.0.0.0:0")
    console.wait_for(event="listening")
    assert console.stop() == 0
    assert "asks nobody who they are" in console.errors()
    console.close()
