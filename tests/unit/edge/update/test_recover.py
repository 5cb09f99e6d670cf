"""What was cut off is undone on a box that is up, whatever the service manager says."""

from types import SimpleNamespace

from edge.update import recover as module
from edge.update.disk import Disk
from edge.update.machine import Machine, State
from tests.unit.edge.update.test_machine import NEW, OLD, Rig


def test_a_service_that_does_not_stop_keeps_no_trial_in_force(tmp_path, monkeypatch):
    rig, asked = Rig(tmp_path), []
    Disk().link(rig.places.current, f"versions/{OLD}")
    rig._lay(rig.places.versions / NEW)
    machine = Machine(rig.places, Disk(), rig.hands)
    machine.switch(machine.begin(State("id", "unpacking", OLD, NEW, made=True, by="test")))

    def stop():
        raise OSError("systemctl stop: nothing within 180 s")

    service = SimpleNamespace(stop=stop, restart=lambda: asked.append("restart"))
    monkeypatch.setattr(module, "Service", lambda: service)
    monkeypatch.setattr(module, "ServantHands", lambda user: rig.hands)
    assert rig.places.version(rig.places.current) == NEW
    assert not module.recover(rig.places, live=True)
    assert (rig.places.version(rig.places.current), asked) == (OLD, ["restart"])
