"""Whose packages may judge: those of listed keys, and what came with the appliance."""

import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from drivers.errors import ModelError
from inference import load
from inference.build import pack
from inference.package import read
from inference.trust import Trust, sign

pytestmark = pytest.mark.slow

NONE = serialization.NoEncryption()


def keys(folder, name="signer", made=None):
    """Write a pair of keys; return where the private and the public one lie."""
    private = made or ed25519.Ed25519PrivateKey.generate()
    secret, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    pem = serialization.Encoding.PEM
    secret.write_bytes(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, NONE))
    public.write_bytes(private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return secret, public


@pytest.fixture
def signed(darkness_package, tmp_path):
    secret, public = keys(tmp_path)
    sign(darkness_package, secret.read_bytes())
    return darkness_package, public


def test_a_signed_package_judges_as_a_folder_and_as_a_zip(signed, tmp_path):
    folder, public = signed
    assert load(folder, 1, public).name == "darkness"
    pack(folder, tmp_path / "darkness.zip")
    assert load(tmp_path / "darkness.zip", 1, public).name == "darkness"
    assert load(folder, 1).manifest.signature.kid == next(iter(Trust.of(public)._keys))


def test_openssl_finds_the_signature_good(signed):
    folder, public = signed
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin"]
    command += ["-in", folder / "model.toml", "-sigfile", folder / "model.toml.sig"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and "Verified" in ran.stdout


def test_signed_anew_by_another_it_is_the_others(signed, tmp_path):
    folder, public = signed
    secret, other = keys(tmp_path, "other")
    sign(folder, secret.read_bytes())
    assert (folder / "model.toml").read_text().count("[signature]") == 1
    assert load(folder, 1, other)
    with pytest.raises(ModelError, match="signed by a key that is not trusted here"):
        load(folder, 1, public)
    both = tmp_path / "both.pem"
    both.write_bytes(public.read_bytes() + b"\n# the other\n" + other.read_bytes())
    assert load(folder, 1, both)


def test_what_nobody_signed_is_refused_where_signatures_are_asked_for(darkness_package, tmp_path):
    _, public = keys(tmp_path)
    assert load(darkness_package, 1)
    with pytest.raises(ModelError, match="not signed, and only signed packages may judge here"):
        load(darkness_package, 1, public)


def test_what_came_with_the_appliance_is_trusted_as_it_is(tmp_path):
    _, public = keys(tmp_path)
    assert load("baggage", 1, public).name == "baggage"


def test_a_changed_manifest_is_refused(signed):
    folder, public = signed
    manifest = folder / "model.toml"
    manifest.write_text(manifest.read_text().replace("normal = 0.8", "normal = 0.9"))
    assert load(folder, 1)  # whole, but no longer what was signed
    with pytest.raises(ModelError, match="is not that key's signature"):
        load(folder, 1, public)


def test_half_a_signature_is_no_package(signed, tmp_path):
    folder, _ = signed
    stripped = tmp_path / "stripped"
    shutil.copytree(folder, stripped)
    (stripped / "model.toml.sig").unlink()
    with pytest.raises(ModelError, match="go together"):
        read(stripped)
    (folder / "model.toml.sig").write_bytes(bytes(65))
    with pytest.raises(ModelError, match="go together"):
        read(folder)


def test_strangers_keys_are_refused_in_words(darkness_package, tmp_path):
    secret, public = keys(tmp_path, "rsa", rsa.generate_private_key(65537, 2048))
    with pytest.raises(ModelError, match="not an Ed25519 key"):
        sign(darkness_package, secret.read_bytes())
    with pytest.raises(ModelError, match="no Ed25519 key"):
        Trust.of(public)
    with pytest.raises(ModelError, match="no private key"):
        sign(darkness_package, b"nothing")
    (tmp_path / "empty.pem").touch()
    with pytest.raises(ModelError, match="no public key in it"):
        Trust.of(tmp_path / "empty.pem")
    with pytest.raises(ModelError, match="No such file"):
        Trust.of(tmp_path / "none.pem")
    with pytest.raises(ModelError, match="as a folder"):
        sign(tmp_path / "none.zip", keys(tmp_path)[0].read_bytes())
