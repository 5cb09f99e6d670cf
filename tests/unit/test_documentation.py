"""The documentation is whole: its pages build, each stands in a chapter, and every link and anchor leads somewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> object:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import docs as module
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    place = tmp_path_factory.mktemp("docs")
    module.PAGES, module.SITE = place / "pages", place / "site"
    return module


def test_every_page_builds_and_every_link_leads_somewhere(docs) -> None:
    docs.build()
    index = (docs.SITE / "index.html").read_text()
    assert "docs/tutorial/first-lane.html" in index
    assert "https://fonts" not in index
    errors = (docs.SITE / "reference" / "errors.html").read_text()
    assert "link-timeout" in errors
    commands = (docs.SITE / "reference" / "commands.html").read_text()
    assert "jaitf-edge evidence verify" in commands


def test_a_broken_link_is_told(docs, monkeypatch) -> None:
    pages = {"errors.md": "# Errors\n\n[gone](../docs/nowhere.md) and [anchor](../README.md#nowhere)\n"}
    monkeypatch.setattr(docs.reference, "pages", lambda: pages)
    with pytest.raises(SystemExit, match="mkdocs ended with 1") as told:
        docs.build()
    assert "nowhere.md" in str(told.value)
    assert "#nowhere" in str(told.value)


def test_a_page_without_a_chapter_is_told(docs) -> None:
    with pytest.raises(SystemExit, match=r"no chapter has elsewhere/page\.md"):
        docs.nav(["README.md", "elsewhere/page.md"])


def test_scripts_name_what_they_do() -> None:
    done = subprocess.run([sys.executable, "-c", "import docs"], cwd=ROOT / "scripts", check=False)
    assert done.returncode == 0
