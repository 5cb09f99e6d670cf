import json

import pytest

from drivers.errors import ModelError
from inference.adaptation import Adapted
from tests.unit.inference.adaptation.test_adapt import outcome


@pytest.fixture
def ran(monkeypatch):
    """What the command gives to the work, and what the work gives back."""
    asked = {}

    def give(out, why_not=()):
        def adapt(name, files, new, seed, read, threads, tell):
            asked.update(name=name, files=files, out=new, seed=seed, threads=threads)
            tell("fitting", 0, 2)
            tell("fitting", 2, 2)
            return Adapted(out, why_not, outcome(), ("bags/notes.txt: no picture",), 61.0)

        monkeypatch.setattr("inference.adaptation.adapt", adapt)
        return asked

    return give


def test_a_better_package_is_offered(cli, ran, tmp_path):
    (tmp_path / "bags").mkdir()
    (tmp_path / "bags" / "1.png").touch()
    (tmp_path / "bags" / ".hidden").touch()
    asked = ran(tmp_path / "new")
    done = cli("model", "adapt", "--benign", tmp_path / "bags", "--out", tmp_path / "new", "--seed", 4)
    assert done.status == 0
    assert (asked["name"], asked["seed"], asked["files"]) == ("baggage", 4, [tmp_path / "bags" / "1.png"])
    assert "AUROC on this site's bags +0.100 (95 % interval +0.020 to +0.200)" in done.out
    assert f'model = "{tmp_path / "new"}"' in done.out
    assert done.err.splitlines() == ["fitting", "left out: bags/notes.txt: no picture"]


def test_one_that_is_no_better_fails_with_the_reason(cli, ran, tmp_path):
    ran(None, ("the gain could be chance",))
    done = cli("model", "adapt", "--benign", tmp_path, "--out", tmp_path / "new")
    assert done.status == 1
    assert "not written: the gain could be chance" in done.out
    said = cli("model", "adapt", "--benign", tmp_path, "--out", tmp_path / "new", "--json")
    assert said.status == 1
    facts = json.loads(said.out)
    assert (facts["out"], facts["better"], facts["why_not"]) == (None, False, ["the gain could be chance"])


def test_figures_as_json(cli, ran, tmp_path):
    ran(tmp_path / "new")
    done = cli("model", "adapt", "--benign", tmp_path, "--model", "./mine", "--json")
    assert done.status == 0
    facts = json.loads(done.out)
    assert facts["site"]["adapted"] == {"auroc": 0.9, "pfa_at_pd90": 0.3, "pointing": 0.7}
    assert facts["auroc_gain"]["low"] == 0.02
    assert (facts["better"], facts["left_out"], facts["seconds"]) == (True, 1, 61.0)


def test_what_cannot_be_adapted_is_said(cli, monkeypatch, tmp_path):
    def refuse(*_):
        raise ModelError("3 bags that can be judged: at least 80 are needed")

    monkeypatch.setattr("inference.adaptation.adapt", refuse)
    done = cli("model", "adapt", "--benign", tmp_path, "--out", tmp_path / "new")
    assert (done.status, done.out) == (1, "")
    assert "at least 80 are needed" in done.err
    missing = cli("model", "adapt", "--benign", tmp_path / "none", "--out", tmp_path / "new")
    assert missing.status == 1 and "no such folder" in missing.err


def test_the_shipped_rule_is_refused_in_words(cli, tmp_path):
    from inference.package import read

    done = cli("model", "adapt", "--benign", tmp_path, "--out", tmp_path / "new", "--model", _rule(tmp_path))
    assert done.status == 1
    assert "cannot be adapted: its graph has no tensor 'features'" in done.err
    assert read(tmp_path / "darkness")


def _rule(folder):
    from inference.build import build
    from tests.unit.inference.conftest import DARKNESS_HEAD, blob_picture, darkness_graph

    build(folder / "darkness", DARKNESS_HEAD, darkness_graph(), "# d\n", {"blob": [blob_picture(60, 50)]})
    return folder / "darkness"
