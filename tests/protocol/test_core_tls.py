"""The courier and a mosquitto that wants to know who is there: passwords, TLS, certificates on both sides."""

import subprocess

import pytest

from simulators.certificates import Authority
from tests.core import until
from tests.mqtt import Listener
from tests.post import Post

pytestmark = pytest.mark.protocol


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "ours")


@pytest.fixture
def tls_broker(authority, start_broker):
    """`tls_broker(config)` is a mosquitto that shows a certificate of the test's authority."""
    cert_file, key_file = authority.issue("broker")
    files = f"cafile {authority.file}\ncertfile {cert_file}\nkeyfile {key_file}"
    return lambda config="": start_broker(listener=f"listener {{port}} 127.0.0.1\n{files}", config=config)


@pytest.fixture
def post(tmp_path):
    return lambda url, **console: Post(tmp_path / "data", url, **console)


@pytest.fixture
def password_broker(start_broker, tmp_path):
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    for name in ("edge-01", "console"):
        subprocess.run(["mosquitto_passwd", "-b", passwords, name, f"secret of {name}"], check=True)
    return start_broker(f"allow_anonymous false\npassword_file {passwords}\nmax_queued_messages 0")


def mqtts(broker):
    return f"mqtts://127.0.0.1:{broker.port}"


async def test_user_and_password(post, password_broker, tmp_path):
    password_file = tmp_path / "password"
    password_file.write_text("secret of edge-01\n")
    listener = Listener(password_broker.port, receipts=True, user=("console", "secret of console"))
    async with listener, post(password_broker.url, username="edge-01", password_file=password_file) as me:
        await me.hit()
        await me.all_received()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"wrong", "ot authorized"), (b"\xff\xfe", "password_file"), (None, "password_file")],
)
async def test_a_password_that_does_not_do_is_said_and_the_box_goes_on(post, password_broker, tmp_path, content, said):
    password_file = tmp_path / "password"
    if content:
        password_file.write_bytes(content)
    async with post(password_broker.url, username="edge-01", password_file=password_file) as me:
        await me.hit()
        await until(lambda: said in me.courier.last_error)
        password_file.write_text("secret of edge-01")  # read anew with each try
        await until(lambda: me.courier.connected)


async def test_tls(post, tls_broker, authority):
    broker = tls_broker()
    listener = Listener(broker.port, receipts=True, ca_certs=str(authority.file))
    async with listener, post(mqtts(broker), ca_file=authority.file) as me:
        await me.hit()
        await me.all_received()


async def test_certificates_on_both_sides(post, tls_broker, authority):
    broker = tls_broker("require_certificate true\nuse_identity_as_username true")
    cert_file, key_file = authority.issue("edge-01")
    console_cert, console_key = authority.issue("console")
    tls = {"ca_certs": str(authority.file), "certfile": str(console_cert), "keyfile": str(console_key)}
    me = post(mqtts(broker), ca_file=authority.file, cert_file=cert_file, key_file=key_file)
    async with Listener(broker.port, receipts=True, **tls), me:
        await me.hit()
        await me.all_received()


# paho drops the socket of a handshake that fails; it is closed when it is collected, with a ResourceWarning.
DROPPED = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@DROPPED
async def test_a_broker_of_another_authority_is_not_spoken_to(post, tls_broker, tmp_path):
    broker = tls_broker()
    (tmp_path / "other").mkdir()
    async with post(mqtts(broker), ca_file=Authority(tmp_path / "other", "theirs").file) as me:
        await until(lambda: "TLS: self-signed certificate" in me.courier.last_error)
        assert not me.courier.connected


async def test_without_a_certificate_of_ones_own_the_broker_hangs_up(post, tls_broker, authority):
    broker = tls_broker("require_certificate true")
    async with post(mqtts(broker), ca_file=authority.file) as me:
        await until(lambda: me.courier.last_error)
        assert not me.courier.connected
        assert "certificate" in me.courier.last_error, "what the broker has against it is no 'unspecified error'"


async def test_a_key_under_a_passphrase_is_an_error_and_no_question(post, tls_broker, authority):
    broker = tls_broker()
    cert_file, key_file = authority.issue("edge-01", passphrase=b"locked")
    async with post(mqtts(broker), ca_file=authority.file, cert_file=cert_file, key_file=key_file) as me:
        await until(lambda: me.courier.last_error)
        assert not me.courier.connected


@DROPPED
async def test_a_broker_without_tls_at_a_tls_address(post, broker):
    async with post(mqtts(broker)) as me:
        await until(lambda: me.courier.last_error)
        assert not me.courier.connected


async def test_a_tls_broker_that_is_killed_and_comes_back(post, tls_broker, authority):
    broker = tls_broker("max_queued_messages 0")
    async with post(mqtts(broker), ca_file=authority.file) as me:
        await until(lambda: me.courier.connected)
        broker.kill()
        await me.hit()
        broker.start()
        async with Listener(broker.port, receipts=True, ca_certs=str(authority.file)):
            await me.all_received()
