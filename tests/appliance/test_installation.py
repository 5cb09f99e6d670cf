"""From the file to a service, and from there to nothing left but evidence."""

import gzip
import json


def test_it_installs_without_a_network_and_waits_until_it_is_configured(box):
    assert "jaitf-edge waits until it is configured" in (box.root / "root/installation.log").read_text()
    assert "E:" not in (box.root / "root/installation.log").read_text()
    shown = box.sh("systemctl show -p ActiveState -p ConditionResult -p UnitFileState jaitf-edge").split()
    assert shown == ["ActiveState=inactive", "UnitFileState=enabled", "ConditionResult=no"]
    assert box.sh("systemctl is-enabled jaitf-edge-doctor.timer").strip() == "enabled"
    assert box.sh("id -nG jaitf-edge").split() == ["jaitf-edge", "dialout", "video", "input"]
    assert box.sh("stat -c '%U:%G %a' /etc/jaitf-edge /var/lib/jaitf-edge").split("\n")[:2] == [
        "root:jaitf-edge 2770",
        "jaitf-edge:jaitf-edge 750",
    ]


def test_nothing_of_the_machine_that_made_it_is_in_it(box):
    """Else it would run only there: interpreters, paths, owners."""
    assert box.sh("find /opt/jaitf-edge -not -user root -o -perm -o+w -not -type l").strip() == ""
    assert box.sh("readlink -f /opt/jaitf-edge/current/bin/python3").strip() == "/usr/bin/python3.11"
    prefix, base = box.sh(
        "/opt/jaitf-edge/current/bin/python3 -Ic 'import sys; print(sys.prefix, sys.base_prefix)'"
    ).split()
    assert (prefix.startswith("/opt/jaitf-edge/"), base) == (True, "/usr")
    assert (
        box.sh("grep -rlI 'direct_url' /opt/jaitf-edge/current/lib/python3.11/site-packages/jaitf_edge-*/ || true")
        == ""
    )


def test_dpkg_finds_every_file_as_it_was_packed(box):
    assert box.sh("dpkg --verify jaitf-edge") == ""


def test_what_is_in_it_is_told(box):
    doc = box.root / "usr/share/doc/jaitf-edge"
    sbom = json.loads((doc / "sbom.cdx.json").read_text())
    named = {part["name"]: part for part in sbom["components"]}
    installed = box.sh("ls -d /opt/jaitf-edge/current/lib/python3.11/site-packages/*.dist-info").split()
    assert (sbom["bomFormat"], sbom["metadata"]["component"]["name"]) == ("CycloneDX", "jaitf-edge")
    assert len(named) == len(installed) - 1  # itself is the subject, and no part
    assert named["onnxruntime"]["purl"].startswith("pkg:pypi/onnxruntime@")
    assert "torch" not in named
    assert gzip.decompress((doc / "changelog.gz").read_bytes()).startswith(b"# Changes")


def test_init_check_and_start_are_all_that_it_takes(box):
    box.sh("jaitf-edge init /etc/jaitf-edge --site lfw --lane t1-l3 --id edge-01 --console-url mqtt://127.0.0.1:1883")
    assert "insecure" not in box.sh("jaitf-edge check 2>&1")
    box.sh("systemctl start jaitf-edge", within_s=300)
    assert box.sh("systemctl is-active jaitf-edge").strip() == "active"
    # Without a console and without a scanner it stays up, and says what is missing.
    assert "console away" in box.until("systemctl show --value -p StatusText jaitf-edge | grep 'console away'")


def test_a_configuration_that_is_wrong_is_said_and_is_taken_up_once_it_is_mended(box):
    box.sh("jaitf-edge init /etc/jaitf-edge --site lfw --lane t1-l3 --id edge-01 --console-url mqtt://127.0.0.1:1883")
    box.sh("cp -p /etc/jaitf-edge/edge.toml /root/right && sed -i 's/^lane = .*/lame = 1/' /etc/jaitf-edge/edge.toml")
    box.sh("systemctl start --no-block jaitf-edge")
    box.until("systemctl show -p StatusText jaitf-edge | grep -q 'cannot start: .*edge.toml:[0-9]*: appliance.lane'")
    box.until("[ $(systemctl show --value -p NRestarts jaitf-edge) -ge 2 ]")
    box.sh("cp -p /root/right /etc/jaitf-edge/edge.toml")
    box.until("[ $(systemctl is-active jaitf-edge) = active ]")


def test_removal_leaves_the_evidence_and_purge_asks_nothing(box):
    box.sh("jaitf-edge init /etc/jaitf-edge --console-url mqtt://127.0.0.1:1883")
    box.put("/etc/credstore/jaitf-edge.password", "secret", 0o600)
    box.sh("systemctl start jaitf-edge", within_s=300)
    key = box.sh("sha256sum /var/lib/jaitf-edge/signing.pem")

    said = box.sh("apt-get remove -qy jaitf-edge </dev/null 2>&1", within_s=300)
    assert "/var/lib/jaitf-edge" in said
    assert box.sh("systemctl is-active jaitf-edge", check=False).strip() == "inactive"
    assert box.sh("ls /opt /usr/bin/jaitf-edge 2>/dev/null", check=False) == "/opt:\n"
    assert box.sh("sha256sum /var/lib/jaitf-edge/signing.pem") == key
    assert box.sh("ls /etc/jaitf-edge/edge.toml")

    said = box.sh("apt-get purge -qy jaitf-edge </dev/null 2>&1", within_s=300)
    assert "These stay" in said
    for stays in ("/var/lib/jaitf-edge", "the user jaitf-edge", "/etc/credstore/jaitf-edge.password"):
        assert stays in said
    assert box.sh("sha256sum /var/lib/jaitf-edge/signing.pem") == key
    assert box.sh("ls -d /etc/jaitf-edge /etc/systemd/system/*/jaitf* 2>/dev/null", check=False) == ""
