"""The top of the command line: the table of commands, exit statuses, and where errors go."""

import importlib.util
import subprocess
import sys

import pytest
import typer

from drivers.errors import ConfigError, LinkBusy
from edge import __version__
from edge.cli import app as top

PRESENT = [name for name, (module, _) in top.COMMANDS.items() if importlib.util.find_spec(module)]


def test_help_lists_every_command_and_imports_none():
    code = (
        "import sys; sys.argv = ['jaitf-edge', '--help']\n"
        "from edge.cli import main\n"
        "try: main()\n"
        "finally: print(sorted(m for m in sys.modules if m.startswith(('pydantic', 'numpy', 'edge.config', 'rich'))))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    listed = [line.split()[0] for line in ran.stdout.split("Commands:\n")[1].splitlines() if line.startswith("  ")]
    assert [name for name in listed if name in top.COMMANDS] == PRESENT
    assert ran.stdout.endswith("[]\n")


@pytest.mark.parametrize("name", PRESENT)
def test_each_command_has_help_with_an_example(cli, name):
    commands = importlib.import_module(top.COMMANDS[name][0]).app.registered_commands
    below = [each.name or each.callback.__name__ for each in commands] if len(commands) > 1 else []
    for words in ([name], *([name, each] for each in below)):
        ran = cli(*words, "--help")
        assert (ran.status, f"Example: jaitf-edge {' '.join(words)}" in ran.out) == (0, True), words


def test_the_table_names_modules_that_have_an_application():
    for name in PRESENT:
        assert isinstance(importlib.import_module(top.COMMANDS[name][0]).app, typer.Typer)


def test_version(cli):
    assert cli("--version").out == f"jaitf-edge {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["check", "--frob"], ["init"]])
def test_wrong_use_is_2(cli, arguments):
    ran = cli(*arguments)
    assert (ran.status, "Usage:" in ran.out + ran.err) == (2, True)


@pytest.fixture
def failing(monkeypatch):
    """A command that raises what it is told to."""
    command = typer.Typer()
    errors = []

    @command.command()
    def fail() -> None:
        raise errors.pop()

    module = type(sys)("failing_command")
    module.app = command
    monkeypatch.setitem(sys.modules, "failing_command", module)
    module.__spec__ = importlib.util.spec_from_loader("failing_command", None)
    monkeypatch.setitem(top.COMMANDS, "fail", ("failing_command", "Fail."))
    return errors


def test_an_error_is_one_line_with_its_code(cli, failing):
    failing.append(LinkBusy("port 11112 is\nheld"))
    ran = cli("fail")
    assert (ran.status, ran.out, ran.err) == (1, "", "jaitf-edge: port 11112 is\\nheld [link-busy]\n")


def test_a_configuration_error_is_2(cli, failing):
    failing.append(ConfigError("no"))
    assert (cli("fail").status, failing) == (2, [])
