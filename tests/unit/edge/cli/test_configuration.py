"""`init`, `check` and `drivers`, with the real drivers."""

import json

import pytest

from drivers.registry import available


def test_a_new_configuration_passes_check(cli, tmp_path):
    folder = tmp_path / "etc"
    made = cli("init", folder, "--site", "cdg", "--data-dir", tmp_path / "data", "--console-url", "mqtt://127.0.0.1:1")
    assert made.status == 0
    assert {str(path) for path in folder.rglob("*") if path.is_file()} == set(made.out.splitlines())
    checked = cli("check", "--config", folder, "--json")
    assert checked.status == 0
    assert json.loads(checked.out.splitlines()[-1])["level"] == "ok"
    assert 'site = "cdg"' in (folder / "edge.toml").read_text()
    again = cli("init", folder)
    assert again.status == 2 and "is there already" in again.err


def test_init_refuses_what_check_would(cli, tmp_path):
    ran = cli("init", tmp_path / "etc", "--site", "LFW")
    assert ran.status == 2 and "appliance.site" in ran.err and not (tmp_path / "etc").exists()


def test_init_where_it_may_not_write(cli, tmp_path):
    (tmp_path / "file").touch()
    ran = cli("init", tmp_path / "file" / "etc")
    assert (ran.status, ran.err.endswith("[store]\n")) == (1, True)


@pytest.mark.parametrize("name", available())
def test_every_driver_s_example_passes_check(cli, tmp_path, name):
    cli("init", tmp_path)
    for path in (tmp_path / "devices").glob("*.toml"):
        path.unlink()
    (tmp_path / "devices" / f"{name}.toml.example").rename(tmp_path / "devices" / "device-1.toml")
    ran = cli("check", "--config", tmp_path)
    assert (ran.status, "device-1" in ran.out) == (0, False), ran.out


def test_check_says_everything(cli, tmp_path, monkeypatch):
    cli("init", tmp_path)
    edge = tmp_path / "edge.toml"
    edge.write_text(edge.read_text().replace("site =", "sit ="))
    monkeypatch.setenv("JAITF_EDGE_CONFIG", str(tmp_path))
    ran = cli("check")
    number = 1 + edge.read_text().splitlines().index('sit = "lfw"')
    assert ran.status == 2
    assert f"{edge}:{number}: appliance.sit: unknown key (did you mean site?)" in ran.out.splitlines()
    lines = [json.loads(line) for line in cli("check", "--json").out.splitlines()]
    assert {
        "level": "error",
        "file": str(edge),
        "line": number,
        "key": "appliance.sit",
        "problem": "unknown key",
        "did_you_mean": "site",
    } in lines


def test_drivers(cli):
    assert [line.split()[0] for line in cli("drivers").out.splitlines()[1:]] == list(available())
    objects = [json.loads(line) for line in cli("drivers", "--json").out.splitlines()]
    assert [o["name"] for o in objects] == list(available())
    for name, info in available().items():
        shown = cli("drivers", name).out
        assert info.summary in shown and info.example.splitlines()[0] in shown
        assert json.loads(cli("drivers", name, "--json").out)["settings"]
    wrong = cli("drivers", "fodler")
    assert (wrong.status, "did you mean folder?" in wrong.err) == (2, True)
