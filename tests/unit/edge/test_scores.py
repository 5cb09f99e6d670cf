import pytest

from edge.drift import KEPT, DriftWatch
from edge.scores import EVERY_S, FILE, Keeper
from tests.core import FakeClock

SHA = "ab" * 32


def test_scores_outlive_a_restart_and_are_written_seldom(tmp_path):
    clock = FakeClock()
    keeper = Keeper(tmp_path, clock)
    keeper.keep({"xray-1": (SHA, [0.25])})
    assert not (tmp_path / FILE).exists()
    clock.advance(EVERY_S)
    keeper.keep({"xray-1": (SHA, [0.25, 0.123456])})
    assert Keeper(tmp_path, clock).load() == {"xray-1": (SHA, [0.25, 0.1235])}
    keeper.keep({}, now=True)
    assert Keeper(tmp_path, clock).load() == {}


def test_another_model_begins_anew_and_no_more_are_kept_than_drift_looks_at(tmp_path):
    watch = DriftWatch({"xray-1": (SHA, [0.5] * 600)})
    assert watch.scores("xray-1") == (SHA, [0.5] * KEPT)
    watch.saw("xray-1", "cd" * 32, 0.9)
    assert watch.scores("xray-1") == ("cd" * 32, [0.9])


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"a": 1}', '{"a": ["x", [2]]}', '{"a": ["x", ["0.5"]]}', '{"a": ["x", [NaN]]}', "[" * 5000]
)
def test_what_cannot_be_read_is_only_lost(tmp_path, text, caplog):
    (tmp_path / FILE).write_text(text)
    assert Keeper(tmp_path, FakeClock()).load() == {}
    assert "cannot be read" in caplog.text


def test_a_disk_that_takes_nothing_is_told_and_no_more(tmp_path, caplog):
    Keeper(tmp_path / "gone", FakeClock()).keep({"xray-1": (SHA, [0.1])}, now=True)
    assert "No such file" in caplog.text
