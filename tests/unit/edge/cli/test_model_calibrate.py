import json

import cv2
import numpy as np
import pytest

from edge.calibration import FILE, Calibrations
from tests.unit.inference.conftest import DARKNESS_HEAD, blob_picture, darkness_graph

BAGS = 40


@pytest.fixture
def package(tmp_path):
    from inference.build import build

    build(tmp_path / "darkness", DARKNESS_HEAD, darkness_graph(), "# d\n", {"blob": [blob_picture(60, 50)]})
    return tmp_path / "darkness"


@pytest.fixture
def benign(tmp_path):
    """Bags with things of all darknesses in them; one file that is no picture."""
    folder = tmp_path / "bags"
    folder.mkdir()
    for number in range(BAGS):
        values = np.full((160, 200), 60_000, np.uint16)
        values[10:150, 10:190] = 45_000
        values[50:74, 60:84] = 40_000 - 900 * number
        cv2.imwrite(str(folder / f"{number:02}.png"), values)
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def config(tmp_path, package):
    folder = tmp_path / "etc"
    (folder / "devices").mkdir(parents=True)
    (folder / "edge.toml").write_text(
        f'[appliance]\nsite = "lfw"\nlane = "t1"\nid = "edge-01"\ndata_dir = "{tmp_path / "data"}"\n'
        '[console]\nurl = "mqtt://127.0.0.1"\n'
    )
    (tmp_path / "data").mkdir()
    export = tmp_path / "export"
    export.mkdir()
    (folder / "devices" / "xray-1.toml").write_text(
        f'driver = "folder"\nmodel = "{package}"\n[settings]\npath = "{export}"\n'
    )
    return folder


def kept(tmp_path):
    found = Calibrations(tmp_path / "data")
    found.refresh()
    return found


def test_it_shows_what_comes_of_it_and_changes_nothing(cli, package, benign):
    ran = cli("model", "calibrate", "--model", package, "--benign", benign, "--bags-per-hour", 400, "--json")
    assert ran.status == 0
    facts = json.loads(ran.out)
    assert (facts["bags"], facts["left_out"], facts["applied"]) == (BAGS, 1, False)
    assert (facts["normal"]["alarms"], facts["normal"]["pfa"]) == (4, 0.1)
    assert facts["normal"]["alarms_per_hour"] == 40
    assert facts["normal"]["alarms_per_hour_low"] < 40 < facts["normal"]["alarms_per_hour_high"]
    assert facts["elevated"]["alarms"] == 12
    text = cli("model", "calibrate", "--model", package, "--benign", benign, "--false-alarms", 0.05)
    assert "an hour of 300 bags" in text.out
    assert "nothing changed: --apply" in text.out
    assert "left out" in text.err and "notes.txt" in text.err


def test_what_the_folder_itself_calls_a_threat_is_no_ordinary_bag(cli, package, benign):
    names = sorted(path.name for path in benign.glob("*.png"))
    (benign / "labels.jsonl").write_text(
        "".join(json.dumps({"file": name, "threats": [{}] if name in names[:5] else []}) + "\n" for name in names)
    )
    ran = cli("model", "calibrate", "--model", package, "--benign", benign, "--json")
    facts = json.loads(ran.out)
    assert facts["bags"] == BAGS - 5 and "left out: 5 pictures that hold a threat" in ran.err
    assert "labels.jsonl" not in ran.err, "the labels are no picture that could not be read"
    (benign / "labels.jsonl").write_text("no labels")
    ran = cli("model", "calibrate", "--model", package, "--benign", benign)
    assert ran.status == 1 and "labels.jsonl:1" in ran.err


def test_applied_it_holds_for_the_device_and_is_kept_with_who_and_why(cli, benign, config, tmp_path, package):
    ran = cli(
        *("model", "calibrate", "--config", config, "--device", "xray-1", "--benign", benign),
        *("--false-alarms", 0.05, "--apply", "--by", "A. Diallo", "--reason", "new tube"),
    )
    assert ran.status == 0 and "in use from now on" in ran.out
    (line,) = kept(tmp_path).history
    assert (line.by, line.reason, line.device, line.model) == ("A. Diallo", "new tube", "xray-1", "darkness")
    assert (line.measured.bags, line.measured.alarms, line.measured.wanted) == (BAGS, 2, (0.05, pytest.approx(0.15)))
    assert kept(tmp_path).in_force(line.sha256, "xray-1") == line
    assert kept(tmp_path).in_force(line.sha256, "xray-2") is None
    shown = cli("model", "calibrate", "--history", "--config", config)
    assert "A. Diallo" in shown.out and "new tube" in shown.out and "xray-1" in shown.out


def test_who_and_why_are_known_without_being_said(cli, benign, config, tmp_path, package, monkeypatch):
    monkeypatch.setenv("SUDO_USER", "fatou")
    ran = cli("model", "calibrate", "--config", config, "--model", package, "--benign", benign, "--apply")
    assert ran.status == 0
    (line,) = kept(tmp_path).history
    assert (line.by, line.reason, line.device) == ("fatou", "false alarms at most 10.0 %", None)


def test_the_way_back_is_a_line_too(cli, benign, config, tmp_path, package):
    base = ("model", "calibrate", "--config", config, "--model", package)
    assert cli(*base, "--benign", benign, "--apply").status == 0
    refused = cli(*base, "--package-points")
    assert refused.status == 2 and "--apply" in refused.err
    assert cli(*base, "--package-points", "--apply").status == 0
    first, second = kept(tmp_path).history
    assert second.normal is None and second.points is None
    assert kept(tmp_path).in_force(first.sha256, "xray-1") is None
    lines = [
        json.loads(text)
        for text in cli("model", "calibrate", "--history", "--config", config, "--json").out.splitlines()
    ]
    assert [line["normal"] is None for line in lines] == [False, True]


def test_what_it_cannot_do_is_said(cli, benign, config, package, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    cases = [
        (("--model", package), 2, "--benign FOLDER"),
        (("--model", package, "--benign", tmp_path / "none"), 1, "no such folder"),
        (("--model", package, "--benign", few), 1, "at least 20 are needed"),
        (("--model", package, "--benign", benign, "--false-alarms", 0.2, "--elevated", 0.1), 1, "stricter"),
        (("--benign", benign, "--device", "xray-9", "--config", config), 2, "no device 'xray-9'; there are: xray-1"),
        (("--benign", benign, "--apply", "--config", tmp_path / "nowhere"), 2, "nowhere"),
    ]
    for given, status, words in cases:
        ran = cli("model", "calibrate", *given)
        assert ran.status == status, given
        assert words in ran.err.replace("\n", " "), given
    assert not (tmp_path / "data" / FILE).exists()


def test_a_history_that_is_empty_says_so(cli, config):
    assert "no thresholds were ever set here" in cli("model", "calibrate", "--history", "--config", config).out
