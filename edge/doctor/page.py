"""The technician's page: its certificate, and who may sign in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from edge.config.model import Config
from edge.config.users import read
from edge.doctor.broker import certificate, pair
from edge.doctor.finding import Finding, fail, ok


def page(config: Config) -> Iterator[Finding]:
    """Say who gets at the page and how; `check` has said already what keeps it from being served."""
    web = config.web
    if not web.listen:
        off = fail("it is not served", "mend what is said of [web]; the lane goes on without")
        yield off if config.page_off else ok("switched off: web.listen is empty")
        return
    if web.cert_file and web.key_file:
        yield certificate(web.cert_file, "ask whoever issues certificates here for it again")
        yield pair(web.cert_file, web.key_file)
    else:
        yield ok(f"without TLS: it listens on {web.listen}, for this machine alone")
    if not web.users_file.exists():
        yield ok("whoever is at this machine may order; `jaitf-edge web adduser` has people sign in")
        return
    roles = Counter(user.role.value for user in read(web.users_file).values())
    yield ok(f"{web.users_file}: {', '.join(f'{n} {role}' for role, n in sorted(roles.items())) or 'nobody'}")
