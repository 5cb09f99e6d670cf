"""Every error of a configuration at once, each at its line; and what a good one becomes."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.config.load import ConfigProblems, examine, find, load
from edge.config.problems import Level, nearest

EDGE = """\
[appliance]
site = "lfw"
lane = "t1-l3"
id = "edge-01"
data_dir = "/var/lib/jaitf-edge"

[console]
url = "mqtt://127.0.0.1:1883"
"""
SCANNER = 'driver = "scanner"\nmodel = "baggage"\n[settings]\nlisten = "0.0.0.0:11112"\n'
METER = """\
driver = "meter"
[settings]
url = "tcp://10.0.0.5:502"
[[settings.points]]
name = "counter"
address = 0
"""


def said(folder: Path, level: Level = Level.ERROR) -> list[str]:
    return [
        str(p).removeprefix(f"{folder}/").replace(": warning: ", ": ")
        for p in examine(folder).problems
        if p.level is level
    ]


def test_a_good_one(folder):
    path = folder(EDGE, xray=SCANNER, meter=METER)
    config = load(path)
    assert (config.appliance.site, config.console.root, config.storage.keep_days) == ("lfw", "jaitf", 30)
    meter, xray = config.devices
    assert (meter.name, xray.name) == ("meter", "xray")
    assert xray.settings.listen == "0.0.0.0:11112" and xray.model == "baggage"
    assert meter.settings.points[0].name == "counter" and meter.file == path / "devices/meter.toml"
    assert config.digest == hashlib.sha256((EDGE + METER + SCANNER).encode()).hexdigest()
    assert examine(path).problems == ()


def test_everything_wrong_is_said_at_once(folder):
    broken = folder(
        '[appliance]\nsite = "LFW"\nlane = 3\nidd = "edge-01"\nstream = "passengers"\n\n'
        "[consol]\n[storage]\nkeep_days = -1\n",
        xray='driver = "scaner"\n[settings]\nlisten = 5\n',
        meter='driver = "meter"\nmodel = "bagage"\n\n[settings]\nunit = 256\npoll = 20\n'
        '[[settings.points]]\nname = "a"\naddress = 1\n[[settings.points]]\ntable = "holdin"\nscale = true\n',
        other="x = \n",
    )
    assert said(broken) == [
        "edge.toml:1: appliance.id: is missing: this appliance, unique in the site",
        "edge.toml:1: appliance.data_dir: is missing: ledger, evidence and device state; a folder of its own",
        "edge.toml:1: console.url: is missing: mqtts://HOST:PORT, or mqtt://HOST:PORT on loopback",
        "edge.toml:2: appliance.site: must be lower-case letters, digits and '-', not beginning with '-';"
        ' it is "LFW"',
        'edge.toml:3: appliance.lane: must be text in quotes ("..."), not 3',
        "edge.toml:4: appliance.idd: unknown key (did you mean id?)",
        'edge.toml:5: appliance.stream: must be one of passenger, cargo, post, not "passengers"'
        " (did you mean passenger?)",
        "edge.toml:7: consol: unknown section (did you mean console?)",
        "edge.toml:9: storage.keep_days: must be more than 0, not -1",
        "devices/meter.toml:2: model: a meter device gives no pictures to judge: leave the model out",
        "devices/meter.toml:2: model: no such model package; there are baggage (did you mean baggage?)",
        "devices/meter.toml:4: settings.url: is missing: tcp://HOST:PORT",
        "devices/meter.toml:5: settings.unit: must be at most 255, not 256",
        "devices/meter.toml:6: settings.poll: unknown key (did you mean poll_ms?)",
        "devices/meter.toml:10: settings.points[1].name: is missing: its label",
        "devices/meter.toml:10: settings.points[1].address: is missing: register",
        'devices/meter.toml:11: settings.points[1].table: must be one of holding, input, coil, not "holdin"'
        " (did you mean holding?)",
        'devices/meter.toml:12: settings.points[1].scale: must be a number or text in quotes ("..."), not true',
        "devices/other.toml:1: x: not TOML: invalid value, column 5",
        "devices/xray.toml:1: driver: no such driver; there are scanner, meter (did you mean scanner?)",
    ]
    with pytest.raises(ConfigProblems) as raised:
        load(broken)
    assert raised.value.code == "config" and len(raised.value.problems) == len(said(broken))


@pytest.mark.parametrize(
    ("edge", "expected"),
    [
        (b"a = \xff\xfe", "edge.toml:1: -: not UTF-8 text (byte 0xff): save it as UTF-8"),
        (EDGE.encode() + b"# caf\xe9", "edge.toml:9: -: not UTF-8 text (byte 0xe9): save it as UTF-8"),
        (EDGE.encode("utf-16"), "edge.toml:1: -: not UTF-8 text (it looks like UTF-16): save it as UTF-8"),
        (EDGE + "[web]\nlisten =", "edge.toml:10: web.listen: not TOML: invalid value"),
        (
            EDGE + '[web]\nlisten = "a:1"\nlisten = "b:1"\n',
            "edge.toml:11: web.listen: not TOML: this stands in the file already",
        ),
        ("x = " + "[" * 5000, "edge.toml:1: -: nested too deeply to be a configuration"),
        (b"#" * 1_100_000, "edge.toml:1: -: larger than 1048576 bytes: not a configuration"),
        (None, "edge.toml:1: -: no such file; `jaitf-edge setup {folder}` asks and writes it"),
    ],
)
def test_a_file_that_is_no_toml(folder, edge, expected):
    path = folder(edge, xray=SCANNER)
    (only,) = said(path)
    assert only.startswith(expected.format(folder=path))


def test_windows_files_are_fine(folder):
    assert said(folder(b"\xef\xbb\xbf" + EDGE.replace("\n", "\r\n").encode() + b"q = 1\r\n", xray=SCANNER)) == [
        "edge.toml:9: console.q: unknown key"
    ]


@pytest.mark.parametrize(
    ("console", "expected"),
    [
        ('url = "mqtt://broker.example:1883"', "console.url: mqtt:// sends hits in clear text"),
        ('url = "http://broker.example"', "console.url: must be mqtts://HOST:PORT, or mqtt://HOST:PORT on loopback"),
        ('url = "mqtts://a:99999"', "console.url: not a URL: Port out of range 0-65535"),
        ('url = "mqtts://:8883"', "console.url: needs a host and a port"),
        ('url = "mqtts://me:secret@a:8883"', "console.url: no user and no password in a URL"),
        ('url = "mqtts://a:8883"\ncert_file = "here.pem"', "console.cert_file: needs key_file beside it"),
        ('url = "mqtts://a:8883"\nca_file = "ca.pem"', "console.ca_file: no such file: {folder}/ca.pem"),
        ('url = "mqtts://a:8883"\nca_file = "."', "console.ca_file: {folder} is no file"),
        ('url = "mqtts://a:8883"\npassword = "hunter2"', "console.password: unknown key (did you mean password_file?)"),
        ('url = "mqtts://a:8883"\nsite = "lfw"', "console.site: unknown key (did you mean appliance.site?)"),
    ],
)
def test_the_console(folder, console, expected):
    path = folder(EDGE.split("[console]")[0] + "[console]\n" + console, xray=SCANNER)
    (path / "here.pem").touch()
    found = said(path)
    assert len(found) == 1 and expected.format(folder=path) in found[0]
    assert "hunter2" not in found[0] and "secret@" not in found[0]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("[storage]\nkeep_days = inf", "storage.keep_days: must be a finite number, not inf"),
        ("[storage]\nkeep_days = 1e300", "storage.keep_days: must be at most 36500"),
        ("[lane]\nbelt_mm_s = nan", "lane.belt_mm_s: must be a finite number, not nan"),
        (
            '[web]\nlisten = "127.0.0.1:8088\n',
            "web.listen: not TOML: the line ends within quotes: is a closing one missing?",
        ),
        ("[appliance]\n", "not TOML: this stands in the file already: a key and a [section] may be there once"),
        ("[web]\nlisten = ''\nlisten = ''\n", "web.listen: not TOML: this stands in the file already"),
    ],
)
def test_what_no_quantity_can_be(folder, more, expected):
    (first, *_) = said(folder(EDGE + more, xray=SCANNER))
    assert expected in first


@pytest.mark.parametrize("url", ["mqtts://a:8883", "mqtt://localhost:1", "mqtt://[::1]:1883", "mqtt://127.3.2.1:9"])
def test_a_console_that_is_fine(folder, url):
    assert examine(folder(EDGE.replace("mqtt://127.0.0.1:1883", url), xray=SCANNER)).problems == ()


def test_clear_text_by_decision(folder):
    path = folder(EDGE.replace("127.0.0.1:1883", 'far:1883"\ninsecure = true #'), xray=SCANNER)
    assert (said(path), said(path, Level.WARNING)) == (
        [],
        ["edge.toml:9: console.insecure: hits travel to far in clear text"],
    )


@pytest.mark.parametrize(
    ("keys", "errors", "warnings"),
    [
        ('server = "grpcs://pool.example:8001"', [], []),
        ('server = "http://127.0.0.1:8080/prefix"', [], []),
        (
            'server = "http://pool:8080"',
            [
                "edge.toml:10: inference.server: sends pictures in clear text: that is for loopback; elsewhere use TLS,"
                " or say server_insecure = true (did you mean https://pool:8080?)"
            ],
            [],
        ),
        (
            'server = "grpc://pool:8001"\nserver_insecure = true',
            [],
            ["edge.toml:11: inference.server_insecure: pictures travel to pool in clear text"],
        ),
        (
            'server = "grpc://localhost:8001"\nserver_insecure = true',
            [],
            ["edge.toml:11: inference.server_insecure: not needed for this server: leave it out"],
        ),
        (
            'server = "https://user:word@pool"',
            ["edge.toml:10: inference.server: no user and no password in a URL: use server_token_file"],
            [],
        ),
        ('server_model = "baggage"', [], ["edge.toml:10: inference.server_model: not used: there is no server"]),
    ],
)
def test_an_inference_server(folder, keys, errors, warnings):
    path = folder(f"{EDGE}[inference]\n{keys}\n", xray=SCANNER)
    assert (said(path), said(path, Level.WARNING)) == (errors, warnings)


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("0.0.0.0:11112", "127.0.0.1:11112", True),
        ("127.0.0.1:11112", "localhost:11112", True),
        ("[::]:11112", "10.0.0.1:11112", True),
        ("10.0.0.1:11112", "10.0.0.2:11112", False),
        ("0.0.0.0:11112", "0.0.0.0:11113", False),
        ("0.0.0.0:0", "0.0.0.0:0", False),
        ("0.0.0.0:8088", "10.0.0.1:1", True),
    ],
)
def test_two_on_one_address(folder, one, other, clash):
    path = folder(EDGE, a=SCANNER.replace("0.0.0.0:11112", one), b=SCANNER.replace("0.0.0.0:11112", other))
    assert len(said(path)) == clash
    if clash:
        assert "settings.listen" in said(path)[0] and "is taken" in said(path)[0]


def test_a_port_that_cannot_be(folder):
    assert said(folder(EDGE + '[web]\nlisten = "127.0.0.1:80880"\n', x=SCANNER)) == [
        "edge.toml:10: web.listen: must be HOST:PORT with a port from 1 to 65535; it is 127.0.0.1:80880"
    ]


def test_two_on_one_default_address(folder):
    assert said(folder(EDGE, a='driver = "scanner"\nmodel = "baggage"', b='driver = "scanner"\nmodel = "baggage"')) == [
        "devices/b.toml:1: settings.listen: 0.0.0.0:104 is taken: a listens on 0.0.0.0:104"
    ]


def test_a_device_that_is_off_takes_no_address(folder):
    assert said(folder(EDGE, a=SCANNER, b="enabled = false\n" + SCANNER)) == []


def test_names_of_devices(folder):
    (only,) = said(folder(EDGE, **{"X Ray_1": SCANNER}))
    assert only.startswith("devices/X Ray_1.toml:1: -: the file's name is the device's: lower-case")
    assert only.endswith("(did you mean x-ray_1.toml?)")


def test_a_key_cannot_break_its_line(folder):
    (only,) = said(folder('"a\\nb\\u001b[31m" = 1\n' + EDGE, xray=SCANNER))
    assert only == 'edge.toml:1: "a\\nb\\u001b[31m": unknown key'


def test_what_is_only_odd(folder):
    path = folder(
        EDGE.replace("/var/lib/jaitf-edge", "/tmp/x"),
        a=METER,
        b=METER,
        c='driver = "scanner"\nsettings = {listen = "a:1"}',
    )
    for name in ("d.toml~", ".hidden", "e.toml.example"):
        (path / "devices" / name).touch()
    assert said(path) == []
    assert said(path, Level.WARNING) == [
        "edge.toml:5: appliance.data_dir: /tmp/x is emptied when the machine restarts",
        "devices/b.toml:3: settings.url: a has the same url",
        "devices/c.toml:1: driver: no model: every verdict on a picture of this device will be unknown",
        "devices/d.toml~:1: -: not read: a device's file ends in .toml",
    ]
    assert said(folder(EDGE, a=None, b=None, c=None, nothing=None), Level.WARNING)


def test_a_serial_port_is_held_by_one_device_alone(folder):
    first, second = (METER.replace("tcp://10.0.0.5:502", f"serial:///dev/ttyUSB0?baud={b}") for b in (9600, 19200))
    assert said(folder(EDGE, a=first, b=second)) == [
        "devices/b.toml:3: settings.url: a holds this port; several Modbus units on one line are [[settings.units]] of"
        " one device"
    ]


def test_cross_checks_of_a_driver_point_at_its_settings(folder):
    assert said(folder(EDGE, m='driver = "meter"\n\n[settings]\nurl = "tcp://a:1"\n')) == [
        "devices/m.toml:3: settings: needs points"
    ]


def test_wrong_kinds_of_tables(folder):
    assert said(
        folder("appliance = 1\n" + EDGE.replace("[appliance]", "[web]"), x='driver = "scanner"\nsettings = 3\n')
    )
    assert said(folder(EDGE, x='driver = ["scanner"]\nsettings = [1]\nmodel = 1979-05-27\n')) == [
        'devices/x.toml:1: driver: must be text in quotes ("..."), not a list',
        "devices/x.toml:2: settings: must be a table, not a list",
        'devices/x.toml:3: model: must be text in quotes ("..."), not the date or time 1979-05-27',
    ]


def test_relative_paths_are_the_folders(folder, monkeypatch, tmp_path):
    edge = EDGE.replace("/var/lib/jaitf-edge", "data").replace("mqtt://127.0.0.1:1883", "mqtts://a:1")
    path = folder(edge + 'ca_file = "ca.pem"\nusername = "u"\npassword_file = "$CREDENTIALS_DIRECTORY/pw"\n', x=SCANNER)
    (path / "ca.pem").touch()
    assert said(path) == []
    assert "systemd credential" in said(path, Level.WARNING)[-1]
    (tmp_path / "creds").mkdir()
    (tmp_path / "creds" / "pw").touch()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "creds"))
    config = load(path)
    assert config.appliance.data_dir == path / "data"
    assert config.console.ca_file == path / "ca.pem"
    assert config.console.password_file == tmp_path / "creds" / "pw"


def test_models_by_path(folder):
    path = folder(EDGE, x=SCANNER.replace('"baggage"', '"models/mine.zip"'))
    assert said(path) == [f"devices/x.toml:2: model: no model package at {path}/models/mine.zip"]
    (path / "models").mkdir()
    (path / "models/mine.zip").touch()
    assert load(path).devices[0].model == f"{path}/models/mine.zip"


def test_find(monkeypatch, tmp_path):
    monkeypatch.delenv("JAITF_EDGE_CONFIG", raising=False)
    assert find(None) == Path("/etc/jaitf-edge")
    monkeypatch.setenv("JAITF_EDGE_CONFIG", str(tmp_path))
    assert (find(None), find(Path("here"))) == (tmp_path, Path("here"))


@pytest.mark.parametrize(("word", "meant"), [("ae-title", "ae_title"), ("AE_TITLE", "ae_title"), ("zzz", None)])
def test_nearest(word, meant):
    assert nearest(word, ["ae_title", "listen"]) == meant


TOKENS = st.sampled_from([*EDGE.splitlines(), *METER.splitlines(), "[", "]", "=", '"', "'''", "{", "}", ",", "\\", "é"])


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=150
)
@given(st.binary(max_size=60) | st.lists(TOKENS, max_size=12).map(lambda parts: "\n".join(parts).encode()))
def test_any_bytes_are_a_configuration_or_lines_that_say_why(folder, raw):
    path = folder(raw, m=raw)
    examination = examine(path)
    assert (examination.config is None) == bool(examination.errors)
    for problem in examination.problems:
        assert "\n" not in str(problem)
        assert str(problem).startswith(f"{problem.file}:{problem.line}: {problem.key}: ")
        assert 1 <= problem.line <= raw.count(b"\n") + 1


def test_a_file_given_for_the_folder_is_said_once(tmp_path):
    file = tmp_path / "edge.toml"
    file.write_text(EDGE)
    (only,) = examine(file).problems
    assert only.message == f"{file} is a file: a configuration is a folder, with an edge.toml in it"
