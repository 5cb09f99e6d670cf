"""What a configuration must keep to beyond the type of each key: between keys, between files, and what only looks odd.

Each rule takes the files as they were parsed, so that it speaks even where another key is wrong.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from drivers import registry
from drivers.contract import DriverInfo
from drivers.errors import ConfigError
from edge.config import listen, positions
from edge.config.model import DEVICE_NAME, Web
from edge.config.problems import Problem, TomlFile, nearest, plain_name
from inference.remote.address import place

MAX_NAME = 63
CREDENTIALS = Path("/run/credentials")
CREDENTIALS_VARIABLE = "$CREDENTIALS_DIRECTORY"


@dataclass(frozen=True)
class Draft:
    """The files of a configuration that parse: `edge` is None where `edge.toml` does not; devices by their names.

    `teams` is None where there is no `teams.toml`, or it does not parse.
    """

    folder: Path
    edge: TomlFile | None
    devices: dict[str, TomlFile]
    teams: TomlFile | None = None

    def files(self) -> list[TomlFile]:
        """Return all that parse."""
        return [*([self.edge] if self.edge else []), *([self.teams] if self.teams else []), *self.devices.values()]

    def running(self) -> dict[str, TomlFile]:
        """Return the devices that are not switched off."""
        return {name: file for name, file in self.devices.items() if file.value("enabled") is not False}


Rule = Callable[[Draft], Iterator[Problem]]


def driver_of(file: TomlFile) -> DriverInfo | None:
    """Return the driver that a device file names, None where there is none of that name."""
    name = file.value("driver")
    return registry.available().get(name) if isinstance(name, str) else None


def device_names(draft: Draft) -> Iterator[Problem]:
    """Check each device's name: it is a part of topics and paths."""
    for name, file in draft.devices.items():
        if not re.fullmatch(DEVICE_NAME, name) or len(name) > MAX_NAME:
            yield file.problem(
                (),
                f"the file's name is the device's: lower-case letters, digits, '-' and '_', at most {MAX_NAME}",
                (plain_name(name)[:MAX_NAME] or "device-1") + ".toml",
            )


def known_drivers(draft: Draft) -> Iterator[Problem]:
    """Check that each device's driver exists."""
    for file in draft.devices.values():
        if isinstance(name := file.value("driver"), str) and driver_of(file) is None:
            known = list(registry.available())
            yield file.problem(("driver",), f"no such driver; there are {', '.join(known)}", nearest(name, known))


def models(draft: Draft) -> Iterator[Problem]:
    """Check that a model is a built-in package or a path, and belongs to a device that gives pictures."""
    from inference import package

    for file in draft.devices.values():
        info, name = driver_of(file), file.value("model")
        if isinstance(name, str):
            if info and not info.pictures:
                yield file.problem(("model",), f"a {info.name} device gives no pictures to judge: leave the model out")
            if is_path(name):
                if not resolved(draft.folder, name).exists():
                    yield file.problem(("model",), f"no model package at {resolved(draft.folder, name)}")
            elif name not in package.built_in():
                known = package.built_in()
                yield file.problem(
                    ("model",), f"no such model package; there are {', '.join(known)}", nearest(name, known)
                )
        elif info and info.pictures and name is None:
            yield file.warning(("driver",), "no model: every verdict on a picture of this device will be unknown")


def is_path(model: str) -> bool:
    """Say whether a `model` is the path of a package and not a built-in one's name."""
    return "/" in model or model.endswith(".zip")


def named_files(draft: Draft) -> Iterator[Problem]:
    """Check that each key `*_file` names a file that is there, seen from the configuration's folder; but the page's."""
    for file in draft.files():
        for at, text in _texts(file.data):
            if str(at[-1]).endswith("_file") and (file is not draft.edge or at[0] != "web"):
                path = resolved(draft.folder, text)
                problem = missing(path)
                if problem and (text.startswith(CREDENTIALS_VARIABLE) or path.is_relative_to(CREDENTIALS)):
                    yield file.warning(at, f"{problem}; a systemd credential is there only while the service runs")
                elif problem:
                    yield file.problem(at, problem)


