"""Which names are this page's, and which requests come from the page itself.

A stranger's page can give its own name this machine's address (DNS rebinding): then the browser takes it for the same
site, and only the name it asks for tells. And it can post here from where it is: then `Origin` tells.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Iterable
from pathlib import Path

from starlette.datastructures import Headers

SAFE = frozenset({"GET", "HEAD"})


class Names:
    """The names by which the page may be asked for; addresses always may, for no stranger's name is one."""

    def __init__(self, given: Iterable[str] = (), cert_file: Path | None = None) -> None:
        names = {"localhost", socket.gethostname(), *given, *(_certified(cert_file) if cert_file else ())}
        self._names = {name.casefold().rstrip(".") for name in names}

    def __contains__(self, host: object) -> bool:
        """Say whether a `Host` header's value, with or without a port, is this page's."""
        if not isinstance(host, str) or not host:
            return False
        name = host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
        name = name.casefold().rstrip(".")
        if name in self._names or f"*.{name.partition('.')[2]}" in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _certified(path: Path) -> list[str]:
    """Return the DNS names of a certificate; none where it cannot be read, which whoever serves with it will say."""
    from cryptography import x509  # here: 7 MB that a page without TLS has no use for

    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return []
    return found.get_values_for_type(x509.DNSName)


def from_elsewhere(method: str, scheme: str, headers: Headers) -> bool:
    """Say whether a request was made by another site's page.

    `Sec-Fetch-*` is said by browsers alone (W3C Fetch Metadata); following a link from elsewhere is no harm, as long
    as it only looks. `Origin` is said of everything else than looking.
    """
    site = headers.get("sec-fetch-site", "none")
    follows = method in SAFE and headers.get("sec-fetch-mode") == "navigate"
    if site not in ("same-origin", "none") and not follows:
        return True
    origin = headers.get("origin")
    if method in SAFE or origin is None:
        return False
    return origin.casefold() != f"{scheme}://{headers.get('host', '')}".casefold()


def same(given: str | None, wanted: str) -> bool:
    """Compare two tokens, in a time that says nothing of where they differ."""
    return given is not None and hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def local_path(text: str | None) -> str:
    """Return where to go after signing in: a path of this page, "/" where `text` is none."""
    if text and text[0] == "/" and text[1:2] not in ("/", "\\") and text.isprintable() and "\\" not in text:
        return text
    return "/"
