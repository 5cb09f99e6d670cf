"""TLS for associations, both ways (PS3.15, B.12: TLS 1.2 and above, each side with a certificate)."""

from __future__ import annotations

import ssl
from pathlib import Path

from drivers.dicos.peer import Peer
from drivers.dicos.settings import DicosSettings
from drivers.errors import LinkUntrusted
from drivers.mends import tls_mend


def server(cert_file: Path, key_file: Path, ca_file: Path) -> ssl.SSLContext:
    """Return a context for those who connect: each must have a certificate of `ca_file`'s. Raises LinkUntrusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _filled(context, cert_file, key_file, ca_file)


def client(cert_file: Path | None, key_file: Path | None, ca_file: Path) -> ssl.SSLContext:
    """Return a context for connecting: the peer's certificate is of `ca_file`'s and names it. Raises LinkUntrusted."""
    return _filled(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), cert_file, key_file, ca_file)


def towards(peer: Peer, settings: DicosSettings) -> ssl.SSLContext | None:
    """Return the context for a workstation, None for one without TLS. Raises LinkUntrusted."""
    if not peer.tls:
        return None
    assert settings.ca_file is not None  # the settings have seen to it
    return client(settings.cert_file, settings.key_file, settings.ca_file)


def _filled(context: ssl.SSLContext, cert: Path | None, key: Path | None, ca: Path) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(ca)
        if cert:
            context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise LinkUntrusted(f"TLS: ca_file, cert_file or key_file cannot be used: {error}", tls_mend(error)) from error
    return context
