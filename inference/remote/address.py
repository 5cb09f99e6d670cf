"""Where a server is, and how it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from drivers.errors import ConfigError

PORTS = {"http": 80, "https": 443, "grpc": 80, "grpcs": 443}
MAX_TOKEN_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Server:
    """A server of the Open Inference Protocol.

    `url` is `http://`, `https://`, `grpc://` or `grpcs://`, with a path before `/v2` in the first two; `model` the
    model's name there, None for the package's own; `timeout_s` how long one tensor may take. `ca_file` (PEM) has who
    may vouch for its certificate, else this system's authorities do; `token_file` a bearer token.
    """

    url: str
    model: str | None = None
    timeout_s: float = 1.0
    ca_file: Path | None = None
    token_file: Path | None = None

    @property
    def place(self) -> Place:
        """The URL's parts. Raises ConfigError."""
        return place(self.url)

    def token(self) -> str | None:
        """Return the bearer token as it is in the file now. Raises ConfigError."""
        if self.token_file is None:
            return None
        try:
            with self.token_file.open("rb") as file:
                text = file.read(MAX_TOKEN_BYTES).decode("ascii").strip()
            mode = self.token_file.stat().st_mode
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.token_file}: {getattr(error, 'strerror', None) or 'not ASCII'}") from None
        if mode & 0o007:
            raise ConfigError(f"{self.token_file}: every user of this machine gets at the token; chmod o-rwx it")
        if not text or not text.isprintable() or " " in text:
            raise ConfigError(f"{self.token_file}: holds no token of one word")
        return text


@dataclass(frozen=True, slots=True)
class Place:
    """The parts of a server's URL: `path` comes before `/v2` and has no slash at its end."""

    host: str
    port: int
    tls: bool
    rpc: bool
    path: str = ""

    @property
    def authority(self) -> str:
        """HOST:PORT, an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def place(url: str) -> Place:
    """Return a URL's parts. Raises ConfigError for one that is none, or that has a user, a query or a fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"not a URL: {error}") from None
    if parts.scheme not in PORTS or not parts.hostname or port == 0:
        raise ConfigError("must be http://HOST:PORT, https://, grpc:// or grpcs://")
    if parts.username is not None or parts.password is not None:
        raise ConfigError("no user and no password in a URL: use server_token_file")
    path, rpc = parts.path.rstrip("/"), parts.scheme.startswith("grpc")
    if parts.query or parts.fragment or (rpc and path) or not path.isascii() or any(c.isspace() for c in path):
        raise ConfigError("has parts that no server needs: HOST:PORT, and a path with http alone")
    return Place(parts.hostname, port or PORTS[parts.scheme], parts.scheme in ("https", "grpcs"), rpc, path)
