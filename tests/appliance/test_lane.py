"""A full lane under the unit as it is shipped: every setting of its sandbox in force, devices of four kinds."""

import json
import re

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
    log = busy.machine.journal("jaitf-edge")
    assert "not permitted" not in log.lower()
    assert "Traceback" not in log
    assert "not-in-any-log" not in log


def test_lines_of_the_journal_carry_their_device_and_their_finding(busy):
    found = busy.machine.until('journalctl -o json --no-pager JAITF_DEVICE=xray-1 | grep \'"MESSAGE":"xray-1: up"\'')
    line = json.loads(found.splitlines()[0])
    assert (line["PRIORITY"], line["LOGGER"], line["SYSLOG_IDENTIFIER"]) == ("6", "jaitf.device", "jaitf-edge")


def test_a_hit_is_found_in_the_journal_by_its_id(busy):
    hit = busy.until_heard("up/hit/xray-1")[0]["data"]
    found = busy.machine.until(f"journalctl -o json --no-pager JAITF_HIT_ID={hit['hit_id']} | grep xray-1")
    line = json.loads(found.splitlines()[0])
    assert (line["JAITF_DEVICE"], hit["threats"][0]["label"] in line["MESSAGE"]) == ("xray-1", True)


def test_the_daily_look_finds_the_models_in_order(busy):
    kept = busy.machine.root / "var/lib/jaitf-edge/standing.json"  # where the look reads how the devices are

    def well():
        devices = json.loads(kept.read_bytes())["devices"] if kept.exists() else {}
        return devices and all(each["state"] != "down" for each in devices.values())

    busy.until("no device down on the disk", well)
    busy.machine.sh("systemctl start jaitf-edge-doctor", check=False, within_s=300)
    log = busy.machine.journal("jaitf-edge-doctor")
    assert "ok    models" in log
    assert "could not be checked" not in log


def test_what_the_daily_look_finds_reaches_the_console(busy):
    key = "/var/lib/jaitf-edge/signing.pem"
    busy.machine.sh(f"chmod 644 {key}; systemctl start jaitf-edge-doctor; chmod 600 {key}", check=False, within_s=300)
    (told,) = busy.until(
        "word of the daily look", lambda: [said for said in busy.heard("up/audit") if said["what"] == "doctor"]
    )
    assert (told["by"], told["outcome"]) == ("jaitf-edge", "failed")
    assert key in told["detail"]


def test_a_device_is_restarted_alone(busy):
    before = busy.shows("MainPID")
    status = busy.machine.sh("systemctl status --no-pager jaitf-edge")
    (portal,) = re.findall(r'(\d+) "?jaitf-edge-device portal-1', status)
    busy.machine.sh(f"kill -KILL {portal}")
    busy.machine.until("journalctl -o cat --no-pager JAITF_DEVICE=portal-1 JAITF_CODE=crashing | grep -q SIGKILL")
    busy.machine.until("systemctl show -p StatusText jaitf-edge | grep -q '4 of 4 devices up'")
    assert (busy.shows("MainPID"), busy.shows("NRestarts")) == (before, "0")


def test_a_core_that_stands_still_is_ended_by_the_watchdog_and_comes_back(busy):
    """Last: the appliance after it is another process."""
    before = busy.shows("MainPID")
    busy.machine.sh(f"kill -STOP {before}")
    busy.machine.until("[ $(systemctl show --value -p NRestarts jaitf-edge) = 1 ]", within_s=120)
    log = busy.machine.journal("jaitf-edge")
    assert "Watchdog timeout" in log
    assert "Fatal Python error: Aborted" in log  # where each thread was
    busy.machine.until(
        "systemctl show -p StatusText jaitf-edge | grep -q 'devices up.*console connected'", within_s=120
    )
    assert busy.shows("MainPID") != before
    busy.until("word of a second start", lambda: len({said["session"] for said in busy.heard("up/state")}) == 2)
