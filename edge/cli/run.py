"""`jaitf-edge run`."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from typing import Annotated

import typer

from edge.cli import output

app = typer.Typer()


@app.command(epilog="Example: jaitf-edge run --config /etc/jaitf-edge")
def run(
    config: output.ConfigOption = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more, for finding a fault.")] = False,
) -> None:
    """Run the appliance until SIGTERM or Ctrl-C. Says `ready` once everything is under way; the log is on stderr."""
    import faulthandler

    from edge import journal, trial
    from edge.config.load import find, load
    from edge.daemon import serve

    faulthandler.enable()  # a watchdog's SIGABRT says where every thread was
    journal.log_to("%(levelname)s %(name)s: %(message)s", "%(message)s")
    logging.getLogger().setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    folder = find(config)
    trial.recover(folder)
    loaded = load(folder)
    who = loaded.appliance
    if loaded.page_off:
        logging.getLogger("jaitf.core").error("there is no page: %s", loaded.page_off)

    def ready() -> None:
        logging.getLogger("jaitf.core").info("ready: %s/%s, %d devices", who.site, who.id, len(loaded.devices))

    if asyncio.run(serve(loaded, ready)):
        # The same process, from its very beginning: what a configuration did to this one must not outlive it.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
