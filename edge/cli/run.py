"""`jaitf-edge run`."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from drivers.errors import EdgeError
from edge.cli import output

app = typer.Typer()


@app.command(epilog="Example: jaitf-edge run --config /etc/jaitf-edge")
def run(
    config: output.ConfigOption = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more, for finding a fault.")] = False,
) -> None:
    """Run the appliance until SIGTERM or Ctrl-C. Says `ready` once everything is under way; the log is on stderr."""
    import faulthandler

    from edge import journal
    from edge.config.load import find
    from edge.notify import ServiceManager

    faulthandler.enable()  # a watchdog's SIGABRT says where every thread was
    journal.log_to("%(levelname)s %(name)s: %(message)s", "%(message)s")
    logging.getLogger().setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    try:
        again = _serve(find(config))
    except EdgeError as error:
        ServiceManager().status(f"cannot start: {str(error).splitlines()[0]}")
        raise
    if again:
        # The same process, from its very beginning: what a configuration did to this one must not outlive it.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _serve(folder: Path) -> bool:
    """Run the appliance of a configuration's folder; return whether it is to start again. Raises EdgeError."""
    from drivers import heap
    from edge import trial
    from edge.config.load import load
    from edge.daemon import serve

    heap.bound()
    trial.recover(folder)
    loaded = load(folder)
    who = loaded.appliance
    if loaded.page_off:
        logging.getLogger("jaitf.core").error("there is no page: %s", loaded.page_off)

    def ready() -> None:
        logging.getLogger("jaitf.core").info("ready: %s/%s, %d devices", who.site, who.id, len(loaded.devices))
        heap.settle()

    return asyncio.run(serve(loaded, ready))
