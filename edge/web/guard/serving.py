"""How the page is served: with TLS where there is a certificate, and without trusting what a proxy would say."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Any

from edge.config.model import Web

log = logging.getLogger("jaitf.web")

LOOK_S = 30.0

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""What TLS 1.2 may use, forward secret and authenticated all of it (RFC 9325, 4.2); TLS 1.3 has its own."""


def server_options(web: Web) -> dict[str, Any]:
    """Return uvicorn's options that a guarded page needs, whatever else it is given."""
    options: dict[str, Any] = {
        # Else whoever says X-Forwarded-For chooses the address that their failures are counted under.
        "proxy_headers": False,
        "server_header": False,
        "ws": "none",
        "limit_concurrency": 256,
        "h11_max_incomplete_event_size": 16 * 1024,
        "timeout_keep_alive": 20,
    }
    if web.cert_file and web.key_file:
        options |= {"ssl_certfile": str(web.cert_file), "ssl_keyfile": str(web.key_file), "ssl_ciphers": CIPHERS}
    return options


async def follow_certificate(web: Web, context: ssl.SSLContext | None, look_s: float = LOOK_S) -> None:
    """Take up a certificate that was renewed, for new connections, until cancelled; one that does not do is told of."""
    if context is None or web.cert_file is None or web.key_file is None:
        return
    paths = (web.cert_file, web.key_file)
    seen = _seen(paths)
    while True:
        await asyncio.sleep(look_s)
        now = _seen(paths)
        if now == seen or None in now:
            continue
        try:
            # Into one of its own first: what fails half way must not be left half done in the one that serves.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*paths)
            context.load_cert_chain(*paths)
        except (OSError, ssl.SSLError) as error:
            log.error("%s: the certificate in its place cannot be used: %s; the one before serves on", paths[0], error)
        else:
            log.info("%s: a new certificate is in use", paths[0])
        seen = now


def _seen(paths: tuple[Path, ...]) -> tuple[tuple[int, int, int] | None, ...]:
    return tuple(map(_stamp, paths))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns, about.st_size
