"""`jaitf-edge contract`: writes what is committed under docs/contract."""

import json
from pathlib import Path

COMMITTED = Path(__file__).resolve().parents[4] / "docs" / "contract"


def test_what_is_written_is_what_is_committed(cli, tmp_path):
    ran = cli("contract", "--out", str(tmp_path), "--json")
    assert ran.status == 0
    written = [Path(json.loads(line)["file"]).relative_to(tmp_path) for line in ran.out.splitlines()]
    committed = [path.relative_to(COMMITTED) for path in COMMITTED.rglob("*.json")]
    assert sorted(written) == sorted(committed)
    for name in written:
        assert (tmp_path / name).read_text() == (COMMITTED / name).read_text(), f"{name}: run scripts/generate.py"


def test_a_place_that_cannot_be_written_is_said(cli, tmp_path):
    (tmp_path / "file").write_text("")
    ran = cli("contract", "--out", str(tmp_path / "file" / "x"))
    assert (ran.status, "Not a directory" in ran.err) == (1, True)
