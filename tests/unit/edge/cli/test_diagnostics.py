"""The archive for support: what it has, and that no planted secret is in it."""

import asyncio
import hashlib
import json
import zipfile
from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drivers.errors import ConfigError
from edge import standing
from edge.commands.redact import MASK
from edge.config import users
from edge.contract.examples import _health
from edge.diagnostics import LEFT_OUT, gather, write
from edge.discretion import Discretion
from edge.ledger import Ledger
from edge.messages import DeviceMessage
from tests.certs import issue
from tests.core import FakeClock, events, record, scan_hit, until

pytestmark = pytest.mark.slow

SECRETS = {
    "password file": "Blau-Wal_77",
    "camera's password": "hunt/er@2",
    "user of an address": "kamera-admin",
    "password in the configuration": "Zwei Worte, gross",
    "password in a broken file": "kaputt-Geheim9",
    "comment": "my-wifi-is-summer2026",
    "password of the log": "aus-dem-Log-42",
    "handler": "SN-20417",
    "tag": "3074257BF7194E4000001A85",
    "user": "akosua.mensah",
    "bag tag": "0220123456",
    "bag tag in groups": "0220 123 456",
    "travel document": "P<UTOERIKSSON<<ANNA<MARIA",
    "document's number": "L898902C36UTO7408122F1204159",
    "picture": "PICTUREBYTES",
    "hash": "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aaaa",
}
LOG = f"""\
2026-11-21 09:30:00,001 INFO jaitf.core: ready: lfw/edge-01, 2 devices
2026-11-21 09:30:01,002 WARNING jaitf.core: cam-1: no answer from rtsp://kamera-admin:hunt/er@2@10.0.0.9/main
2026-11-21 09:30:02,003 WARNING jaitf.core: the broker said Blau-Wal_77 is wrong
2026-11-21 09:30:03,004 WARNING jaitf.core: token: aus-dem-Log-42
2026-11-21 09:30:04,005 INFO jaitf.web: signed-in: Akosua.Mensah from 10.1.2.3
2026-11-21 09:30:05,006 DEBUG jaitf.core: tag 0220123456, 0220 123 456, {SECRETS["travel document"]}
2026-11-21 09:30:05,106 DEBUG jaitf.core: {SECRETS["document's number"]}
2026-11-21 09:30:06,007 DEBUG jaitf.core: dog's tag 3074257BF7194E4000001A85 with SN-20417
2026-11-21 09:30:07,008 INFO jaitf.core: hit 019d3c6e-7a51-7c1e-b1a0-5f0c7d6f2c11 is sent
"""


@pytest.fixture
def planted(tmp_path):
    """An appliance's folder and data directory with a secret wherever there can be one."""
    folder, data = tmp_path / "etc", tmp_path / "data"
    (folder / "devices").mkdir(parents=True)
    issue(folder)
    (folder / "console.password").write_text(SECRETS["password file"] + "\n")
    (folder / "edge.toml").write_text(
        f"# {SECRETS['comment']}\n"
        f'[appliance]\nsite = "lfw"\nlane = "t1"\nid = "edge-01"\ndata_dir = "{data}"\n'
        '[console]\nurl = "mqtts://127.0.0.1:1"\nusername = "edge-01"\npassword_file = "console.password"\n'
        '[web]\nlisten = "127.0.0.1:0"\ncert_file = "page.pem"\nkey_file = "page.key"\n'
    )
    (folder / "devices" / "cam-1.toml").write_text(
        'driver = "screen"\nmodel = "baggage"\n[settings]\nurl = "rtsp://10.0.0.9/main"\n'
    )
    (folder / "teams.toml").write_text(
        f'[[team]]\nname = "K9 1"\ndog = "Rex"\nhandler = "{SECRETS["handler"]}"\nepcs = ["{SECRETS["tag"]}"]\n'
    )
    user = users.User(role=users.Role.VIEWER, password=SECRETS["hash"], since=datetime.now(UTC))
    users.put(folder / "users.toml", SECRETS["user"], user)
    (tmp_path / "edge.log").write_text(LOG)
    asyncio.run(_ledger(data))
    (data / standing.FILE).write_text(
        json.dumps(
            {"health": {"blind": False}, "devices": {"cam-1": {"reason": "rtsp://kamera-admin:hunt/er@2@10.0.0.9"}}}
        )
    )
    return tmp_path


