"""What is printed keeps to its line and its columns."""

import json

from hypothesis import given
from hypothesis import strategies as st

from edge.cli import output


@given(st.text())
def test_one_line_is_one_line(text):
    assert output.one_line(text).isprintable()
    assert len(f"x{output.one_line(text)}x".splitlines()) == 1


def test_one_line_leaves_words_alone():
    assert output.one_line("Lomé, 5 µSv/h") == "Lomé, 5 µSv/h"


def test_a_table_has_columns(capsys):
    output.table(["NAME", "WHAT"], [["a", "first"], ["longer", "second one"]])
    assert capsys.readouterr().out == "NAME    WHAT\na       first\nlonger  second one\n"
    output.table(["NAME", "WHAT"], [])
    assert capsys.readouterr().out == "NAME  WHAT\n"


def test_json_is_one_line(capsys):
    output.json_line({"a": "x\ny", "b": "é"})
    out = capsys.readouterr().out
    assert out == '{"a":"x\\ny","b":"é"}\n' and json.loads(out)["a"] == "x\ny"
