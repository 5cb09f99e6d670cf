"""What a version says of itself to an update that asks."""

import json

from edge import __version__
from edge.ledger.store import connect, migrate, migrations
from edge.update.facts import facts, ways_back


def configured(folder):
    (folder / "data").mkdir()
    (folder / "edge.toml").write_text(
        f'[appliance]\nsite = "lfw"\nlane = "t1"\nid = "edge-01"\ndata_dir = "{folder}/data"\n'
        '[console]\nurl = "mqtt://127.0.0.1:1883"\n'
    )
    return folder


def test_a_box_that_is_not_configured_has_no_ledger(tmp_path):
    said = facts(tmp_path)
    assert (said.version, said.data_dir, said.found, said.standing) == (__version__, None, None, None)
    assert said.knows == migrations()[-1][0]


def test_the_ledgers_schema_and_which_devices_worked(tmp_path):
    folder = configured(tmp_path)
    assert facts(folder).found is None
    db = connect(folder / "data" / "ledger.db")
    migrate(db)
    db.close()
    devices = {name: {"state": state} for name, state in (("a", "up"), ("b", "down"), ("c", "degraded"))}
    standing = {"health": {"at": "10:00", "uptime_s": 7.5}, "devices": devices}
    (folder / "data" / "standing.json").write_text(json.dumps(standing))
    said = facts(folder)
    assert (said.data_dir, said.found) == (str(folder / "data"), migrations()[-1][0])
    assert (said.standing.at, said.standing.uptime_s, said.standing.working) == ("10:00", 7.5, ("a", "c"))


def test_what_cannot_be_read_is_none(tmp_path):
    folder = configured(tmp_path)
    (folder / "data" / "ledger.db").write_bytes(b"no ledger")
    for text in ("", "{}", "[1]", '{"health": 1, "devices": 2}'):
        (folder / "data" / "standing.json").write_text(text)
        said = facts(folder)
        assert (said.found, said.standing) == (None, None)


def test_every_step_of_the_ledger_from_now_on_has_its_way_back():
    """A version that brings a step without one would be refused by every box that is to be updated."""
    assert {str(number) for number, _ in migrations() if number > 2} == set(ways_back())
