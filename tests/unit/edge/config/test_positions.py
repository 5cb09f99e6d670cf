"""The position finder against the parser: same keys, right lines."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config.positions import lines

DOCUMENT = '''\
# comment with [header] and key = 1
title = "a # not a comment"          # one
"quoted \\"key\\"" . 'lit.eral' = 1
a.b.c = [1, 2,   # a comment ] in an array
  [3, "]"],
  {x = 1, y.z = "}"},
]
text = """
[not.a.header]
also = "not a key" \\\\
tail with quotes: """""
raw = \'\'\'
\\\'\'\' # closed
when = 1979-05-27 07:32:00

[t]   # table
k = true
[t.deep."er.x"]
v = -inf
[[points]]
name = "one"
[points.sub]
q = 1
[[points]]
name = 'two'
[[points.inner]]
i = 0
[[points.inner]]
i = 1
'''


def paths(value: object, at: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """Every path into a parsed document."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {at}.union(*(paths(child, (*at, key)) for key, child in children))


def test_finds_each_key_on_its_line():
    found = lines(DOCUMENT)
    assert set(found) == paths(tomllib.loads(DOCUMENT))
    first = {line.strip(): number for number, line in reversed(list(enumerate(DOCUMENT.splitlines(), 1)))}
    expected = {
        ("title",): 2,
        ('quoted "key"', "lit.eral"): 3,
        ("a", "b", "c"): 4,
        ("a", "b", "c", 2): 5,
        ("a", "b", "c", 2, 1): 5,
        ("a", "b", "c", 3, "y", "z"): 6,
        ("text",): 8,
        ("raw",): 12,
        ("when",): 14,
        ("t",): first["[t]   # table"],
        ("t", "k"): first["k = true"],
        ("t", "deep"): first['[t.deep."er.x"]'],
        ("t", "deep", "er.x", "v"): first["v = -inf"],
        ("points",): first["[[points]]"],
        ("points", 0, "name"): first['name = "one"'],
        ("points", 0, "sub", "q"): first["q = 1"],
        ("points", 1, "name"): first["name = 'two'"],
        ("points", 1, "inner", 0, "i"): first["i = 0"],
        ("points", 1, "inner", 1, "i"): first["i = 1"],
    }
    assert {path: found[path] for path in expected} == expected


@pytest.mark.parametrize("ends", ["\r\n", "\n"])
def test_no_line_end_needed_at_the_end(ends):
    assert lines(f"a = 1{ends}{ends}b = 2") == {(): 1, ("a",): 1, ("b",): 3}


KEYS = st.text("abAB09_-", min_size=1, max_size=3) | st.text(min_size=1, max_size=3).map(
    lambda t: t.encode("utf-8", "ignore").decode()
)
SCALARS = st.one_of(
    st.integers(-(2**62), 2**62),
    st.booleans(),
    st.floats(allow_nan=False),
    st.datetimes().map(lambda d: d.replace(microsecond=0)),
    st.text(max_size=6).map(lambda t: t.encode("utf-8", "ignore").decode()),
)
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(KEYS, v, max_size=3), max_leaves=6)


def basic(text: str) -> str:
    """A TOML basic string of any text."""
    return '"' + "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in text) + '"'


def key(name: str) -> str:
    """A TOML key of any text: bare where it may be."""
    return name if name and all(c in "abAB09_-" for c in name) else basic(name)


class Writer:
    """Writes a document in one of its many forms, drawn by hypothesis, and remembers each key's line."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.parts: list[str] = []
        self.expected: dict[tuple[str | int, ...], int] = {(): 1}

    def put(self, text: str) -> None:
        self.parts.append(text)

    def line(self) -> int:
        return "".join(self.parts).count("\n") + 1

    def choice(self, *options: str) -> str:
        return self.data.draw(st.sampled_from(options))

    def noise(self) -> None:
        self.put(self.choice("", "\n", "# [x] = {\n", "  \n"))

    def string(self, value: str) -> str:
        forms = [basic(value), '"""\n' + basic(value)[1:-1] + '"""']
        if value.isalnum() and value.isascii():
            forms += [f"'{value}'", f"'''{value}'''", f'"""""{value}"""']
            value_with_quotes = f'"""{value}"""""'
            forms.append(value_with_quotes)
        return self.choice(*forms)

    def value(self, value: object, path: tuple[str | int, ...], inline: bool = False) -> None:
        if isinstance(value, bool):
            self.put("true" if value else "false")
        elif isinstance(value, str):
            self.put(self.string(value) if not inline else basic(value))
        elif isinstance(value, list):
            self.put("[")
            for index, element in enumerate(value):
                self.noise() if not inline else None
                self.expected[(*path, index)] = self.line()
                self.value(element, (*path, index), inline)
                self.put(self.choice(",", " , "))
            self.put("]")
        elif isinstance(value, dict):
            self.put("{")
            for index, (name, element) in enumerate(value.items()):
                self.put(", " if index else " ")
                self.expected[(*path, name)] = self.line()
                self.put(key(name) + "=")
                self.value(element, (*path, name), inline=True)
            self.put("}")
        else:
            self.put(str(value).replace("e", "E") if isinstance(value, float) else str(value))

    def pairs(self, table: dict[str, object], path: tuple[str | int, ...]) -> None:
        for name, value in table.items():
            self.noise()
            self.expected[(*path, name)] = self.line()
            self.put(self.choice("", "  ") + key(name) + self.choice("=", " = ", "\t="))
            self.value(value, (*path, name))
            self.put(self.choice("\n", " # c = 1\n"))


@given(
    st.dictionaries(KEYS, VALUES, max_size=3),
    st.lists(st.dictionaries(KEYS, VALUES, max_size=2), max_size=3),
    st.data(),
)
def test_agrees_with_the_parser_and_the_writer(top, tables, data):
    writer = Writer(data)
    writer.pairs(top, ())
    for index, table in enumerate(tables):
        writer.noise()
        writer.expected.setdefault(("tables of", "this"), writer.line())
        writer.expected.setdefault(("tables of",), writer.line())
        writer.expected[("tables of", "this", index)] = writer.line()
        writer.put('[[ "tables of" . this ]]\n')
        writer.pairs(table, ("tables of", "this", index))
    text = "".join(writer.parts)
    found = lines(text)
    assert set(found) == paths(tomllib.loads(text))
    assert found == writer.expected
