"""The update's process ended on a box that is up: the appliance is stopped and started around what is undone."""

import json

import pytest

from edge.update import recover as module
from edge.update.recover import recover

STATE = {"id": "u1", "phase": "trial", "old": "1.0", "new": "2.0", "made": True, "by": "root"}


@pytest.fixture
def calls(monkeypatch, box):
    """What is asked of systemd, and which version was in force then."""
    done = []

    class Watched:
        broken = ""

        def stop(self):
            self._do("stop")

        def restart(self):
            self._do("restart")

        def _do(self, what):
            done.append((what, box.places.version(box.places.current)))
            if what == self.broken:
                raise OSError(f"systemctl {what}: no")

    done_class = Watched
    monkeypatch.setattr(module, "Service", done_class)
    done.append(done_class)
    return done


@pytest.fixture
def on_trial(box):
    box.version("2.0")
    box.places.current.unlink()
    box.places.current.symlink_to("versions/2.0")
    box.places.state.write_text(json.dumps(STATE | {"data_dir": str(box.data_dir)}))
    return box


def test_on_a_box_that_is_up_the_appliance_starts_with_the_version_before(on_trial, calls):
    assert recover(on_trial.places, live=True)
    assert calls[1:] == [("stop", "2.0"), ("restart", "1.0")]
    [note] = on_trial.notes()
    assert note["detail"] == "the update's process ended before it was confirmed"


def test_before_the_appliance_starts_there_is_nothing_to_stop(on_trial, calls):
    assert recover(on_trial.places, live=False)
    assert calls[1:] == []
    assert on_trial.places.version(on_trial.places.current) == "1.0"


def test_what_systemd_will_not_do_keeps_the_link_from_nothing(on_trial, calls):
    calls[0].broken = "stop"
    assert not recover(on_trial.places, live=True)
    assert calls[1:] == [("stop", "2.0"), ("restart", "1.0")]
    assert not on_trial.places.state.exists()


def test_where_nothing_is_under_way_nothing_is_touched(box, calls):
    assert recover(box.places, live=True)
    assert calls[1:] == []
    assert box.notes() == []