def resolved(folder: Path, path: str | Path) -> Path:
    """Return a path of the configuration as a path of the machine: from its folder, or from systemd's credentials."""
    text = str(path)
    if text.startswith(CREDENTIALS_VARIABLE + "/") and (credentials := os.environ.get(CREDENTIALS_VARIABLE[1:])):
        text = credentials + text.removeprefix(CREDENTIALS_VARIABLE)
    return folder.absolute() / text


def missing(path: Path) -> str | None:
    """Return what is wrong with a file that must be there, None where nothing is."""
    try:
        if path.is_file():
            return None
        return f"{path} is no file" if path.exists() else f"no such file: {path}"
    except (OSError, ValueError) as error:
        return f"{path} cannot be looked at: {getattr(error, 'strerror', None) or error}"


def _texts(value: object, at: positions.Path = ()) -> Iterator[tuple[positions.Path, str]]:
    if isinstance(value, str) and at:
        yield at, value
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from _texts(child, (*at, key))


def console_url(draft: Draft) -> Iterator[Problem]:
    """Check that the console's URL can be one, has no password in it, and no clear text beyond this machine."""
    if draft.edge is None or not isinstance(url := draft.edge.value("console", "url"), str):
        return
    at: positions.Path = ("console", "url")
    if not re.fullmatch(r"mqtts?://[^/\s]+", url):
        return
    insecure = draft.edge.value("console", "insecure") is True
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        yield draft.edge.problem(at, f"not a URL: {error}")
        return
    if not host or port == 0:
        yield draft.edge.problem(at, "needs a host and a port: mqtts://HOST:PORT")
    elif parts.username is not None:
        yield draft.edge.problem(at, "no user and no password in a URL: use username and password_file")
    elif parts.scheme == "mqtt" and not loopback(host) and not insecure:
        yield draft.edge.problem(
            at,
            "mqtt:// sends hits in clear text: it is for loopback; elsewhere use mqtts://, or say insecure = true",
            f"mqtts://{url.removeprefix('mqtt://')}",
        )
    elif parts.scheme == "mqtt" and not loopback(host):
        yield draft.edge.warning(("console", "insecure"), f"hits travel to {host} in clear text")
    elif insecure:
        yield draft.edge.warning(("console", "insecure"), "not needed for this url: leave it out")


def loopback(host: str) -> bool:
    """Say whether a host is this machine and nothing else."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def console_credentials(draft: Draft) -> Iterator[Problem]:
    """Check that a certificate has its key, and a password its user."""
    if draft.edge is None or not isinstance(console := draft.edge.value("console"), dict):
        return
    pairs = [("cert_file", "key_file"), ("key_file", "cert_file"), ("password_file", "username")]
    for given, needed in pairs:
        if given in console and needed not in console:
            yield draft.edge.problem(("console", given), f"needs {needed} beside it")
    plain = str(console.get("url", "")).startswith("mqtt://")
    for key in ("ca_file", "cert_file"):
        if plain and key in console:
            yield draft.edge.warning(("console", key), "not used: the url is mqtt:// and not mqtts://")


def model_server(draft: Draft) -> Iterator[Problem]:
    """Check that the inference server's URL can be one, and that no picture leaves this machine in clear text."""
    if draft.edge is None or not isinstance(given := draft.edge.value("inference"), dict):
        return
    url, at = given.get("server"), ("inference", "server")
    if not isinstance(url, str):
        for key in sorted(key for key in given if str(key).startswith("server_")):
            yield draft.edge.warning(("inference", key), "not used: there is no server")
        return
    try:
        found = place(url)
    except ConfigError as error:
        yield draft.edge.problem(at, str(error))
        return
    insecure = given.get("server_insecure") is True
    clear = not found.tls and not loopback(found.host)
    if clear and not insecure:
        yield draft.edge.problem(
            at,
            "sends pictures in clear text: that is for loopback; elsewhere use TLS, or say server_insecure = true",
            url.replace("://", "s://", 1),
        )
    elif clear:
        yield draft.edge.warning(("inference", "server_insecure"), f"pictures travel to {found.host} in clear text")
    elif insecure:
        yield draft.edge.warning(("inference", "server_insecure"), "not needed for this server: leave it out")
    if not found.tls and "server_ca_file" in given:
        yield draft.edge.warning(("inference", "server_ca_file"), "not used: the server's url is without TLS")


