"""What may be configured, and that the README says the same."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

import drivers.dicos
from drivers.dicos.settings import DicosSettings
from edge.config.describe import keys

README = Path(drivers.dicos.__file__).with_name("README.md")


def test_the_readme_lists_every_setting_with_its_default() -> None:
    rows = [f"| `{key.name}` | `{key.default}` | {key.description} |" for key in keys(DicosSettings)]
    section = README.read_text().partition("## Settings")[2].partition("\n## ")[0]
    assert [row for row in section.splitlines() if row.startswith("| `")] == rows


def test_every_code_of_the_driver_is_in_the_readme() -> None:
    text = README.read_text()
    lost = ("link-busy", "link-denied", "link-lost")
    for code in (*lost, "no-answer", "object-too-large", "store-full", "workstation"):
        assert f"| `{code}` |" in text


@pytest.mark.parametrize(
    "wrong",
    [
        {"listen": "11112"},
        {"listen": ":11112"},
        {"listen": "0.0.0.0:70000"},
        {"listen": "0.0.0.0:http"},
        {"listen": "::1:11112"},
        {"ae_title": ""},
        {"ae_title": "   "},
        {"ae_title": "SEVENTEEN-LETTERS"},
        {"ae_title": "BACK\\SLASH"},
        {"ae_title": "ÉDGE"},
        {"addresses": ["scanner.example"]},
        {"addresses": ["10.0.0.0/33"]},
        {"max_associations": 0},
        {"max_object_bytes": 10**9},
        {"idle_s": 10},
        {"port": 104},
    ],
    ids=str,
)
def test_what_is_wrong_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DicosSettings.model_validate(wrong)


def test_an_address_is_split() -> None:
    assert (DicosSettings(listen="[::1]:104").host, DicosSettings(listen="[::1]:104").port) == ("::1", 104)
    assert DicosSettings(ae_title=" EDGE ").ae_title == "EDGE", "blanks around an AE title do not count"


@pytest.mark.parametrize(
    ("peer", "admitted"),
    [("10.0.0.7", True), ("::ffff:10.0.0.7", True), ("10.0.1.7", False), ("fe80::1%eth0", True), ("fe81::1", False)],
)
def test_who_may_connect(peer: str, admitted: bool) -> None:
    assert DicosSettings(addresses=("10.0.0.0/24", "fe80::/64")).admits(peer) == admitted
    assert DicosSettings().admits(peer)


def test_every_example_in_the_readme_is_a_valid_device() -> None:
    blocks = [block.partition("```")[0] for block in README.read_text().split("```toml\n")[1:]]
    assert len(blocks) >= 2
    for block in blocks:
        device = tomllib.loads(block)
        assert device["driver"] == "dicos"
        DicosSettings.model_validate(device["settings"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"tls": True},
        {"tls": True, "cert_file": "a.pem", "key_file": "a.key"},
        {"tdr_to": "VIEWER@10.0.0.9:104"},
        {"tdr_to": "dicom-tls://VIEWER@10.0.0.9:2762"},
        {"views": 0},
        {"views": 9},
        {"join_s": 0},
        {"max_pdu_bytes": 1024},
    ],
)
def test_what_cannot_be_served_is_found_before_it_runs(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DicosSettings.model_validate(wrong)
