"""`jaitf-edge record`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli import output

if TYPE_CHECKING:
    from drivers.recording.tape import Tape

app = typer.Typer()


@app.command(
    epilog="Example: jaitf-edge record portal-1 --out portal-1.wire --seconds 60\n\n"
    'Example: jaitf-edge record "serial:///dev/ttyUSB0?baud=9600" --out new.wire'
)
def record(
    device: Annotated[
        str, typer.Argument(metavar="DEVICE | URL", help="A device of the configuration; or a line, as it talks.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="A new file, readable by you alone.")],
    config: output.ConfigOption = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", metavar="N", min=0.1, help="So long; else until Ctrl-C.")
    ] = None,
    max_bytes: Annotated[int, typer.Option("--max-bytes", metavar="N", min=4096, help="The file is never larger.")] = 64
    * 1024
    * 1024,
    beside: Annotated[
        bool, typer.Option("--beside", help="Though the appliance runs: this device is disabled there.")
    ] = False,
) -> None:
    """Keep a device's raw wire with its times, both ways, in a file that `jaitf-edge replay` plays again.

    The device's driver runs here meanwhile, and what it sees is judged by nobody: no hit comes of it. A device of a
    running appliance is busy; it has to be disabled there first.

    Of a URL (serial:///dev/..., tcp://HOST:PORT) what comes is kept, without a driver: for a device that has none yet.
    """
    if "://" in device:
        _line(device, out, seconds, max_bytes)
        return
    from drivers import registry
    from drivers.recording import sessions, tape
    from drivers.recording.wires import kept, wire_of
    from edge import __version__
    from edge.config.device import one_device
    from edge.config.load import find, load

    loaded = load(find(config))
    chosen = one_device(loaded, device)
    info = registry.available()[chosen.driver]
    wire = wire_of(info, chosen.settings)
    _not_running(loaded.appliance.data_dir, chosen, beside or wire.way.shared)
    header = tape.header_of(chosen.driver, device, kept(chosen.settings), time.time_ns(), __version__)
    kept_tape = tape.Tape(out, header, time.monotonic_ns, max_bytes)
    output.note(f"recording {device} to {out}; what it sees meanwhile is judged by nobody. Ctrl-C ends it.")
    if wire.warning:
        output.note(f"warning: {wire.warning}. The file stays on this machine; delete it once it has served.")
    heard = Heard()
    sessions.record(info, chosen.settings, kept_tape, seconds, heard)
    _done(out, kept_tape, f"{heard.observations} observations")
    if heard.failed:
        raise typer.Exit(1)


def _line(url: str, out: Path, seconds: float | None, max_bytes: int) -> None:
    from drivers.errors import ConfigError, LinkError
    from drivers.links.address import address
    from drivers.recording import sessions, tape
    from edge import __version__

    try:
        address(url)
    except ValueError as error:
        raise ConfigError(f"{url}: {error}") from None
    header = tape.header_of("", out.stem, {"url": url}, time.time_ns(), __version__)
    kept_tape = tape.Tape(out, header, time.monotonic_ns, max_bytes)
    output.note(f"recording {url} to {out}; nothing is said to it. Ctrl-C ends it.")
    output.note("warning: it holds whatever the device says, and stays on this machine. Never record a body scanner.")
    heard = Heard()
    try:
        sessions.listen(url, kept_tape, seconds, heard)
    except LinkError:  # it could not be opened: nothing is in it, and its name shall do for the next try
        out.unlink(missing_ok=True)
        raise
    _done(out, kept_tape, f"{heard.bytes} of them said by the device")


def _done(out: Path, kept_tape: Tape, what: str) -> None:
    full = "; it ended early: the bound of its size is reached" if kept_tape.full else ""
    output.line(f"{out}: {kept_tape.size_bytes} bytes, {what}{full}")


class Heard:
    """What a driver says while it is recorded: counted, and how the device is, told."""

    def __init__(self) -> None:
        self.observations = self.bytes = 0
        self.failed = False

    def __call__(self, said: dict[str, Any]) -> None:
        """Take one word of the driver's."""
        if "state" in said:
            reason = f": {said['reason']}" if said["reason"] else ""
            output.note(output.one_line(f"{said['at_s']:.1f} s {said['state']}{reason}"))
        elif "bytes" in said:
            self.bytes = said["bytes"]
        elif "failed" in said:
            self.failed = True
            output.note(output.one_line(f"{said['at_s']:.1f} s the driver failed: {said['failed']}: {said['reason']}"))
        else:
            self.observations += 1


def _not_running(data_dir: Path, chosen: Any, beside: bool) -> None:
    from drivers.errors import LinkBusy
    from edge.running import pid_of

    pid = None if beside or not chosen.enabled else pid_of(data_dir)
    if pid is not None:
        raise LinkBusy(
            f"{chosen.name} is busy: the appliance runs (process {pid}) and holds it; switch it off there first, on"
            f" the page (⋯ beside it), by the console's command device.disable, or by `enabled = false` in"
            f" {chosen.file.name} and a restart; then record with --beside"
        )