def listeners(draft: Draft) -> Iterator[Problem]:
    """Check that no two devices, and no device and the technician's page, listen on the same address."""
    seen: list[tuple[str, listen.Address]] = []
    for who, file, at, text in addresses(draft):
        address = listen.parse(text)
        if address is None:
            if re.fullmatch(r".+:\d+", text):
                yield file.problem(at, f"must be HOST:PORT with a port from 1 to {listen.MAX_PORT}; it is {text}")
            continue
        for other, taken in seen:
            if address.clashes(taken):
                yield file.problem(at, f"{address} is taken: {other} listens on {taken}")
                break
        seen.append((who, address))


def addresses(draft: Draft) -> Iterator[tuple[str, TomlFile, positions.Path, str]]:
    """Return who listens where, as the configuration has it: the page first, then the devices by name."""
    if draft.edge is not None:
        page = draft.edge.value("web", "listen")
        default: str = Web.model_fields["listen"].default
        yield "the technician's page", draft.edge, ("web", "listen"), page if isinstance(page, str) else default
    for name, file in draft.running().items():
        address = file.value("settings", "listen") or _default_listen(file)
        if isinstance(address, str):
            yield name, file, ("settings", "listen"), address


def _default_listen(file: TomlFile) -> object:
    info = driver_of(file)
    field = registry.settings_class(info).model_fields.get("listen") if info else None
    return field.default if field else None


def shared_hardware(draft: Draft) -> Iterator[Problem]:
    """Warn of two devices on one address or folder, which is rarely meant; a serial port is held by one alone."""
    seen: dict[tuple[str, str, str], str] = {}
    ports: dict[str, str] = {}
    for name, file in draft.running().items():
        url = file.value("settings", "url")
        if isinstance(url, str) and url.startswith("serial://"):
            other = ports.setdefault(url.partition("?")[0], name)
            if other != name:
                said = f"{other} holds this port; several Modbus units on one line are [[settings.units]] of one device"
                yield file.problem(("settings", "url"), said)
            continue
        for key in ("url", "path"):
            if isinstance(place := file.value("settings", key), str):
                unit = str(file.value("settings", "unit"))
                other = seen.setdefault((key, place, unit), name)
                if other != name:
                    yield file.warning(("settings", key), f"{other} has the same {key}")


def something_to_do(draft: Draft) -> Iterator[Problem]:
    """Warn of an appliance that has no devices and sees nothing."""
    if draft.edge is not None and not draft.running():
        what = "every device is switched off" if draft.devices else "no device: there is no file in devices/"
        yield draft.edge.warning((), what)


def data_dir(draft: Draft) -> Iterator[Problem]:
    """Warn where what must not be lost is kept in a place that a restart of the machine empties."""
    if draft.edge is None or not isinstance(text := draft.edge.value("appliance", "data_dir"), str):
        return
    path = resolved(draft.folder, text)
    if any(path.is_relative_to(place) for place in ("/tmp", "/run", "/dev/shm")):
        yield draft.edge.warning(("appliance", "data_dir"), f"{path} is emptied when the machine restarts")


RULES: tuple[Rule, ...] = (
    device_names,
    known_drivers,
    models,
    named_files,
    console_url,
    console_credentials,
    model_server,
    listeners,
    shared_hardware,
    something_to_do,
    data_dir,
)
