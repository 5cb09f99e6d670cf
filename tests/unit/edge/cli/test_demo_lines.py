"""A hit as the demo prints it."""

from edge.cli.demo import _hit_line
from edge.demo.watch import Heard

DATA = {
    "observed_at": "2026-11-21T09:30:12.311Z",
    "severity": "high",
    "device": "xray-1",
    "item": {"scan_id": "1.2.3", "bag_tag": "0220123456"},
    "threats": [{"label": "dense object", "score": 0.934}, {"label": "zone", "score": None}],
}


def line(**changes):
    return _hit_line(Heard("hit/x", b"", {"data": DATA | changes}))


def test_a_picture_s_hit():
    assert line() == "09:30:12  high      xray-1    dense object 0.93, zone  bag 0220123456"


def test_a_reading_s_hit():
    threat = {"label": "dose", "measurement": {"name": "dose", "value": 1.5, "unit": "µSv/h"}}
    assert line(threats=[threat], item={"scan_id": "1.2"}).endswith("dose 1.5 µSv/h  scan 1.2")
    threat["measurement"]["unit"] = ""
    assert line(threats=[threat]).endswith("dose 1.5  bag 0220123456")
