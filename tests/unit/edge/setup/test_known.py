"""What is found out and not asked: names, brokers, files for TLS."""

import socket
import subprocess

import pytest

from edge.setup import known


@pytest.mark.parametrize(
    ("hostname", "names"),
    [
        ("lfw-t1-l3-edge-01", {"site": "lfw", "lane": "t1-l3", "id": "edge-01"}),
        ("LFW-T1-L3-EDGE01.airport.example", {"site": "lfw", "lane": "t1-l3", "id": "edge01"}),
        ("box_7", {"id": "box-7"}),
        ("localhost", {}),
    ],
)
def test_a_hostname_names_what_it_can(hostname, names):
    assert known.names(hostname) == names


def test_the_configuration_goes_before_the_hostname(tmp_path):
    (tmp_path / "edge.toml").write_text('[appliance]\nsite = "bog"\n')
    lane = known.lane(tmp_path, "lfw-t1-l3-edge-01")
    assert (lane["site"], lane["lane"]) == ("bog", "t1-l3")
    assert lane["data_dir"]


def test_a_broker_on_this_machine_is_found(monkeypatch):
    with socket.socket() as broker, socket.socket() as closed:
        broker.bind(("127.0.0.1", 0))
        broker.listen()
        closed.bind(("127.0.0.1", 0))
        port = broker.getsockname()[1]
        monkeypatch.setattr(known, "BROKER_PORTS", (closed.getsockname()[1], port))
        assert known.brokers() == [f"mqtt://127.0.0.1:{port}"]


def test_neighbours_are_who_answered(tmp_path):
    head = "IP address       HW type     Flags       HW address            Mask     Device\n"
    rows = "10.0.0.5 0x1 0x2 aa:bb:cc:dd:ee:ff * eth0\n10.0.0.6 0x1 0x0 00:00:00:00:00:00 * eth0\n"
    (tmp_path / "arp").write_text(head + rows)
    assert known.neighbours(tmp_path / "arp") == ["10.0.0.5"]
    assert known.neighbours(tmp_path / "none") == []


def test_tls_files_are_known_by_what_is_in_them(tmp_path):
    def openssl(line):
        subprocess.run(f"openssl {line}", shell=True, cwd=tmp_path, check=True, capture_output=True)

    ec = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    openssl(f"req -x509 {ec} -keyout a.key -out z-authority.pem -subj /CN=ca -addext basicConstraints=critical,CA:TRUE")
    openssl(f"req {ec} -keyout other.key -out other.csr -subj /CN=other")
    openssl(f"req {ec} -keyout mine.key -out mine.csr -subj /CN=edge-01")
    openssl("x509 -req -in mine.csr -CA z-authority.pem -CAkey a.key -out b-cert.pem")
    (tmp_path / "notes.pem").write_text("nothing")
    found = known.tls_files(tmp_path)
    named = (found.ca_file.name, found.cert_file.name, found.key_file.name)
    assert named == ("z-authority.pem", "b-cert.pem", "mine.key")
    assert known.tls_files(tmp_path / "none") == known.TlsFiles()
