"""The validator on bytes of any kind, and its command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from drivers.dicos.validator import validate
from edge.cli.dicos import app
from simulators.bodyscanner.wire import picture
from simulators.dicosfiles import made


@given(st.binary(max_size=400))
def test_no_bytes_break_it(data: bytes) -> None:
    assert validate(data)
    assert validate(bytes(128) + b"DICM" + data)


@given(st.data())
def test_no_damage_breaks_it(data: st.DataObject) -> None:
    raw = bytearray(made())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    for problem in validate(bytes(raw)):
        assert problem.problem and problem.name


def test_what_is_no_dicos_is_said_once() -> None:
    tags = [problem.tag for problem in validate(made(SOPClassUID="1.2.840.10008.5.1.4.1.1.2"))]
    assert "(0008,0016)" in tags and len(tags) <= 3


def test_a_picture_of_a_person_is_named(tmp_path: Path) -> None:
    file = tmp_path / "person.dcs"
    picture(1).save_as(file, enforce_file_format=True)
    assert any("person" in problem.problem for problem in validate(file.read_bytes()))


@pytest.mark.parametrize("as_json", [True, False])
def test_the_command(as_json: bool, tmp_path: Path) -> None:
    file = tmp_path / "dx.dcs"
    file.write_bytes(made())
    missing = tmp_path / "missing.dcs"
    ran = CliRunner().invoke(app, ["validate", str(file), str(missing), *(["--json"] if as_json else [])])
    assert ran.exit_code == 1
    if as_json:
        first, second = (json.loads(line) for line in ran.stdout.splitlines())
        assert first["file"] == str(file) and not first["ok"]
        assert {"tag": "(0018,0060)", "name": "KVP", "problem": "missing"} in first["problems"]
        assert second["problems"] == [{"tag": "", "name": "File", "problem": "No such file or directory"}]
    else:
        assert "(0018,0060) KVP: missing" in ran.stdout
