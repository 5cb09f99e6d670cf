import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.errors import StoreError
from edge.calibration import FILE, MAX_BYTES, Calibration, Calibrations

SHA = "ab" * 32


def line(**changes) -> Calibration:
    given = {
        "at": "2026-11-21T09:30:12.481Z",
        "by": "a. diallo",
        "reason": "new tube",
        "model": "baggage",
        "version": "1.0.0",
        "sha256": SHA,
        "normal": 0.6,
        "elevated": 0.4,
    }
    return Calibration(**{**given, **changes})


@pytest.fixture
def kept(tmp_path) -> Calibrations:
    return Calibrations(tmp_path)


def test_without_a_history_the_package_decides(kept):
    assert kept.refresh() is False
    assert kept.in_force(SHA, "xray-1") is None


def test_the_newest_line_of_a_model_and_device_is_in_force(kept):
    kept.append(line(normal=0.7))
    kept.append(line(normal=0.8, device="xray-2"))
    kept.append(line(normal=0.9, sha256="cd" * 32))
    assert kept.refresh() is True
    assert kept.in_force(SHA, "xray-1").points.normal == 0.7
    assert kept.in_force(SHA, "xray-2").points.normal == 0.8
    assert kept.in_force("ef" * 32, "xray-1") is None


def test_the_packages_own_points_can_be_given_back(kept):
    kept.append(line())
    kept.append(line(normal=None, elevated=None, by="b. mendy"))
    kept.refresh()
    assert kept.in_force(SHA, "xray-1") is None
    assert [entry.by for entry in kept.history] == ["a. diallo", "b. mendy"]


def test_a_change_is_seen_once(kept):
    kept.append(line())
    assert (kept.refresh(), kept.refresh()) == (True, False)
    kept.append(line(reason="again"))
    assert (kept.refresh(), kept.refresh()) == (True, False)


def test_lines_that_cannot_be_read_are_left_out_and_counted(kept):
    kept.append(line())
    with kept.path.open("ab") as file:
        file.write(b'not json\n{"at":"x"}\n\xff\xfe\n')
    kept.append(line(normal=0.9))
    kept.refresh()
    assert len(kept.history) == 2
    assert "3 lines" in kept.problem
    assert kept.in_force(SHA, "xray-1").normal == 0.9


@given(st.integers(0, 200))
def test_a_line_that_a_power_cut_tore_spoils_no_other(tmp_path_factory, cut):
    kept = Calibrations(tmp_path_factory.mktemp("data"))
    kept.append(line())
    whole = kept.path.read_bytes()
    kept.path.write_bytes(whole + whole[:cut])
    kept.append(line(normal=0.9))
    kept.refresh()
    assert kept.in_force(SHA, "xray-1").normal == 0.9
    assert kept.history[0].normal == 0.6


def test_a_history_that_is_gone_or_too_large_or_no_file(kept, tmp_path):
    kept.append(line())
    kept.refresh()
    kept.path.write_bytes(b"x" * (MAX_BYTES + 1))
    assert kept.refresh() is False  # what was in force stays
    assert "more than" in kept.problem
    assert kept.in_force(SHA, "xray-1")
    with pytest.raises(StoreError, match="more than"):
        kept.append(line())
    kept.path.unlink()
    assert kept.refresh() is True
    assert kept.in_force(SHA, "xray-1") is None
    with pytest.raises(StoreError):
        Calibrations(tmp_path / "nowhere").append(line())
    (tmp_path / FILE).mkdir()
    assert kept.refresh() is False
    assert kept.problem


@pytest.mark.parametrize("changes", [{"normal": 0.3}, {"elevated": None}, {"normal": 0}, {"by": ""}, {"odd": 1}])
def test_what_makes_no_sense_is_refused(changes):
    with pytest.raises(ValidationError):
        line(**changes)
