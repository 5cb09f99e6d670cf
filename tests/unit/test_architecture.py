"""What the documents say of the project, and what it says of itself, is so."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from edge.cli.app import COMMANDS
from edge.config.load import examine

ROOT = Path(__file__).resolve().parents[2]


def _documents() -> list[Path]:
    """Return every document, without a look into what Git, an environment or a cache makes and removes meanwhile."""
    found = []
    for where, folders, names in os.walk(ROOT):
        folders[:] = [each for each in folders if not each.startswith(".") and not each.endswith(".egg-info")]
        found += [Path(where, name) for name in names if name.endswith(".md")]
    return sorted(found)


DOCUMENTS = _documents()
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def test_packages_import_only_what_stands_below_them():
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None) == 0


def test_what_is_generated_is_as_the_code_would_write_it():
    command = [sys.executable, ROOT / "scripts" / "generate.py", "--check"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")


def test_the_example_configuration_has_nothing_wrong():
    assert examine(ROOT / "config" / "example").problems == ()


def test_the_readme_names_the_commands_there_are():
    named = set(re.findall(r"^\| `jaitf-edge (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert named == {name for name, (module, _) in COMMANDS.items() if importlib.util.find_spec(module)}


def test_the_readme_begins_with_the_two_commands():
    commands = re.findall(r"^\$ (.*?)(?: +#.*)?$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert commands[:2] == ["make demo", "make test"]
    targets = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, check=True).stdout
    for target in ("setup", "demo", "test", "lint", "bench", "torture"):
        assert f"make {target} " in targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    for link in LINK.findall(document.read_text()):
        assert (document.parent / link).exists(), link


def test_every_decision_is_in_the_list():
    folder = ROOT / "docs" / "decisions"
    listed = LINK.findall((folder / "README.md").read_text())
    assert listed == sorted(path.name for path in folder.glob("[0-9]*.md"))
    for name in listed:
        assert (folder / name).read_text().startswith(f"# {int(name[:4])}. ")


@pytest.mark.parametrize("script", ["scripts/setup", "scripts/test", ".ci/run"])
def test_scripts_are_shell(script):
    subprocess.run(["bash", "-n", ROOT / script], check=True)
