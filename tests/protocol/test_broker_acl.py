"""The shipped broker configuration, with the shipped authority script: what it lets through, and what it refuses."""

import asyncio
import contextlib
import ssl
import subprocess
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from drivers.clock import SystemClock
from edge.config.model import Console
from edge.courier.identity import first_to_expire, moment
from tests.core import until
from tests.mqtt import ROOT, Listener
from tests.post import Post

pytestmark = pytest.mark.protocol

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "mosquitto"
OTHER = "jaitf/v1/lfw/edge-02"


def script(*words):
    return subprocess.run([SHIPPED / "test-ca.sh", *map(str, words)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """The authority of the shipped script, with two appliances and two consoles."""
    ca = tmp_path_factory.mktemp("ca")
    asked = [("init", ca), ("appliance", ca, "lfw", "edge-01"), ("appliance", ca, "lfw", "edge-02")]
    asked += [("console", ca, "all"), ("console", ca, "accra", "acc")]
    for words in asked:
        ran = script(*words)
        assert (ran.returncode, ran.stderr) == (0, "")
    return ca


@pytest.fixture
def guarded(start_broker, authority):
    """A mosquitto with the shipped configuration; only paths, the port and the log are this machine's."""
    text = (SHIPPED / "mosquitto.conf").read_text()
    text = text.replace("/etc/mosquitto/jaitf", str(authority)).replace("log_dest syslog", "log_dest stderr")
    text = text.replace("persistence true\npersistence_location /var/lib/mosquitto/\n", "persistence false\n")
    lines = [line for line in text.splitlines() if not line.startswith(("listener ", "autosave_interval"))]
    broker = start_broker(config="\n".join(lines), listener="listener {port} 127.0.0.1")
    broker.tls = lambda name: {
        "ca_certs": str(authority / "ca.pem"),
        "certfile": str(authority / f"{name}.pem"),
        "keyfile": str(authority / f"{name}.key"),
    }
    return broker


class Client:
    """One user's connection that tries what it may and what it may not; keeps what it hears, and the answers."""

    def __init__(self, broker, name, version=5):
        self.heard, self.pubacks, self.subacks = [], {}, {}
        protocol = MQTTProtocolVersion.MQTTv5 if version == 5 else MQTTProtocolVersion.MQTTv311
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=protocol)
        self.client.tls_set(**broker.tls(name))
        self.client.on_message = lambda _c, _u, m: self.heard.append(m.topic)
        self.client.on_publish = lambda _c, _u, mid, code, _p: self.pubacks.__setitem__(mid, code.value)
        self.client.on_subscribe = lambda _c, _u, mid, codes, _p: self.subacks.__setitem__(mid, codes[0].value)
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()

    async def publish(self, topic, **given):
        mid = self.client.publish(topic, b"x", qos=1, **given).mid
        await until(lambda: mid in self.pubacks)
        return self.pubacks[mid]

    async def subscribe(self, topic):
        _, mid = self.client.subscribe(topic, qos=1)
        await until(lambda: mid in self.subacks)
        return self.subacks[mid]

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def connect(guarded):
    with contextlib.ExitStack() as stack:

        def make(name, version=5):
            client = Client(guarded, name, version)
            stack.callback(client.close)
            return client

        yield make


async def test_the_courier_gets_its_hits_through_and_is_who_its_certificate_says(guarded, authority, tmp_path):
    files = {"ca_file": "ca.pem", "cert_file": "lfw.edge-01.pem", "key_file": "lfw.edge-01.key"}
    me = Post(tmp_path / "data", f"mqtts://127.0.0.1:{guarded.port}", **{k: authority / v for k, v in files.items()})
    async with Listener(guarded.port, receipts=True, **guarded.tls("console.all")), me:
        await me.hit()
        await me.all_received()
    assert "as lfw.edge-01 " in guarded.log()
    assert "u'lfw.edge-01'" in guarded.log()


FORBIDDEN_WRITES = [
    f"{OTHER}/up/hit/xray-1",
    f"{OTHER}/up/state",
    f"{OTHER}/down/cmd/device.disable",
    f"{ROOT}/down/cmd/device.disable",
    f"{ROOT}/down/targets",
    f"{ROOT}/down/receipt",
    "jaitf/v1/acc/edge-01/up/hit/xray-1",
    "jaitf/v1/lfw/up/hit/xray-1",
    "jaitf/v2/lfw/edge-01/up/hit/xray-1",
    "elsewhere",
]


@pytest.mark.parametrize("version", [5, 4], ids=["mqtt 5", "mqtt 3.1.1"])
async def test_an_appliance_writes_its_own_up_and_nothing_else(guarded, connect, version):
    async with Listener(guarded.port, **guarded.tls("console.all")) as console:
        edge, other = connect("lfw.edge-01", version), connect("lfw.edge-02")
        await other.subscribe(f"{OTHER}/down/#")
        for topic in FORBIDDEN_WRITES:
            code = await edge.publish(topic, retain=True)
            assert version == 4 or code == 0x87, topic  # not authorised; 3.1.1 has no word for it
        await edge.publish(f"{ROOT}/up/hit/xray-1")
        await console.first("hit/xray-1")
        assert [m.topic for m in console.messages] == [f"{ROOT}/up/hit/xray-1"]
        assert other.heard == []


@pytest.mark.parametrize("version", [5, 4], ids=["mqtt 5", "mqtt 3.1.1"])
async def test_an_appliance_reads_its_own_down_and_nothing_else(connect, version):
    console, edge, other = connect("console.all"), connect("lfw.edge-01", version), connect("lfw.edge-02")
    for topic in (f"{OTHER}/down/#", f"{OTHER}/up/#", "#", "+/+/+/+/down/#", f"{ROOT}/up/#", f"{ROOT}/down/#"):
        await edge.subscribe(topic)
    for topic in (f"{OTHER}/down/targets", f"{OTHER}/down/cmd/ping", "jaitf/v1/acc/edge-01/down/receipt"):
        assert await console.publish(topic) < 0x80
    await other.publish(f"{OTHER}/up/hit/xray-1")
    await edge.publish(f"{ROOT}/up/hit/xray-1")
    assert await console.publish(f"{ROOT}/down/receipt") < 0x80
    await until(lambda: f"{ROOT}/down/receipt" in edge.heard)
    assert set(edge.heard) == {f"{ROOT}/down/receipt"}


async def test_a_console_of_one_site_neither_hears_nor_commands_another(guarded, connect):
    edge, local = connect("lfw.edge-01"), connect("console.accra")
    await edge.subscribe(f"{ROOT}/down/#")
    await local.subscribe("jaitf/v1/+/+/up/#")
    assert await local.publish(f"{ROOT}/down/cmd/device.disable") == 0x87
    assert await local.publish("jaitf/v1/acc/edge-01/down/cmd/ping") < 0x80
    assert await local.publish("jaitf/v1/acc/edge-01/up/hit/x") == 0x87
    await edge.publish(f"{ROOT}/up/hit/xray-1")
    async with Listener(guarded.port, **guarded.tls("console.all")):
        await connect("console.all").publish(f"{ROOT}/down/receipt")
        await until(lambda: edge.heard)
    assert (edge.heard, local.heard) == ([f"{ROOT}/down/receipt"], [])


async def test_without_a_certificate_of_this_authority_nobody_gets_in(guarded, authority, tmp_path):
    script("init", tmp_path / "other")
    script("appliance", tmp_path / "other", "lfw", "edge-01")
    for certificate in (None, tmp_path / "other" / "lfw.edge-01"):
        context = ssl.create_default_context(cafile=authority / "ca.pem")
        if certificate:
            context.load_cert_chain(f"{certificate}.pem", f"{certificate}.key")
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            reader, writer = await asyncio.open_connection("127.0.0.1", guarded.port, ssl=context)
            try:
                # With TLS 1.3 the broker's refusal comes after the handshake.
                writer.write(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x")
                await reader.readexactly(4)
            finally:
                writer.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_old_tls_is_not_spoken(guarded, authority, version):
    context = ssl.create_default_context(cafile=authority / "ca.pem")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = version
    context.load_cert_chain(authority / "lfw.edge-01.pem", authority / "lfw.edge-01.key")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", guarded.port, ssl=context)


async def test_a_key_that_everyone_can_read_is_not_used(guarded, authority, tmp_path):
    key = tmp_path / "edge.key"
    key.write_bytes((authority / "lfw.edge-01.key").read_bytes())
    key.chmod(0o644)
    files = {"ca_file": authority / "ca.pem", "cert_file": authority / "lfw.edge-01.pem", "key_file": key}
    async with Post(tmp_path / "data", f"mqtts://127.0.0.1:{guarded.port}", **files) as me:
        await me.hit()
        await until(lambda: "chmod o-rwx" in me.courier.last_error)
        assert not me.courier.connected
        key.chmod(0o640)  # mended while it runs
        await until(lambda: me.courier.connected)


def test_the_script_makes_private_keys_and_refuses_what_it_should(authority, tmp_path):
    assert {path.stat().st_mode & 0o077 for path in authority.glob("*.key")} == {0}
    for words in (
        ("init", authority),
        ("appliance", authority, "lfw", "edge-01"),
        ("appliance", authority, "lfw", "edge.01"),
        ("appliance", authority, "lfw", "#"),
        ("console", authority, "a\nuser x"),
        (),
    ):
        assert script(*words).returncode == 2
    acl = (authority / "acl").read_text()
    assert acl.count("user ") == 4


def test_the_broker_is_known_by_the_names_it_was_given(tmp_path):
    assert script("init", tmp_path / "ca", "broker.example", "10.0.0.5").returncode == 0
    text = subprocess.run(
        ["openssl", "x509", "-in", tmp_path / "ca" / "broker.pem", "-noout", "-ext", "subjectAltName"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in ("DNS:localhost", "IP Address:127.0.0.1", "DNS:broker.example", "IP Address:10.0.0.5"):
        assert name in text


def test_which_certificate_ends_first_is_known(authority, tmp_path):
    files = {"ca_file": authority / "ca.pem", "cert_file": authority / "lfw.edge-01.pem"}
    found = first_to_expire(Console(url="mqtts://x:1", **files))
    assert (found.file, found.subject) == ("lfw.edge-01.pem", "CN=lfw.edge-01")
    assert 360 < found.days_left(moment(SystemClock().now().wall_ns)) < 366
    assert first_to_expire(Console(url="mqtt://x:1")) is None
