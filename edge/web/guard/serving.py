"""How the page is served: with TLS where there is a certificate, and without trusting what a proxy would say."""

from __future__ import annotations

from typing import Any

from edge.config.model import Web

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
