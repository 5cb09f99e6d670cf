import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import ModelError
from inference.evaluate.labels import TrueThreat, read_folder, unlabelled

PISTOL = {"label": "pistol", "category": "PI", "box": [1, 2, 30, 40]}


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.jpg", "c-1.dcs", "c-2.dcs"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def label(folder, *lines):
    (folder / "labels.jsonl").write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines))


def test_each_line_is_a_scan(folder):
    label(
        folder,
        {"file": "a.png", "bag": "1", "threats": [PISTOL | {"kind": "revolver"}], "px_mm": 0.9},
        "",
        {"file": "b.jpg", "threats": []},
        {"file": ["c-1.dcs", "c-2.dcs"], "bag": "1", "threats": [{"label": "knife", "box": None, "view": 1}]},
    )
    armed, ordinary, several = read_folder(folder)
    assert armed.files == (folder / "a.png",)
    assert armed.threats == (TrueThreat(label="pistol", category="PI", box=(1, 2, 30, 40)),)
    assert armed.boxed and armed.localised and armed.threat
    assert not ordinary.threat and not ordinary.boxed and ordinary.localised
    assert [scan.bag for scan in (armed, ordinary, several)] == ["1", "line 3", "1"]
    assert [file.name for file in several.files] == ["c-1.dcs", "c-2.dcs"]
    assert several.threat and not several.boxed and not several.localised
    assert unlabelled(folder, [armed, several]) == [folder / "b.jpg"]


def test_labels_may_lie_elsewhere(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("labels") / "mine.jsonl"
    elsewhere.write_text(json.dumps({"file": "a.png", "threats": []}))
    (scan,) = read_folder(folder, elsewhere)
    assert scan.files == (folder / "a.png",)


def test_folders_are_labels_too(tmp_path):
    for name in ("benign/a.png", "benign/deep/b.jpg", "threat/a.png", "benign/notes.txt", "benign/.part.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    scans = read_folder(tmp_path)
    assert [(scan.files[0].parent.name, scan.bag, scan.threat) for scan in scans] == [
        ("benign", "a", False),
        ("deep", "deep/b", False),
        ("threat", "a", True),
    ]
    assert not scans[2].boxed


def test_every_mistake_is_named_with_its_line(folder):
    label(
        folder,
        {"file": "none.png", "threats": []},
        "{no json",
        {"file": "a.png"},
        {"file": "b.jpg", "threats": [PISTOL | {"box": [1, 2, 0, 4]}]},
        {"file": "a.png", "threats": [PISTOL | {"box": [1, 2, 3]}]},
        {"file": [], "threats": []},
        {"file": "c-1.dcs", "threats": []},
        {"file": ["c-2.dcs", "c-1.dcs"], "threats": []},
    )
    with pytest.raises(ModelError) as raised:
        read_folder(folder)
    said = str(raised.value).split("; ")
    for words, problem in zip(
        (
            ":1: no such file: none.png",
            ":2: no JSON",
            ":3: threats: Field required",
            ":4: threats.0.box: Value error, width and height must be above 0",
            ":5: threats.0.box.3: Field required",
            ":6: file",
            "c-1.dcs is named 2 times",
        ),
        said,
        strict=True,
    ):
        assert words in problem


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: None, "neither labels.jsonl nor folders benign and threat"),
        (lambda folder: label(folder, ""), "no labels in it"),
        (lambda folder: (folder / "threat").mkdir(), "no pictures in benign and threat"),
        (lambda folder: (folder / "labels.jsonl").write_bytes(b"\xff\xfe"), "labels.jsonl"),
    ],
)
def test_a_folder_without_labels_is_refused(folder, make, words):
    make(folder)
    with pytest.raises(ModelError, match=words):
        read_folder(folder)


def test_what_is_no_folder_is_refused(folder):
    with pytest.raises(ModelError, match="no folder"):
        read_folder(folder / "a.png")


def test_a_point_is_in_a_box_of_its_own_view():
    threat = TrueThreat(box=(10, 20, 30, 40), view=1)
    assert threat.holds(10, 20, 1) and threat.holds(40, 60, 1)
    assert not threat.holds(40.1, 30, 1) and not threat.holds(20, 30, 0)
    assert not TrueThreat().holds(0, 0, 0)


@given(st.text(max_size=200))
def test_no_line_is_anything_but_labels_or_a_problem(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("any")
    (folder / "labels.jsonl").write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises(ModelError):
        read_folder(folder)
