"""Weights and labels of one item, whichever comes first; and all the cases in which nothing is said."""

from __future__ import annotations

import pytest

from drivers.clock import Stamp
from drivers.contract import Identity, IdKind, Reading, Severity
from edge.config import DeviceConfig
from edge.config.lane import WeightToml
from edge.lane import Lane, Layout
from edge.lane.layout import Station
from edge.lane.weights import Weights

SECOND = 1_000_000_000
POST = Layout(stations=(Station("post", frozenset({"codes-1", "scale-1"}), 10 * SECOND),))
PARCEL, OTHER = "106141411234567897", "106141411234567880"


LIMITS = WeightToml(tolerance_kg=1, tolerance_percent=5, severity="high")


class Lane1:
    """One lane's weights, in simulated time."""

    def __init__(self, tolerances=LIMITS, layout=POST):
        self.lane = Lane(layout)
        self.weights = Weights(self.lane, tolerances)
        self.now_ns = 100 * SECOND

    def hear(self, name, values, *identities):
        reading = Reading(Stamp(0, self.now_ns), values, identities=identities)
        device = DeviceConfig.model_construct(name=name, driver="scale" if name == "scale-1" else "codereader")
        return self.weights.hear(device, reading, self.lane.see(name, reading))

    def label(self, kg, number=PARCEL):
        return self.hear("codes-1", {"declared_kg": kg}, Identity(IdKind.PARCEL, number))

    def weigh(self, kg, **more):
        return self.hear("scale-1", {"weight_kg": kg, **more})

    def found(self):
        return [
            (weighed.device.name, weighed.kg, [f.label for f in weighed.reading.findings])
            for weighed in self.weights.found(self.now_ns)
        ]


FOUND = [("scale-1", 12.0, ["weight differs from declared"])]


@pytest.mark.parametrize("label_first", [True, False])
def test_a_parcel_far_from_its_label_is_found_once(label_first):
    lane = Lane1()
    first, second = (lane.label, lane.weigh) if label_first else (lane.weigh, lane.label)
    assert first(6.0 if label_first else 12.0)
    assert lane.found() == []
    lane.now_ns += 3 * SECOND
    assert second(12.0 if label_first else 6.0)
    assert lane.found() == FOUND
    assert lane.found() == []


def test_what_is_found_has_the_severity_that_was_configured():
    lane = Lane1()
    lane.label(6.0)
    lane.weigh(12.0)
    (weighed,) = lane.weights.found(lane.now_ns)
    (finding,) = weighed.reading.findings
    assert (finding.severity, finding.measurement.value) == (Severity.HIGH, 12.0)


def test_within_the_tolerance_nothing_is_said():
    lane = Lane1()
    lane.label(11.5)
    lane.weigh(12.0)
    assert lane.found() == []


def test_a_label_of_another_moment_says_nothing():
    lane = Lane1()
    lane.label(6.0)
    lane.now_ns += 11 * SECOND
    lane.weigh(12.0)
    assert lane.found() == []


def test_two_parcels_at_once_are_told_apart_by_nobody():
    lane = Lane1()
    lane.label(6.0)
    lane.label(5.0, OTHER)
    lane.weigh(12.0)
    assert lane.found() == []


def test_two_labels_that_disagree_on_one_parcel_say_nothing():
    lane = Lane1()
    lane.label(6.0)
    lane.label(12.0)
    lane.weigh(12.0)
    assert lane.found() == []


def test_an_empty_scale_and_a_weight_that_is_a_hit_already_are_left_out():
    lane = Lane1()
    lane.label(6.0)
    assert not lane.weigh(0.0, empty=True)
    assert lane.found() == []


def test_nothing_is_compared_where_that_is_not_configured_or_nobody_stands_anywhere():
    for lane in (Lane1(tolerances=None), Lane1(layout=Layout())):
        assert not lane.label(6.0)
        assert not lane.weigh(12.0)
        assert lane.found() == []


def test_what_is_kept_is_bounded():
    lane = Lane1()
    for number in range(1000):
        lane.weigh(float(number + 1))
    assert len(lane.weights._weighed) == 64
    lane.now_ns += 301 * SECOND
    assert lane.found() == []
    assert not lane.weights._weighed