async def _ledger(data):
    clock = FakeClock()
    ledger = Ledger(data, events(), clock, quota_bytes=10**9, keep_days=30, on_commit=lambda *_: None)
    ledger.start()
    await ledger.commit(record(scan_hit(clock.now(), SECRETS["picture"].encode())))
    await ledger.close()


def archive(planted, name="out.zip"):
    out = planted / name
    members = list(write(gather(planted / "etc", planted / "edge.log"), out))
    with zipfile.ZipFile(out) as found:
        assert [each.filename for each in found.infolist()] == [member.name for member in members]
        return {each.filename: found.read(each) for each in found.infolist()}


def keyless(planted):
    rows = (planted / "etc" / "page.key").read_text().splitlines()[1:-1]
    return [row.encode() for row in rows if len(row) > 8]


def assert_nothing_planted(planted, files):
    for what, secret in SECRETS.items():
        for name, data in files.items():
            assert secret.encode().lower() not in data.lower(), (what, name)
    for name, data in files.items():
        assert not any(row in data for row in keyless(planted)), name


def test_no_secret_is_in_it(planted):
    files = archive(planted)
    assert_nothing_planted(planted, files)
    everything = b"".join(files.values()).decode()
    assert "10.0.0.9" in everything and "019d3c6e-7a51-7c1e-b1a0-5f0c7d6f2c11" in everything  # what support asks for
    assert "2026-11-21 09:30:07,008 INFO jaitf.core" in files["log.txt"].decode()


def test_what_is_in_it(planted):
    files = {name: data.decode() for name, data in archive(planted).items()}
    assert set(files) >= {"versions.json", "check.txt", "doctor.txt", "log.txt", "manifest.json"}
    assert json.loads(files["configuration/edge.toml.json"])["console"]["password_file"] == "console.password"
    assert json.loads(files["configuration/teams.toml.json"])["team"][0]["handler"] == "(person)"
    assert json.loads(files["configuration/devices/cam-1.toml.json"])["settings"]["url"] == "rtsp://10.0.0.9/main"
    ledger = json.loads(files["ledger.json"])
    assert (ledger["hits"][0][:2], ledger["on their way"]["queued"]["hit"]) == (["xray-1", 1], 1)
    assert ledger["evidence"][0][1] == 1
    assert json.loads(files["models.json"])["baggage"]["manifest"]["name"] == "baggage"
    assert json.loads(files["users.json"]) == {"viewer": 1}
    assert json.loads(files["standing.json"])["devices"]["cam-1"]
    assert json.loads(files["versions.json"])["packages"]["cryptography"]
    assert files["doctor.txt"].startswith("warn  configuration") or files["doctor.txt"].startswith(
        "ok    configuration"
    )


def test_the_manifest_says_what_is_there_and_what_is_not(planted):
    files = archive(planted)
    manifest = json.loads(files.pop("manifest.json"))
    assert {each["name"]: each["sha256"] for each in manifest["files"]} == {
        name: hashlib.sha256(data).hexdigest() for name, data in files.items()
    }
    assert manifest["left_out"] == LEFT_OUT
    by_name = {each["name"]: each["masked"] for each in manifest["files"]}
    assert by_name["configuration/teams.toml.json"] == {"persons": 2}
    assert by_name["log.txt"].keys() == {"secrets", "persons", "numbers", "users in addresses"}
    assert manifest["masked"]["numbers"] >= 4


