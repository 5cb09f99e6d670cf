"""Whose package it is: signatures that openssl checks, packages that dpkg still reads, and nothing else believed."""

import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.errors import UpdateError
from edge.update import package
from inference.trust import fingerprint


def taken(box, path):
    package.take(path, box.places.package)
    return package.signer(box.places.package, package.trusted(box.places.keys, 0))


@pytest.fixture(autouse=True)
def mine(monkeypatch, box):
    """The tests' user is the owner that a list of keys must have."""
    owner = box.places.keys.stat().st_uid
    real = package.trusted
    monkeypatch.setattr(package, "trusted", lambda path, _: real(path, owner))


@pytest.mark.parametrize("inside", [False, True])
def test_a_signature_beside_or_inside_is_the_signers(box, inside):
    path = box.package("2.0")
    written, kid = package.sign(path, box.pem, inside=inside)
    assert written == (path if inside else path.with_name(path.name + ".sig"))
    assert taken(box, path) == kid == fingerprint(box.key.public_key())
    assert package.facts(box.places.package).version == "2.0"


def test_a_package_with_its_signature_inside_is_still_a_package(box):
    path = box.package("2.0")
    before = path.read_bytes()
    package.sign(path, box.pem, inside=True)
    package.sign(path, box.pem, inside=True)  # anew, not once more
    assert path.read_bytes()[: len(before)] == before
    assert len(path.read_bytes()) == len(before) + 124
    listed = subprocess.run(["dpkg-deb", "--contents", path], check=True, capture_output=True, text=True)
    assert "versions/2.0/bin/jaitf-edge" in listed.stdout
    names = subprocess.run(["dpkg-deb", "--field", path, "Version"], check=True, capture_output=True, text=True)
    assert names.stdout.strip() == "2.0"


def test_openssl_checks_a_signature(box):
    path = box.package("2.0")
    written, _ = package.sign(path, box.pem)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", box.places.keys, "-rawin", "-in", path]
    ran = subprocess.run([*command, "-sigfile", written], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.strip()) == (0, "Signature Verified Successfully")


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("where", [0.1, 0.5, 0.9])
def test_a_changed_package_is_nobodys(box, inside, where):
    path = box.package("2.0")
    package.sign(path, box.pem, inside=inside)
    data = bytearray(path.read_bytes())
    data[8 + int((len(data) - 200) * where)] ^= 1
    path.write_bytes(data)
    with pytest.raises(UpdateError, match="not signed by a key"):
        taken(box, path)


def test_a_strangers_signature_is_not_enough(box):
    path = box.package("2.0")
    box.key = Ed25519PrivateKey.generate()
    package.sign(path, box.pem)
    with pytest.raises(UpdateError, match="not signed by a key"):
        taken(box, path)


def test_unsigned_and_no_package_at_all(box):
    path = box.package("2.0")
    with pytest.raises(UpdateError, match=r"no jaitf-edge_2\.0_all\.deb\.sig beside it"):
        taken(box, path)
    path.with_name(path.name + ".sig").write_bytes(b"short")
    with pytest.raises(UpdateError, match="not a signature of 64 bytes"):
        taken(box, path)
    for content in (b"", b"!<arch>\n", b"PK\x03\x04" * 100, b"!<arch>\nodd"):
        path.write_bytes(content)
        with pytest.raises(UpdateError, match="not a Debian package"):
            package.sign(path, box.pem)


def test_a_list_of_keys_that_others_can_change_lists_nobody(box):
    for path in (box.places.keys, box.places.keys.parent):
        before = path.stat().st_mode
        path.chmod(0o777)
        with pytest.raises(UpdateError, match="others than its owner"):
            package.trusted(box.places.keys, 0)
        path.chmod(before)
    box.places.keys.write_text("no key")
    with pytest.raises(UpdateError, match="no public key in it"):
        package.trusted(box.places.keys, 0)
    box.places.keys.unlink()
    with pytest.raises(UpdateError, match="whose packages this box takes"):
        package.trusted(box.places.keys, 0)


def test_another_package_is_not_ours_however_signed(box):
    path = box.package("2.0")
    control = box.root / "tree-2.0/DEBIAN/control"
    control.write_text(control.read_text().replace("jaitf-edge", "other"))
    subprocess.run(["dpkg-deb", "-Znone", "--build", box.root / "tree-2.0", path], check=True, capture_output=True)
    with pytest.raises(UpdateError, match="this is the package other"):
        package.facts(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=100)
@given(head=st.sampled_from([b"", b"!<arch>\n"]), data=st.binary(max_size=300), sealed=st.booleans())
def test_whatever_bytes_come_none_are_believed(box, head, data, sealed):
    path = box.root / "any.deb"
    path.write_bytes(head + data + (package._HEADER + data[:64].ljust(64, b"x") if sealed else b""))
    with pytest.raises(UpdateError):
        taken(box, path)
