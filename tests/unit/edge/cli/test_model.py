import json

import cv2
import numpy as np
import pytest

from inference.build import build, pack
from tests.unit.inference.conftest import DARKNESS_HEAD, blob_picture, darkness_graph
from tests.unit.inference.test_trust import keys


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "packages" / "darkness"
    build(folder, DARKNESS_HEAD, darkness_graph(), "# Darkness\n\nFinds the dark.\n", {"blob": [blob_picture(60, 50)]})
    return folder


@pytest.fixture
def shipped(package, monkeypatch):
    """The package as the only one that comes with the appliance."""
    monkeypatch.setattr("inference.package.BUILT_IN", package.parent)
    return package


def test_the_shipped_packages_are_listed(cli):
    ran = cli("model", "list")
    assert ran.status == 0
    assert "baggage" in ran.out


def test_a_damaged_package_is_listed_with_its_damage(cli, shipped):
    assert cli("model", "list", "--json").status == 0
    (shipped / "model.onnx").write_bytes(b"nothing")
    ran = cli("model", "list", "--json")
    assert ran.status == 1
    row = json.loads(ran.out)
    assert (row["name"], row["version"]) == ("darkness", None)
    assert "model.onnx" in row["problem"]
    assert "SHA-256" in cli("model", "list").out


def test_info_says_what_a_package_finds_and_from_when(cli, package):
    ran = cli("model", "info", package, "--card")
    assert ran.status == 0
    for words in ("darkness", "1.0.0", "dark thing [ANOMALY]", "from 0.8 on; elevated: from 0.6 on", "Finds the dark."):
        assert words in ran.out
    facts = json.loads(cli("model", "info", package, "--json").out)
    assert facts["operating_points"] == {"normal": 0.8, "elevated": 0.6}
    assert facts["decoder"] == "segmentation"
    assert "card" not in facts and set(facts["files"]) >= {"model.onnx", "CARD.md"}


def test_info_names_a_built_in_package_by_its_name(cli, shipped):
    assert json.loads(cli("model", "info", "darkness", "--json").out)["name"] == "darkness"


def test_verify_proves_a_package(cli, package, tmp_path):
    assert "ok: darkness 1.0.0, 4 files, 1 golden scans" in cli("model", "verify", package).out
    pack(package, tmp_path / "darkness.zip")
    assert json.loads(cli("model", "verify", tmp_path / "darkness.zip", "--json").out)["ok"] is True


def test_verify_says_what_is_wrong(cli, package):
    with (package / "golden" / "blob.png").open("ab") as file:
        file.write(b"x")
    ran = cli("model", "verify", package)
    assert (ran.status, ran.out) == (1, "")
    assert "golden/blob.png is not the file that model.toml names" in ran.err
    said = json.loads(cli("model", "verify", package, "--json").out)
    assert said["ok"] is False and "golden/blob.png" in said["problem"]


def test_bench_times_judgements(cli, package, tmp_path):
    cv2.imwrite(str(tmp_path / "bag.png"), np.frombuffer(blob_picture(60, 50).data, np.uint16).reshape(160, 200))
    ran = cli("model", "bench", package, "--scans", 20, "--threads", 1, "--file", tmp_path / "bag.png", "--json")
    assert ran.status == 0
    result = json.loads(ran.out)
    assert 0 < result["p50_ms"] <= result["p95_ms"] <= result["p99_ms"] <= result["max_ms"]
    assert (result["scans"], result["threads"], result["pixels"]) == (20, 1, [[200, 160]])
    assert "p50" in cli("model", "bench", package, "--scans", 5).out


def test_bench_refuses_a_file_that_is_no_picture(cli, package, tmp_path):
    ran = cli("model", "bench", package, "--file", tmp_path / "none.png")
    assert ran.status == 1
    assert "no such file" in ran.err


def test_an_unknown_package_fails(cli):
    for command in ("info", "verify", "bench"):
        ran = cli("model", command, "luggage")
        assert ran.status == 1
        assert "no built-in model package 'luggage'" in ran.err


def test_a_package_is_signed_and_its_signer_checked(cli, package, tmp_path):
    secret, public = keys(tmp_path)
    signed = cli("model", "sign", package, "--key", secret)
    assert signed.status == 0
    kid = signed.out.split()[-1]
    assert f"signed_by  {kid}" in cli("model", "info", package).out
    assert cli("model", "verify", package, "--keys", public).status == 0
    _, other = keys(tmp_path, "other")
    ran = cli("model", "verify", package, "--keys", other)
    assert ran.status == 1 and "not trusted here" in ran.err
    assert "No such file" in cli("model", "sign", package, "--key", tmp_path / "none").err
