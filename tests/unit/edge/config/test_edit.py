"""Single values of somebody's TOML file are changed; all else stays, comments too."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import template
from edge.config.edit import with_values

FILE = """\
# ours
[appliance]
site = "lfw"       # Lomé
# lane = "t1"
stream = "post"

[lane]
belt_mps = 0.2

[[signals]]
name = "lamp"
"""


def test_a_value_is_changed_where_it_stands_and_its_comment_stays():
    assert 'site = "bog"       # Lomé\n' in with_values(FILE, {("appliance", "site"): "bog"})


def test_a_commented_key_is_set_in_its_place():
    changed = with_values(FILE, {("appliance", "lane"): "t9"})
    assert changed == FILE.replace('# lane = "t1"', 'lane = "t9"')


def test_a_new_key_goes_under_its_table_and_a_new_table_to_the_end():
    changed = with_values(FILE, {("appliance", "id"): "edge-01", ("console", "url"): "mqtt://127.0.0.1:1883"})
    assert '[appliance]\nid = "edge-01"\n' in changed
    assert changed.endswith('[console]\nurl = "mqtt://127.0.0.1:1883"\n')


def test_a_key_is_taken_out():
    assert with_values(FILE, {("appliance", "stream"): None}) == FILE.replace('stream = "post"\n', "")
    assert with_values(FILE, {("appliance", "id"): None}) == FILE


@pytest.mark.parametrize(
    "text", ['[appliance]\nsite = """\nx"""\n', 'appliance.site = "x"\n', 'appliance = { site = "x" }\n']
)
def test_what_cannot_be_changed_is_refused(text):
    with pytest.raises(ValueError, match="by hand"):
        with_values(text, {("appliance", "site"): "y"})


@given(
    table=st.sampled_from(["appliance", "console", "storage", "web", "new"]),
    key=st.sampled_from(["site", "url", "id", "root", "keep_days", "other"]),
    value=st.one_of(st.text(), st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False)),
)
def test_the_whole_template_keeps_its_meaning(table, key, value):
    before = template.edge_toml("/etc/x", {"console.url": 'mqtt://"#"'})
    after = with_values(before, {(table, key): value})
    wanted = tomllib.loads(before)
    wanted.setdefault(table, {})[key] = value
    assert tomllib.loads(after) == wanted
    others = {row for row in before.split("\n") if row.startswith("# ") and f"{key} =" not in row}
    assert others <= set(after.split("\n"))
