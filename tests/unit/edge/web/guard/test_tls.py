"""The guarded page under real TLS: uvicorn on loopback, asked by a client that checks the certificate."""

import asyncio
import re
import ssl

import httpx
import pytest
import uvicorn

from edge.config.model import Web
from edge.web.guard import follow_certificate, guarded, server_options
from tests.certs import issue
from tests.unit.edge.web.guard.conftest import PAGE, PASSWORD


class Server(uvicorn.Server):
    def install_signal_handlers(self):
        pass


@pytest.fixture
async def served(tmp_path, people):
    """Serve it; return the address and the certificate."""
    cert, key = issue(tmp_path)
    web = Web(listen="0.0.0.0:8443", cert_file=cert, key_file=key)
    config = uvicorn.Config(
        guarded(PAGE, web, people), "127.0.0.1", 0, log_level="warning", lifespan="off", **server_options(web)
    )
    server = Server(config)
    running = asyncio.create_task(server.serve())
    async with asyncio.timeout(60):
        while not server.started:
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"https://localhost:{port}", cert
    server.should_exit = True
    await running


async def test_signing_in_over_tls(served):
    url, cert = served
    trust = ssl.create_default_context(cafile=cert)
    trust.verify_flags &= ~ssl.VERIFY_X509_STRICT
    async with httpx.AsyncClient(base_url=url, verify=trust, timeout=60) as browser:
        assert (await browser.get("/")).status_code == 401
        form = re.search(r'name="form" value="([^"]+)"', (await browser.get("/sign-in")).text)[1]
        fields = {"form": form, "name": "ama", "password": PASSWORD, "next": "/"}
        forged = {"X-Forwarded-For": "10.9.9.9", "Origin": url}
        assert (await browser.post("/sign-in", data=fields, headers=forged)).headers["location"] == "/"
        assert (await browser.get("/")).json() == {"name": "ama", "role": "technician"}
        csrf = (await browser.get("/api/visitor")).json()["csrf"]
        assert (await browser.post("/order", headers={"X-CSRF-Token": csrf, "Origin": url})).text == "done"
        assert "server" not in (await browser.get("/")).headers
        (cookie,) = [each for each in browser.cookies.jar if each.name == "__Host-jaitf-edge"]
        assert cookie.secure


async def test_a_renewed_certificate_is_taken_up(tmp_path):
    cert, key = issue(tmp_path)
    web = Web(listen="0.0.0.0:8443", cert_file=cert, key_file=key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    serving = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0, ssl=context)
    port = serving.sockets[0].getsockname()[1]
    following = asyncio.create_task(follow_certificate(web, context, 0.01))

    async def shown() -> str:
        return await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port), timeout=20)

    assert await shown() == cert.read_text()
    await asyncio.sleep(0)
    good = cert.read_text()
    cert.write_text("half a certif")
    await asyncio.sleep(0.1)
    assert await shown() == good  # the one before serves on
    issue(tmp_path)
    async with asyncio.timeout(60):
        while await shown() != cert.read_text():
            await asyncio.sleep(0.01)
    following.cancel()
    serving.close()
    await serving.wait_closed()


async def test_old_tls_and_plain_http_get_no_answer(served):
    url, _ = served
    with pytest.raises(httpx.TransportError):
        async with httpx.AsyncClient(timeout=60) as plain:
            await plain.get(url.replace("https", "http"))
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("AES128-SHA:AES256-SHA:ECDHE-ECDSA-AES128-SHA")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(httpx.ConnectError):
        async with httpx.AsyncClient(verify=old, timeout=60) as browser:
            await browser.get(url)
