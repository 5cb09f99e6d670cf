"""What `[web]` must keep to: beyond loopback nobody gets at the page without TLS and without signing in.

Each is an error of `check`, and keeps the page from being served; the lane starts all the same.
"""

from __future__ import annotations

import ssl
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from drivers.errors import ConfigError
from edge.config import listen
from edge.config.problems import Problem, TomlFile
from edge.config.rules import CREDENTIALS, CREDENTIALS_VARIABLE, Draft, Rule, loopback, missing, resolved
from edge.config.users import USERS_FILE, Role, read


def users_file(folder: Path) -> Path:
    """Return where the users of the configuration in `folder` are kept, also where the configuration is broken."""
    try:
        data = tomllib.loads((folder / "edge.toml").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        data = {}
    return _users_file(folder, TomlFile(folder / "edge.toml", data, {}))


def _users_file(folder: Path, edge: TomlFile) -> Path:
    named = edge.value("web", "users_file")
    return resolved(folder, named if isinstance(named, str) else USERS_FILE)


def beyond_loopback(draft: Draft) -> Iterator[Problem]:
    """Refuse a page that other machines reach without TLS, or without anybody who may sign in."""
    if draft.edge is None or (address := listen.parse(draft.edge.value("web", "listen"))) is None:
        return
    if loopback(address.host):
        return
    at = ("web", "listen")
    if not draft.edge.value("web", "cert_file"):
        said = "other machines reach this address: it needs TLS, a cert_file and its key_file; or listen on 127.0.0.1"
        yield draft.edge.problem(at, said)
    path = _users_file(draft.folder, draft.edge)
    if not path.exists():
        said = f"other machines reach this address: somebody must be able to sign in, and there is no {path}"
        yield draft.edge.problem(at, f"{said}; `jaitf-edge web adduser NAME --role technician` makes it")


def files(draft: Draft) -> Iterator[Problem]:
    """Check that the files that `[web]` names are there. A list of users that is missing must not open the page."""
    for key in ("cert_file", "key_file", "users_file"):
        if draft.edge is not None and isinstance(text := draft.edge.value("web", key), str):
            path = resolved(draft.folder, text)
            credential = text.startswith(CREDENTIALS_VARIABLE) or path.is_relative_to(CREDENTIALS)
            if said := missing(path):
                yield draft.edge.warning(("web", key), said) if credential else draft.edge.problem(("web", key), said)


def users(draft: Draft) -> Iterator[Problem]:
    """Check the list of users where there is one; without a technician nobody can give an order."""
    if draft.edge is None or not (path := _users_file(draft.folder, draft.edge)).exists():
        return
    try:
        found = read(path)
    except ConfigError as error:
        yield Problem(path, 1, "-", str(error).removeprefix(f"{path}: "))
        return
    if not any(user.role is Role.TECHNICIAN for user in found.values()):
        who = "nobody can sign in" if not found else "no technician among them: nobody can give an order"
        said = f"{who}; `jaitf-edge web adduser NAME --role technician` adds one"
        yield TomlFile(path, {}, {(): 1}).warning((), said)


def certificate(draft: Draft) -> Iterator[Problem]:
    """Check that the page's certificate and key are there, belong together, and that the key is no secret of many."""
    if draft.edge is None or not isinstance(web := draft.edge.value("web"), dict):
        return
    named = {key: web[key] for key in ("cert_file", "key_file") if isinstance(web.get(key), str)}
    if len(named) == 1:
        given = next(iter(named))
        needed = "key_file" if given == "cert_file" else "cert_file"
        yield draft.edge.problem(("web", given), f"needs {needed} beside it")
    paths = {key: resolved(draft.folder, text) for key, text in named.items()}
    if len(paths) < 2 or not all(path.is_file() for path in paths.values()):
        return
    if paths["key_file"].stat().st_mode & 0o007:
        said = f"every user of this machine can read it; chmod o-rwx {paths['key_file']}"
        yield draft.edge.problem(("web", "key_file"), said)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(paths["cert_file"], paths["key_file"], password="")
    except (ssl.SSLError, OSError) as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        said = f"cannot be used with key_file: {(reason or 'not PEM').replace('_', ' ').lower()}"
        yield draft.edge.problem(("web", "cert_file"), f"{said}; both are PEM, belong together, and have no passphrase")


PAGE_RULES: tuple[Rule, ...] = (beyond_loopback, files, users, certificate)


def page(draft: Draft) -> Iterator[Problem]:
    """Return all that is wrong with the page."""
    for rule in PAGE_RULES:
        for problem in rule(draft):
            yield replace(problem, stops=False)
