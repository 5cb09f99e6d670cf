"""A full lane under the unit as it is shipped: every setting of its sandbox in force, devices of four kinds."""

import json

import pytest

XRAY = "jaitf-sim xray --to 127.0.0.1:11112 --every-s 1 --count 6 --threat-rate 1 --seed 7"


@pytest.fixture(scope="module")
def busy(lane):
    """The lane while its simulated devices work."""
    lane.run_beside("modbus", "jaitf-sim modbus --listen 127.0.0.1:5020 --counter-hz 0.5")
    lane.run_beside("codes", "jaitf-sim codereader --pty /dev/jaitf/codes --every-s 1", user="jaitf-edge")
    lane.run_beside("xray", XRAY)
    lane.run_beside("export", "jaitf-sim xray --folder /srv/scanner-export --count 1 --threat-rate 1 --seed 8")
    return lane


def test_a_simulated_scanners_hit_is_seen_at_the_broker(busy):
    hit = busy.until_heard("up/hit/xray-1")[0]["data"]
    assert (hit["decision"], hit["driver"], hit["model"]["name"]) == ("alarm", "dicos", "baggage")
    assert hit["score"] >= hit["threshold"]
    assert hit["threats"][0]["box"]


def test_a_picture_from_an_export_folder_is_judged_by_the_model(busy):
    verdict = busy.until_heard("up/verdict/export-1")[0]
    assert verdict["decision"] in ("alarm", "clear")
    assert 0 < verdict["score"] < 1


def test_a_register_that_changes_is_a_hit(busy):
    assert busy.until_heard("up/hit/portal-1")[0]["data"]["threats"][0]["measurement"]["name"] == "counter"


def test_a_reader_on_a_serial_line_is_read(busy):
    reading = busy.until_heard("up/reading/codes-1")[0]
    assert "tag" in json.dumps(reading)


def test_every_device_is_up_and_the_status_line_says_so(busy):
    busy.machine.until("systemctl show -p StatusText jaitf-edge | grep -q '4 of 4 devices up'")
    assert busy.shows("StatusText").endswith("console connected")


def test_the_sandbox_stands_in_nobodys_way(busy):
    busy.until_heard("up/hit/xray-1")
    log = busy.machine.sh("journalctl -u jaitf-edge -o cat --no-pager")
    assert "not permitted" not in log.lower()
    assert "Traceback" not in log
    assert "not-in-any-log" not in log
