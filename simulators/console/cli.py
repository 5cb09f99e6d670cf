"""`jaitf-console`: the reference JAITF console, a page over what appliances send to a broker."""

from __future__ import annotations

import asyncio
import ipaddress
import json as json_module
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from simulators.console.ingest import Standing
from simulators.console.mqtt import BrokerAddress, BrokerUrlError
from simulators.console.seal import CommandKey, Pins, SealError
from simulators.console.serve import ServeError, Settings, serve
from simulators.console.store.file import Place, StoreError
from simulators.console.topics import Topics

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _default_data() -> Path:
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "jaitf-console"


def _listen(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise typer.BadParameter(f"{text}: not HOST:PORT", param_hint="--listen")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _root(text: str) -> str:
    if not text or text.startswith("/") or set(text) & set("+# \t\n"):
        raise typer.BadParameter(f"{text!r}: not the first part of a topic", param_hint="--root")
    return text.rstrip("/")


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Teller:
    """What goes to standard output: lines for people, or with --json one object a line."""

    def __init__(self, json: bool) -> None:
        self._json = json

    def _say(self, event: dict[str, str], line: str) -> None:
        print(json_module.dumps(event) if self._json else line, flush=True)  # noqa: T201 - this is the program's output

    def listening(self, url: str) -> None:
        self._say({"event": "listening", "url": url}, f"console: {url}")

    def standing(self, now: Standing) -> None:
        detail = f" ({now.detail})" if now.detail else ""
        event = {"event": "broker", "state": now.state, "broker": now.broker, "detail": now.detail}
        self._say(event, f"broker: {now.state} {now.broker}{detail}")


@app.command(epilog="Example: jaitf-console --broker mqtt://127.0.0.1:1883 --listen 127.0.0.1:8090")
def console(
    broker: Annotated[str, typer.Option(metavar="URL", help="mqtt://HOST:PORT or mqtts://HOST:PORT.")],
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where the page is served; port 0 takes a free one.")
    ] = "127.0.0.1:8090",
    root: Annotated[str, typer.Option(help="First part of every topic.")] = "jaitf",
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR_OR_FILE", help="Where hits are kept; else in the user's state folder."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="So many share the hits (a shared subscription), on one file.")
    ] = 1,
    pins_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Lines of SITE/EDGE FINGERPRINT: hits signed otherwise are refused."),
    ] = None,
    command_key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Ed25519 key (PEM) that commands are signed with.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line on standard output.")] = False,
    ca_file: Annotated[Path | None, typer.Option(help="Certificates that may vouch for the broker (PEM).")] = None,
    cert_file: Annotated[Path | None, typer.Option(help="This console's certificate (PEM).")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
    username: Annotated[str | None, typer.Option(help="For a broker that asks for one.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="File with the password.")] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Another name the page is reached by; may be repeated.")
    ] = None,
) -> None:
    """Show what appliances send: live hits with their pictures, lanes and devices, receipts sent by itself."""
    try:
        address = BrokerAddress.parse(broker)
    except BrokerUrlError as error:
        raise typer.BadParameter(str(error), param_hint="--broker") from error
    address = replace(
        address,
        ca_file=ca_file,
        cert_file=cert_file,
        key_file=key_file,
        username=username,
        password_file=password_file,
    )
    at = _listen(listen)
    place = Place.of(data or _default_data())
    try:
        pins, command_key = Pins.read(pins_file), CommandKey(command_key_file) if command_key_file else None
    except SealError as error:
        raise typer.BadParameter(str(error)) from error
    settings = Settings(address, at, Topics(_root(root)), place, tuple(allow_host or ()), workers, pins, command_key)
    if not _is_local(at[0]):
        typer.echo(f"warning: whoever reaches {listen} sees the hits: the page asks nobody who they are", err=True)
    teller = _Teller(json)
    try:
        asyncio.run(serve(settings, teller.listening, teller.standing))
    except (ServeError, StoreError) as error:
        typer.echo(f"jaitf-console: {error}", err=True)
        raise typer.Exit(1) from error


def main() -> None:
    """Run the command; exits 0 when it was asked to end, 1 when it could not go on, 2 on wrong use."""
    app(prog_name=Path(sys.argv[0]).name)


if __name__ == "__main__":
    main()
