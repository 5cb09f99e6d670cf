"""`jaitf-edge web`: who may sign in."""

import json

import pytest

from drivers.clock import SystemClock
from edge.config import users
from edge.ledger import inbox
from edge.signing import whoami
from edge.web.guard import passwords

PASSWORD = "correct horse battery staple"


@pytest.fixture
def config(tmp_path):
    (tmp_path / "edge.toml").write_text('[web]\nusers_file = "people.toml"\n')
    return tmp_path


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text(f"{PASSWORD}\nnot this\n")
    return path


def test_people_come_and_go(cli, config, secret):
    with_it = ("--config", config, "--password-file", secret)
    assert cli("web", "users", "--config", config).err.endswith("adds the first\n")
    ran = cli("web", "adduser", "ama", "--role", "technician", *with_it)
    assert (ran.status, ran.out) == (0, f"ama may sign in as technician; {config}/people.toml\n")
    assert cli("web", "adduser", "kofi", "--role", "viewer", *with_it).status == 0
    assert cli("web", "adduser", "kofi", "--role", "viewer", *with_it).status == 2
    listed = [json.loads(line) for line in cli("web", "users", "--config", config, "--json").out.splitlines()]
    assert [(each["name"], each["role"]) for each in listed] == [("ama", "technician"), ("kofi", "viewer")]
    assert "$" not in cli("web", "users", "--config", config).out
    path = config / "people.toml"
    assert path.stat().st_mode & 0o777 == 0o600
    assert passwords.matches(users.read(path)["ama"].password, PASSWORD)
    secret.write_text("another password 2")
    assert cli("web", "password", "ama", *with_it).status == 0
    assert passwords.matches(users.read(path)["ama"].password, "another password 2")
    assert users.read(path)["ama"].role is users.Role.TECHNICIAN
    assert cli("web", "remove", "ama", "--config", config).out == "ama is out; 1 left\n"
    assert "nobody can sign in" in cli("web", "remove", "kofi", "--config", config).out
    for gone in (("remove", "ama"), ("password", "ama", "--password-file", secret)):
        assert cli("web", *gone, "--config", config).status == 2


def test_a_password_is_asked_for_twice_and_not_shown(cli, config, monkeypatch):
    typed = iter([PASSWORD, "something else", PASSWORD, PASSWORD])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda prompt: next(typed))
    without = cli("web", "adduser", "ama", "--role", "technician", "--config", config)
    assert (without.status, "--password-file" in without.err) == (2, True)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    ran = cli("web", "adduser", "ama", "--role", "technician", "--config", config)
    assert ran.status == 0
    assert PASSWORD not in ran.out + ran.err
    assert passwords.matches(users.read(config / "people.toml")["ama"].password, PASSWORD)


@pytest.mark.parametrize(
    ("name", "password", "said"),
    [
        ("Ama", PASSWORD, "a name is lower-case"),
        ("a b", PASSWORD, "a name is lower-case"),
        ("local", PASSWORD, "not local"),
        ("ama", "short", "at least 12 characters"),
        ("ama", "aaaaaaaaaaaaaaaa", "too easily guessed"),
    ],
)
def test_what_is_refused(cli, config, secret, name, password, said):
    secret.write_text(password)
    ran = cli("web", "adduser", name, "--role", "viewer", "--config", config, "--password-file", secret)
    assert (ran.status, said in ran.err) == (2, True)
    assert not (config / "people.toml").exists()
    assert password not in ran.out + ran.err


def test_who_let_somebody_in_is_written_down(cli, tmp_path, secret):
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "edge.toml").write_text(
        f'[appliance]\nsite = "lfw"\nlane = "t1"\nid = "edge-01"\ndata_dir = "{data}"\n[console]\nurl = "mqtt://127.0.0.1:1"\n'
    )
    for words in (("adduser", "ama", "--role", "technician"), ("password", "ama")):
        assert cli("web", *words, "--config", tmp_path, "--password-file", secret).status == 0
    assert cli("web", "remove", "ama", "--config", tmp_path).status == 0
    taken = [take for _, take in inbox.waiting(data, SystemClock())]
    assert sorted(take.left.detail for take in taken) == [
        "ama has another password",
        "ama may sign in as technician",
        "ama may sign in no more",
    ]
    assert {(take.left.kind, take.left.by) for take in taken} == {("users", whoami())}
    (data / "inbox").rename(tmp_path / "away")
    (data / "inbox").touch()  # no note can be left: then nobody is let in
    assert (
        cli("web", "adduser", "kofi", "--role", "viewer", "--config", tmp_path, "--password-file", secret).status == 1
    )
    assert users.read(tmp_path / "users.toml") == {}
