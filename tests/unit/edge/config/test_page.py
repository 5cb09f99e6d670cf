"""`[web]`: what other machines can reach needs TLS and somebody who may sign in."""

import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.config import page, users
from edge.config.load import examine, load
from edge.config.problems import ConfigProblems, Level
from edge.web.guard import origin
from tests.certs import issue
from tests.unit.edge.config.conftest import EDGE

HASH = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aaaa"
SCANNER = 'driver = "scanner"\nmodel = "baggage"\n'


def said(path, level=Level.ERROR):
    problems = [each for each in examine(path).problems if each.level is level]
    return [str(each).replace(f"{path}/", "") for each in problems]


def user(role=users.Role.TECHNICIAN):
    return users.User(role=role, password=HASH, since=datetime(2026, 11, 21, tzinfo=UTC))


def beyond(folder, more=""):
    return folder(EDGE + f'[web]\nlisten = "0.0.0.0:8443"\n{more}', x=SCANNER)


def test_beyond_loopback_without_anything(folder):
    path = beyond(folder)
    assert said(path) == [
        "edge.toml:10: web.listen: other machines reach this address: it needs TLS, a cert_file and its key_file; or"
        " listen on 127.0.0.1",
        "edge.toml:10: web.listen: other machines reach this address: somebody must be able to sign in, and there is no"
        " users.toml; `jaitf-edge web adduser NAME --role technician` makes it",
    ]


def test_beyond_loopback_with_both(folder, tmp_path):
    issue(tmp_path)
    users.put(tmp_path / "users.toml", "ama", user())
    path = beyond(folder, 'cert_file = "page.pem"\nkey_file = "page.key"\n')
    assert (said(path), said(path, Level.WARNING)) == ([], [])
    web = examine(path).config.web
    assert (web.cert_file, web.users_file) == (tmp_path / "page.pem", tmp_path / "users.toml")


def test_the_certificate_of_the_documents_does(folder, tmp_path):
    document = (Path(__file__).parents[4] / "docs" / "security.md").read_text()
    command = re.search(r"^\$ (openssl req .*?)\n```", document, re.MULTILINE | re.DOTALL)[1]
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, capture_output=True)
    users.put(tmp_path / "users.toml", "ama", user())
    web = re.search(r"```toml\n(\[web\].*?)```", document, re.DOTALL)[1]
    assert said(folder(EDGE + web, x=SCANNER)) == []
    assert "lane-3.example" in origin.Names((), tmp_path / "page.pem")


def test_on_loopback_nothing_is_needed(folder):
    path = folder(EDGE + '[web]\nlisten = "[::1]:8088"\n', x=SCANNER)
    assert (said(path), said(path, Level.WARNING)) == ([], [])


def test_a_certificate_without_its_key_and_the_other_way(folder, tmp_path):
    issue(tmp_path)
    for given, needed in (("cert_file", "key_file"), ("key_file", "cert_file")):
        path = folder(EDGE + f'[web]\n{given} = "page.pem"\n', x=SCANNER)
        assert said(path) == [f"edge.toml:10: web.{given}: needs {needed} beside it"]


def test_a_certificate_that_does_not_do(folder, tmp_path):
    issue(tmp_path, "other")
    issue(tmp_path, "locked", password="secret")
    web = '[web]\ncert_file = "{}"\nkey_file = "{}"\n'
    for cert, key in (("other.pem", "page.key"), ("locked.pem", "locked.key"), ("edge.toml", "page.key")):
        issue(tmp_path)
        (only,) = said(folder(EDGE + web.format(cert, key), x=SCANNER))
        assert only.startswith("edge.toml:10: web.cert_file: cannot be used with key_file: ")
    (tmp_path / "page.key").chmod(0o644)
    (only,) = said(folder(EDGE + web.format("page.pem", "page.key"), x=SCANNER))
    assert only.startswith("edge.toml:11: web.key_file: every user of this machine can read it; chmod o-rwx ")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[users\n", "not TOML: "),
        ('[users.ama]\nrole = "admin"\npassword = "x"\n', "users.ama.role: "),
        ('[users."A b"]\nrole = "viewer"\n', "users.A b."),
        ("x = 1\n", "x: "),
    ],
)
def test_a_list_that_is_none(folder, tmp_path, text, problem):
    path = folder(EDGE, x=SCANNER)
    (path / "users.toml").write_text(text)
    (path / "users.toml").chmod(0o600)
    assert said(path)[0].startswith(f"users.toml:1: -: {problem}")


def test_a_list_that_others_read_or_without_a_technician(folder, tmp_path):
    path = folder(EDGE, x=SCANNER)
    users.put(path / "users.toml", "kofi", user(users.Role.VIEWER))
    (only,) = said(path, Level.WARNING)
    assert only.startswith("users.toml:1: -: warning: no technician among them")
    users.remove(path / "users.toml", "kofi")
    assert "nobody can sign in" in said(path, Level.WARNING)[0]
    (path / "users.toml").chmod(0o644)
    assert said(path) == ["users.toml:1: -: others can read or change it; chmod 600 users.toml"]


def test_users_are_where_the_configuration_says(folder, tmp_path):
    assert page.users_file(folder(EDGE + '[web]\nusers_file = "/srv/u.toml"\n')).as_posix() == "/srv/u.toml"
    for broken in ("[web", "web = 3\n", None):
        assert page.users_file(folder(broken)) == tmp_path / "users.toml"


def test_what_is_written_is_what_is_read(tmp_path):
    path = tmp_path / "users.toml"
    for name in ("zoe", "ama", "a.b-c_9"):
        users.put(path, name, user())
    assert list(users.read(path)) == ["a.b-c_9", "ama", "zoe"]
    assert users.read(path)["zoe"] == user()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["users.toml"]


def test_what_is_wrong_with_the_page_does_not_stop_the_lane(folder):
    loaded = load(beyond(folder))
    assert loaded.web.listen == "" and loaded.page_off.startswith(f"{loaded.folder}/edge.toml:10: web.listen: other")
    assert load(folder(EDGE, x=SCANNER)).page_off == ""
    with pytest.raises(ConfigProblems):
        load(beyond(folder, "port = 1\n"))


@pytest.mark.parametrize("key", ["users_file", "cert_file"])
def test_a_file_that_is_named_and_missing_closes_the_page(folder, key):
    path = folder(EDGE + f'[web]\n{key} = "none"\nkey_file = "none"\n', x=SCANNER)
    assert any(each.endswith(f"no such file: {path}/none".replace(f"{path}/", "")) for each in said(path))
    assert load(path).web.listen == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize(("gid", "mode"), [(0, 0o600), (1, 0o640)])
def test_the_service_reads_what_root_writes(tmp_path, gid, mode):
    os.chown(tmp_path, 0, gid)
    for name in ("ama", "kofi"):
        users.put(tmp_path / "users.toml", name, user())
    about = (tmp_path / "users.toml").stat()
    assert (about.st_uid, about.st_gid, about.st_mode & 0o777) == (0, gid, mode)
    assert len(users.read(tmp_path / "users.toml")) == 2