def test_a_broken_configuration(planted):
    (planted / "etc" / "devices" / "x.toml").write_text(
        f'password = "{SECRETS["password in a broken file"]}"\n[broken\n'
    )
    (planted / "etc" / "devices" / "y.toml").write_text(
        f'driver = "screen"\n[settings]\npassword = "{SECRETS["password in the configuration"]}"\n'
    )
    (planted / "etc" / "devices" / "cam-1.toml").write_text(
        'driver = "screen"\n[settings]\nurl = "rtsp://kamera-admin:hunt/er@2@10.0.0.9/main"\n'
    )
    with (planted / "edge.log").open("a") as log:
        log.write(f"it tried {SECRETS['password in the configuration']} again\n")
    files = archive(planted)
    assert_nothing_planted(planted, files)
    assert b"not TOML" in files["configuration/devices/x.toml.json"]
    assert b"hunt" not in files["check.txt"] + files["doctor.txt"] and b"settings.url" in files["check.txt"]
    assert b"x.toml:2" in files["check.txt"] and b"nothing else can be checked" in files["doctor.txt"]
    assert "ledger.json" not in files


def test_without_anything(tmp_path):
    out = tmp_path / "out.zip"
    names = [member.name for member in write(gather(tmp_path / "none", tmp_path / "no.log"), out)]
    assert names == ["versions.json", "check.txt", "doctor.txt", "log.txt", "manifest.json"]
    with zipfile.ZipFile(out) as found:
        assert b"not to be had" in found.read("log.txt")


def test_the_file_is_its_owner_s_and_never_another_s(planted):
    archive(planted)
    assert (planted / "out.zip").stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigError, match="is there already"):
        archive(planted)
    assert [each.name for each in planted.iterdir() if each.name.startswith(".out")] == []


@given(secret=st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=8, max_size=40))
def test_a_password_of_any_kind(secret):
    assume(secret == secret.strip() and len(set(secret)) > 3)
    discretion = Discretion((secret,), None)
    for text in (f"the broker said {secret} is wrong", f"x{secret}x", f"rtsp://a:{secret}@h"):
        assert secret not in discretion.kept(text).replace(MASK, "")
    told = json.dumps(discretion.of_value({"a": [f"<{secret}>"], f"k{secret}": 1}), ensure_ascii=False)
    assert json.dumps(secret, ensure_ascii=False)[1:-1] not in told.replace(MASK, "")
    json.loads(told)


def test_the_command(planted, cli):
    out = planted / "by-command.zip"
    arguments = ("diagnostics", "--config", planted / "etc", "--log", planted / "edge.log", "--out", out)
    ran = cli(*arguments)
    assert ran.status == 0 and f"{out}: " in ran.out and "Never in it: pictures" in ran.out
    assert cli(*arguments).status == 2  # it is there already
    ran = cli(*arguments[:-1], planted / "again.zip", "--json")
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert rows[-1].keys() == {"written", "bytes", "left_out"} and rows[-2]["file"] == "manifest.json"
    assert cli(*arguments[:-1], planted / "none" / "x.zip").status == 1


def test_persons_are_known_by_whole_words(planted):
    discretion = Discretion.of(planted / "etc")
    assert discretion.kept("SN-204170 and sn-20417.") == "SN-204170 and (person)."


async def test_the_standing_is_written_and_read(tmp_path):
    written = standing.StandingFile(tmp_path)
    at = "2026-11-21T09:30:00.000Z"
    device = DeviceMessage(
        state="down",
        reason="unplugged",
        code="link-lost",
        since=at,
        last_observation_at=None,
        restarts=3,
        driver="modbus",
        facts={},
    )
    written.keep(_health(), {"io-1": device})
    await until(lambda: standing.read(tmp_path))
    assert standing.read(tmp_path)["devices"]["io-1"]["reason"] == "unplugged"
    (tmp_path / standing.FILE).write_text("half a fi")
    assert standing.read(tmp_path) is None
