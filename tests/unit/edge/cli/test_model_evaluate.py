import json
import re
import shutil
from pathlib import Path

import pytest

from inference.build import build
from tests.unit.inference.conftest import DARKNESS_HEAD, blob_picture, darkness_graph

SQUARES = Path(__file__).parents[2] / "inference" / "evaluate" / "cases" / "squares"


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "packages" / "darkness"
    build(folder, DARKNESS_HEAD, darkness_graph(), "# Darkness\n", {"blob": [blob_picture(60, 50)]})
    return folder


@pytest.fixture
def labelled(tmp_path):
    """A copy of the squares, whose files a test may change."""
    return shutil.copytree(SQUARES, tmp_path / "labelled")


def test_json_is_one_line_with_every_figure(cli, package, labelled):
    ran = cli("model", "evaluate", package, labelled, "--json", "--resamples", 50, "--threads", 1)
    assert (ran.status, ran.err) == (0, "")
    (line,) = ran.out.splitlines()
    said = json.loads(line)
    assert said["folder"] == str(labelled)
    assert said["model"]["name"] == "darkness"
    assert said["auroc"]["low"] <= said["auroc"]["value"] == 0.92 <= said["auroc"]["high"]
    assert list(said["pd_at_pfa"]) == ["0.01", "0.05", "0.1", "0.2"] and list(said["pfa_at_pd"]) == ["0.8", "0.9"]
    assert list(said["baselines"]) == ["image size", "mean darkness", "max darkness"]
    assert said["counts"]["unjudged"] == 1
    assert 0 < said["speed"]["median_ms"] <= said["speed"]["p95_ms"]


def test_people_get_a_table_with_the_baselines_beside(cli, package, labelled):
    ran = cli("model", "evaluate", package, labelled, "--resamples", 50)
    assert ran.status == 0
    words = re.sub(r"\s+", " ", ran.out)
    assert "11 scans of 6 bags, 5 with a threat (5 with boxes), 6 ordinary" in words
    assert "1 could not be judged" in words
    assert re.search(r"AUROC 0\.920 \[0\.\d+, [01]\.\d+\] 0\.500 0\.920 0\.920", words)
    assert re.search(r"AUROC 0\.920 \[[^]]+\] 0\.500 \[0\.500, 0\.500\]", _words(cli, package, labelled, "--baselines"))


def _words(cli, package, labelled, *options):
    return re.sub(r"\s+", " ", cli("model", "evaluate", package, labelled, "--resamples", 50, *options).out)


def test_the_report_is_written(cli, package, labelled, tmp_path):
    page = tmp_path / "report.html"
    ran = cli("model", "evaluate", package, labelled, "--resamples", 50, "--html", page, "--json")
    assert ran.status == 0
    assert page.read_text().startswith("<!doctype html>")
    assert cli("model", "evaluate", package, labelled, "--html", tmp_path / "none" / "r.html").status == 2
    ran = cli("model", "evaluate", package, labelled, "--resamples", 50, "--html", tmp_path)
    assert (ran.status, ran.out) == (1, "")
    assert "Is a directory" in ran.err


def test_pictures_without_a_label_are_left_out_and_said(cli, package, labelled, tmp_path):
    lines = (labelled / "labels.jsonl").read_text().splitlines()
    (tmp_path / "some.jsonl").write_text("\n".join(lines[:4]))
    ran = cli("model", "evaluate", package, labelled, "--labels", tmp_path / "some.jsonl", "--json")
    assert ran.status == 0
    assert "7 pictures" in ran.err and "05.png first" in ran.err
    assert json.loads(ran.out)["counts"]["scans"] == 4


def test_labels_that_cannot_be_used_fail_before_anything_is_judged(cli, package, labelled):
    with (labelled / "labels.jsonl").open("a") as file:
        file.write('{"file": "12.png", "threats": []}\n')
    ran = cli("model", "evaluate", package, labelled, "--json")
    assert (ran.status, ran.out) == (1, "")
    assert "labels.jsonl:12: no such file: 12.png" in ran.err


def test_where_nothing_can_be_judged_it_fails_with_the_reason(cli, package, tmp_path):
    (tmp_path / "labelled" / "threat").mkdir(parents=True)
    (tmp_path / "labelled" / "threat" / "cut.png").write_bytes(b"no picture" * 20)
    ran = cli("model", "evaluate", package, tmp_path / "labelled")
    assert (ran.status, ran.out) == (1, "")
    assert "not one of 1 scans could be judged: this is neither PNG" in ran.err


def test_the_help_tells_the_format(cli):
    ran = cli("model", "evaluate", "--help")
    assert ran.status == 0
    assert '{"file": "0001.png", "bag": "a",' in ran.out
    assert "Example: jaitf-edge model evaluate baggage labelled" in ran.out
    assert "jaitf-sim xray --folder labelled --labels" in ran.out
