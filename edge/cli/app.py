"""The top of `jaitf-edge`: a table of commands, each imported only when it is asked for, and one place for exit codes.

0: done; 1: the thing asked for failed; 2: wrong use, or a configuration that cannot be used.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Annotated, Any, NoReturn

import typer
import typer.core
import typer.main

from drivers.errors import ConfigError, EdgeError
from edge.cli import output

FAILED = 1
WRONG_USE = 2

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("edge.cli.demo", "Run a whole simulated lane on this machine, with a console page."),
    "run": ("edge.cli.run", "Run the appliance."),
    "setup": ("edge.cli.setup", "Set up a lane step by step: find, test and write down its devices."),
    "init": ("edge.cli.init", "Write a commented, valid configuration."),
    "check": ("edge.cli.check", "Check a configuration without touching hardware."),
    "drivers": ("edge.cli.drivers", "List the drivers, or explain one."),
    "probe": ("edge.cli.probe", "Talk to the hardware once and say what answered."),
    "record": ("edge.cli.record", "Keep a device's raw wire with its times."),
    "replay": ("edge.cli.replay", "Play a recorded wire to its driver; make a test case of it."),
    "calibrate": ("edge.cli.calibrate", "Calibrate a line detector: dark, gain, dead pixels."),
    "doctor": ("edge.cli.doctor", "Check the whole box, with the mend for each fault."),
    "diagnostics": ("edge.cli.diagnostics", "Write one archive for support, with secrets masked."),
    "inspect": ("edge.cli.inspect", "Judge image or DICOS files."),
    "model": ("edge.cli.model", "Look after model packages."),
    "web": ("edge.cli.web", "Say who may sign in at the technician's page."),
    "hits": ("edge.cli.hits", "List the hits in the ledger."),
    "evidence": ("edge.cli.evidence", "Export evidence packages, and verify them."),
    "report": ("edge.cli.report", "Say what came of a period's hits, in figures."),
    "dicos": ("edge.cli.dicos", "Check DICOS files."),
    "update": ("edge.cli.update", "Put another version in force, on trial."),
    "contract": ("edge.cli.contract", "Write the AsyncAPI document and the JSON Schemas."),
}
"""Each command's module, which has a Typer application `app`, and its line in the help."""


class Commands(typer.core.TyperGroup):
    """The commands of the table whose module is there; their help is listed without importing them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the table's order."""
        return [name for name, (module, _) in COMMANDS.items() if importlib.util.find_spec(module)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and return a command, or return None where there is none of this name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module, summary = COMMANDS[cmd_name]
        application: typer.Typer = importlib.import_module(module).app
        application.rich_markup_mode = None
        application._add_completion = False
        command = typer.main.get_command(application)
        command.name = cmd_name
        command.help = command.help or summary
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the help's list of commands from the table."""
        if rows := [(name, COMMANDS[name][1]) for name in self.list_commands(ctx)]:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


app = typer.Typer(
    cls=Commands,
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Example: jaitf-edge demo",
)


def _version(asked: bool) -> None:
    if asked:
        from edge import __version__

        output.line(f"jaitf-edge {__version__}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """JAITF Edge: the appliance at a screening lane. Pictures are judged, hits reach the console."""


def main() -> NoReturn:
    """Run `jaitf-edge` with the process's arguments and exit with its status."""
    try:
        typer.main.get_command(app).main(prog_name="jaitf-edge")
    except ConfigError as error:
        output.note(_said(error))
        sys.exit(WRONG_USE)
    except EdgeError as error:
        output.note(_said(error))
        sys.exit(FAILED)
    sys.exit(0)


def _said(error: EdgeError) -> str:
    """Return the error as the operator reads it: configuration problems are lines of their own, with file and line."""
    problems = getattr(error, "problems", None)
    if problems:
        return "\n".join(str(problem) for problem in problems)
    return f"jaitf-edge: {output.one_line(str(error))} [{error.code}]"
