"""`jaitf-edge web`: who may sign in at the technician's page."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from drivers.errors import ConfigError
from edge.cli import output
from edge.config.users import Role, User

app = typer.Typer(
    help="Say who may sign in at the technician's page.",
    no_args_is_help=True,
    epilog="Example: jaitf-edge web adduser ama --role technician",
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits, '.', '_' and '-'.")]
PasswordOption = Annotated[
    Path | None,
    typer.Option("--password-file", metavar="FILE", help="Take the password from a file's first line; '-': stdin."),
]


@app.command(epilog="Example: jaitf-edge web adduser ama --role technician")
def adduser(
    name: NameArgument,
    role: Annotated[Role, typer.Option(help="A viewer looks; a technician also orders.")],
    config: output.ConfigOption = None,
    password_file: PasswordOption = None,
) -> None:
    """Let somebody sign in. The password is asked for twice; it takes effect at once."""
    from edge.config import users

    path = _users_file(config)
    if name in _present(path):
        raise ConfigError(f"{name} is there already; `jaitf-edge web password {name}` sets another password")
    if not re.fullmatch(users.USER_NAME, name) or name == users.NOBODY_S_NAME:
        letters = "lower-case letters, digits, '.', '_' and '-', at most 32 of them"
        raise ConfigError(f"{name!r}: a name is {letters}; not {users.NOBODY_S_NAME}")
    added = users.User(role=role, password=_new(name, password_file), since=datetime.now(UTC))
    _note(config, f"{name} may sign in as {role.value}")
    users.put(path, name, added)
    output.line(f"{name} may sign in as {role.value}; {path}")


@app.command("users", epilog="Example: jaitf-edge web users --config /etc/jaitf-edge")
def users_(config: output.ConfigOption = None, json: output.JsonOption = False) -> None:
    """List who may sign in, with role and since when."""
    path = _users_file(config)
    rows = [(name, user.role.value, f"{user.since:%Y-%m-%d}") for name, user in sorted(_present(path).items())]
    if json:
        for name, role, since in rows:
            output.json_line({"name": name, "role": role, "since": since})
    elif rows:
        output.table(("NAME", "ROLE", "SINCE"), rows)
    else:
        output.note(f"{path}: nobody; `jaitf-edge web adduser NAME --role technician` adds the first")


@app.command(epilog="Example: jaitf-edge web password ama")
def password(name: NameArgument, config: output.ConfigOption = None, password_file: PasswordOption = None) -> None:
    """Set another password. Where somebody is signed in under the name, that ends."""
    from edge.config import users

    path = _users_file(config)
    if (user := _present(path).get(name)) is None:
        raise ConfigError(f"{path}: there is no user {name}")
    changed = user.model_copy(update={"password": _new(name, password_file), "since": datetime.now(UTC)})
    _note(config, f"{name} has another password")
    users.put(path, name, changed)
    output.line(f"{name} has a new password; {path}")


@app.command(epilog="Example: jaitf-edge web remove ama")
def remove(name: NameArgument, config: output.ConfigOption = None) -> None:
    """Let somebody sign in no more. Where they are signed in, that ends."""
    from edge.config import users

    path = _users_file(config)
    if name not in _present(path):
        raise ConfigError(f"{path}: there is no user {name}")
    _note(config, f"{name} may sign in no more")
    users.remove(path, name)
    left = len(_present(path))
    output.line(f"{name} is out; {left} left" if left else f"{name} is out; nobody is left, and nobody can sign in")


def _users_file(config: Path | None) -> Path:
    """Return where the users are kept; a configuration with mistakes in it does not hinder."""
    from edge.config import load, page

    return page.users_file(load.find(config))


def _note(config: Path | None, said: str) -> None:
    """Leave word of it for the appliance's audit, before it is done. Raises StoreError where that cannot be."""
    from drivers.clock import SystemClock
    from edge.config import load
    from edge.ledger.inbox import Work, leave
    from edge.signing import whoami

    found = load.examine(load.find(config)).config
    if found is not None and found.appliance.data_dir.is_dir():
        at = SystemClock().now().rfc3339()
        leave(found.appliance.data_dir, Work(kind="users", at=at, by=whoami(), outcome="done", detail=said))
    else:
        output.note("not written into the audit: no appliance has run on this configuration yet")


def _present(path: Path) -> dict[str, User]:
    from edge.config import users

    return users.read(path) if path.exists() else {}


def _new(name: str, file: Path | None) -> str:
    """Return the hash of a new password: from a file, or asked for twice without showing it."""
    from edge.web.guard import passwords

    if file is None:
        if not sys.stdin.isatty():
            raise ConfigError(
                "there is no terminal to ask on: give the password with --password-file FILE, '-' for stdin"
            )
        asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt="The same again", err=True)
        return passwords.hashed(asked, name)
    try:
        text = sys.stdin.readline() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    return passwords.hashed(text.split("\n")[0].rstrip("\r"), name)
