import json
import os
import re

import cv2
import numpy as np
import pytest

from inference.build import build, pack
from tests.unit.inference.conftest import DARKNESS_HEAD, blob_picture, darkness_graph

KEYS = ["file", "decision", "score", "threshold", "peak", "threats", "model", "ms"]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packages") / "darkness"
    build(folder, DARKNESS_HEAD, darkness_graph(), "# darkness\n", {"blob": [blob_picture(60, 50)]})
    return folder


def values(x: int, y: int, side: int = 24) -> np.ndarray:
    return np.frombuffer(blob_picture(x, y, side=side).data, np.uint16).reshape(160, 200)


@pytest.fixture
def dark(tmp_path):
    cv2.imwrite(str(tmp_path / "dark.png"), values(120, 70))
    return tmp_path / "dark.png"


@pytest.fixture
def light(tmp_path):
    cv2.imwrite(str(tmp_path / "light.tif"), values(120, 70, 0))
    return tmp_path / "light.tif"


@pytest.fixture
def broken(dark, tmp_path):
    (tmp_path / "cut.png").write_bytes(dark.read_bytes()[:200])
    return tmp_path / "cut.png"


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_a_file_as_the_contract_has_it(cli, package, dark, light):
    ran = cli("inspect", dark, light, "--model", package, "--json")
    assert (ran.status, ran.err) == (0, "")
    alarm, clear = lines(ran.out)
    assert list(alarm) == KEYS and list(clear) == KEYS
    assert (alarm["file"], alarm["decision"]) == (str(dark), "alarm")
    assert alarm["score"] >= alarm["threshold"] == 0.8
    (threat,) = alarm["threats"]
    assert list(threat) == ["label", "category", "score", "box"]
    assert (threat["label"], threat["category"]) == ("dark thing", "ANOMALY")
    x, y, width, height = threat["box"]
    assert (x, y, x + width, y + height) == pytest.approx((120, 70, 144, 94), abs=12.5)
    assert x <= alarm["peak"][0] <= x + width and y <= alarm["peak"][1] <= y + height
    assert alarm["model"] == {"name": "darkness", "version": "1.0.0"}
    assert alarm["ms"] > 0
    assert (clear["decision"], clear["threats"]) == ("clear", [])
    assert 0 < clear["score"] < 0.8 and len(clear["peak"]) == 2


def test_a_file_that_cannot_be_judged_is_unknown_and_the_rest_goes_on(cli, package, dark, broken, tmp_path):
    cv2.imwrite(str(tmp_path / "flat.png"), np.full((64, 64), 7, np.uint8))
    (tmp_path / "notes.txt").write_text("no picture " * 40)
    os.mkfifo(tmp_path / "pipe.png")
    files = [
        broken,
        tmp_path / "flat.png",
        tmp_path / "notes.txt",
        tmp_path / "none.png",
        tmp_path,
        tmp_path / "pipe.png",
        dark,
    ]
    ran = cli("inspect", *files, "--model", package, "--json")
    assert ran.status == 1
    *failed, last = lines(ran.out)
    assert [line["decision"] for line in failed] == ["unknown"] * 6
    assert all(line["score"] is None and line["peak"] is None and line["threats"] == [] for line in failed)
    reasons = [line["reason"] for line in failed]
    for reason, words in zip(
        reasons,
        ("ends early", "featureless", "neither PNG", "no such file", "this is no file", "this is no file"),
        strict=True,
    ):
        assert words in reason
    assert last["decision"] == "alarm"


def test_two_views_are_told_apart(cli, package, tmp_path):
    pages = [values(20, 20), values(150, 110)]
    cv2.imwritemulti(str(tmp_path / "two.tif"), pages)
    (line,) = lines(cli("inspect", tmp_path / "two.tif", "--model", package, "--json").out)
    assert sorted(threat["view"] for threat in line["threats"]) == [0, 1]
    assert line["view"] in (0, 1)


def test_the_stricter_point_can_be_asked_for(cli, package, light):
    (line,) = lines(cli("inspect", light, "--model", package, "--elevated", "--json").out)
    assert line["threshold"] == 0.6


def test_people_get_a_table(cli, package, dark, light, broken):
    ran = cli("inspect", dark, light, broken, "--model", package)
    assert ran.status == 1
    words = re.sub(r"\s+", " ", ran.out)
    assert "alarm" in words and "clear" in words and "unknown" in words
    assert "3 files: 1 alarm, 1 clear, 1 unknown; model darkness 1.0.0" in words
    assert "1 file: 1 alarm" in cli("inspect", dark, "--model", package).out


def test_drawings_are_written_and_never_over_each_other(cli, package, dark, broken, tmp_path):
    other = tmp_path / "other" / "dark.png"
    other.parent.mkdir()
    other.write_bytes(dark.read_bytes())
    drawn = tmp_path / "drawn" / "here"
    cli("inspect", dark, other, broken, "--model", package, "--overlay", drawn, "--json")
    assert sorted(p.name for p in drawn.iterdir()) == ["dark.png.1.jpg", "dark.png.jpg"]
    shown = cv2.imread(str(drawn / "dark.png.jpg")).astype(int)
    assert ((shown[..., 2] > 160) & (shown[..., 1] < 90)).sum() > 100


def test_a_drawing_that_cannot_be_written_is_a_failure(cli, package, dark, tmp_path):
    (tmp_path / "drawn" / "dark.png.jpg").mkdir(parents=True)
    ran = cli("inspect", dark, "--model", package, "--overlay", tmp_path / "drawn", "--json")
    assert ran.status == 1
    assert "dark.png.jpg: Is a directory" in ran.err
    assert lines(ran.out)[0]["decision"] == "alarm"


def test_an_overlay_folder_that_cannot_be_is_wrong_use(cli, package, dark):
    ran = cli("inspect", dark, "--model", package, "--overlay", dark)
    assert ran.status == 2
    assert "--overlay" in ran.err


def test_a_zip_is_a_package_too(cli, package, dark, tmp_path):
    pack(package, tmp_path / "darkness.zip")
    assert cli("inspect", dark, "--model", tmp_path / "darkness.zip", "--json").status == 0


def test_a_package_that_cannot_be_used_fails_before_any_file(cli, dark):
    ran = cli("inspect", dark, "--model", "luggage", "--json")
    assert (ran.status, ran.out) == (1, "")
    assert "no built-in model package 'luggage'" in ran.err


def test_no_file_is_wrong_use(cli):
    assert cli("inspect").status == 2


def test_the_default_package_needs_no_configuration(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("bag.png", values(120, 70))
    (line,) = lines(cli("inspect", "bag.png", "--json").out)
    assert line["model"]["name"] == "baggage"
    assert line["score"] is not None and line["peak"] is not None
