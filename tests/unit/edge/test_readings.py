"""Readings on their way to `up/reading`: coalesced, with nothing of a list lost."""

from __future__ import annotations

import json

from drivers.clock import Stamp
from drivers.contract import Reading
from edge.readings import MAX_LISTED, Readings


def told(readings: Readings) -> dict[str, dict]:
    return {device: json.loads(news) for device, news in readings.take()}


def test_the_latest_value_is_told_once() -> None:
    readings = Readings()
    for number in (1, 2):
        readings.add("scale-1", Reading(Stamp(number * 10**9, 0), {"weight_kg": number}))
    assert told(readings) == {"scale-1": {"weight_kg": 2, "at": "1970-01-01T00:00:02.000Z"}}
    assert told(readings) == {}


def test_tags_of_several_readings_are_all_told_and_contacts_are_joined() -> None:
    readings = Readings()
    readings.add("k9-1", Reading(Stamp(0, 0), {"tags": [{"epc": "A"}]}))
    readings.add("k9-1", Reading(Stamp(0, 0), {"contacts": {"button": True}}))
    readings.add("k9-1", Reading(Stamp(0, 0), {"tags": [{"epc": "B"}], "contacts": {"door": False}}))
    news = told(readings)["k9-1"]
    assert [tag["epc"] for tag in news["tags"]] == ["A", "B"]
    assert news["contacts"] == {"button": True, "door": False}


def test_a_list_is_bounded_and_nothing_is_told_of_nothing() -> None:
    readings = Readings()
    readings.add("quiet", Reading(Stamp(0, 0), {}))
    for number in range(3):
        readings.add("k9-1", Reading(Stamp(0, 0), {"tags": [number] * MAX_LISTED}))
    news = told(readings)
    assert list(news) == ["k9-1"]
    assert news["k9-1"]["tags"] == [2] * MAX_LISTED
