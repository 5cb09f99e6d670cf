"""Which item is this? A bag tag is ten digits of a type that can be one; anything else is no tag."""

import uuid

import pytest

from drivers.contract import ItemHint, Scan
from edge.lane import Lane, Layout, bag_tag
from tests.core import FakeClock, reading

NOW = FakeClock().now()


@pytest.mark.parametrize("id_type", ["BARCODE", "RFID", "TEXT"])
def test_ten_digits_are_a_bag_tag(id_type):
    assert bag_tag(ItemHint("0220123456", id_type)) == "0220123456"
    assert bag_tag(ItemHint(" 0220123456\n", id_type)) == "0220123456"


@pytest.mark.parametrize(
    "hint",
    [
        ItemHint(),
        ItemHint(None, "RFID"),
        ItemHint("0220123456"),
        ItemHint("0220123456", "MRP"),
        ItemHint("0220123456", "barcode"),
        ItemHint("022012345", "RFID"),
        ItemHint("02201234567", "RFID"),
        ItemHint("022012345x", "RFID"),
        ItemHint("02201 3456", "RFID"),
        ItemHint("٠٢٢٠١٢٣٤٥٦", "RFID"),
        ItemHint("²220123456", "RFID"),
        ItemHint("", "TEXT"),
    ],
)
def test_anything_else_is_none(hint):
    assert bag_tag(hint) is None


def item_of(observation):
    lane = Lane(Layout())
    return lane.item(lane.see("xray-1", observation))


def test_a_scans_item_is_named_by_its_scan_instance_uid():
    scan = Scan(NOW, "k", b"", "x", "n", problem="p", scan_id="1.2.826", item=ItemHint("0220123456", "RFID", "BAGGAGE"))
    item = item_of(scan)
    assert (item.scan_id, item.bag_tag, item.type) == ("1.2.826", "0220123456", "BAGGAGE")


@pytest.mark.parametrize("observation", [reading(NOW), Scan(NOW, "k", b"", "x", "n", problem="p")])
def test_one_without_gets_a_uuid_of_the_lanes(observation):
    first, second = item_of(observation), item_of(observation)
    assert uuid.UUID(first.scan_id)
    assert first.scan_id != second.scan_id
