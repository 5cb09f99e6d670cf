"""`drivers new`: the beginning of a driver of one's own."""

import json

import pytest


def test_a_new_driver_is_begun(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = cli("drivers", "new", "hall-gate", "--like", "serial-lines")
    assert ran.status == 0
    assert "jaitf-driver-hall-gate/hall_gate/codec.py" in ran.out.splitlines()
    assert "cd jaitf-driver-hall-gate && " in ran.err and "-m pip install -e '.[test]'" in ran.err
    assert "-m pytest -x" in ran.err
    assert (tmp_path / "jaitf-driver-hall-gate" / "hall_gate" / "driver.py").exists()
    ran = cli("drivers", "new", "hall-gate", "--like", "pictures", "--out", "there", "--json")
    assert all((tmp_path / json.loads(line)["file"]).exists() for line in ran.out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["new"], "new which driver?"),
        (["new", "hall-gate"], "what is the device like?"),
        (["new", "hall-gate", "--like", "wireless"], "'wireless' is not one of"),
        (["new", "dicos", "--like", "pictures"], "a driver is called 'dicos' already"),
        (["new", "Hall Gate", "--like", "pictures"], "no driver's name"),
        (["dicos", "--like", "pictures"], "go with new NAME"),
    ],
)
def test_wrong_use(cli, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    ran = cli("drivers", *arguments)
    assert ran.status == 2
    assert says in ran.err
    assert not list(tmp_path.iterdir())
