"""The ThingsBoard IoT gateway as a peer: in an environment of its own, by its own command, as it ships.

Its defaults but for: the address of the broker, its list of connectors, no statistics, and that it reports a value
when it changes, as we do, and not at every poll. It speaks ThingsBoard's own topics, so any broker will do; of the
platform behind it it wants one answer, how fast it may send, and is told that there is no limit.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.box import NotUp, Process
from benchmarks.ears import Ears, Heard
from benchmarks.harness import ROOT, Say

VENV = ROOT / ".cache" / "thingsboard"
REQUIREMENTS = Path(__file__).with_name("thingsboard.txt")
VERSION = "3.8.5"
INSTALL_S = 300.0
TOPICS = ("v1/gateway/telemetry", "v1/devices/me/rpc/request/+")
_LIMITS = {"messages": "", "telemetryMessages": "", "telemetryDataPoints": ""}
_SESSION = {"maxPayloadSize": 65536, "maxInflightMessages": 100, "rateLimits": _LIMITS, "gatewayRateLimits": _LIMITS}
DEVICE, TAG = "portal", "counter"


class NotInstalled(RuntimeError):
    """The peer is not to be had here."""


def install(say: Say) -> Path:
    """Return the peer's command, installing it where it is missing. Raises NotInstalled."""
    command, done = VENV / "bin" / "thingsboard-gateway", VENV / ".installed"
    if done.exists() and done.read_text() == REQUIREMENTS.read_text():
        return command
    say(f"installing thingsboard-gateway {VERSION} into an environment of its own")
    try:
        for words in (
            [sys.executable, "-m", "venv", "--clear", str(VENV)],
            [str(VENV / "bin" / "python"), "-m", "pip", "install", "-q", "-r", str(REQUIREMENTS)],
        ):
            subprocess.run(words, check=True, capture_output=True, text=True, timeout=INSTALL_S)
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"pip took over {INSTALL_S:.0f} s") from None
    except (subprocess.CalledProcessError, OSError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise NotInstalled(said[-1] if said else "pip failed") from None
    done.write_text(REQUIREMENTS.read_text())
    return command


@contextlib.contextmanager
def gateway(folder: Path, broker_port: int, modbus_port: int, poll_ms: int, say: Say) -> Iterator[Process]:
    """Run the gateway on one Modbus device, and yield it. Raises NotInstalled."""
    command = install(say)
    (folder / "logs").mkdir(parents=True)
    _configure(folder, broker_port, modbus_port, poll_ms)
    # It asks its maker's server for updates; a proxy that is not there keeps it on this machine.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    where = {"TB_GW_CONFIG_DIR": str(folder), "TB_GW_LOGS_PATH": str(folder / "logs")}
    process = Process(str(command), cwd=folder, env=nowhere | where)
    try:
        time.sleep(0.5)
        yield process
    finally:
        process.stop()


def platform(ears: Ears, heard: Heard) -> None:
    """Answer, in the platform's place, what the gateway asks at its start: how fast it may send."""
    if "/rpc/request/" in heard.topic and heard.json["method"] == "getSessionLimits":
        ears.client.publish(heard.topic.replace("/request/", "/response/"), json.dumps(_SESSION), qos=1)


def values(payload: bytes) -> list[int]:
    """Return the register's values in one message of the gateway's telemetry."""
    try:
        said = json.loads(payload)[DEVICE]
        return [int(each["values"][TAG]) for each in said if TAG in each["values"]]
    except (ValueError, KeyError, TypeError) as error:
        raise NotUp(f"telemetry in another form: {payload[:200]!r}") from error


def _configure(folder: Path, broker_port: int, modbus_port: int, poll_ms: int) -> None:
    shipped = VENV / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    shipped = shipped / "thingsboard_gateway" / "config"
    main = json.loads((shipped / "tb_gateway.json").read_text())
    main["thingsboard"] |= {
        "host": "127.0.0.1",
        "port": broker_port,
        "remoteConfiguration": False,
        "statistics": {"enable": False},
        "security": {"type": "accessToken", "accessToken": "bench"},
        "reportStrategy": {"type": "ON_CHANGE"},
    }
    main["connectors"] = [{"type": "modbus", "name": "modbus", "configuration": "modbus.json"}]
    slave = {
        "host": "127.0.0.1",
        "port": modbus_port,
        "type": "tcp",
        "method": "socket",
        "unitId": 1,
        "deviceName": DEVICE,
        "deviceType": "default",
        "timeout": 35,
        "byteOrder": "BIG",
        "wordOrder": "BIG",
        "retries": 3,
        "retryOnEmpty": True,
        "retryOnInvalid": True,
        "pollPeriod": poll_ms,
        "connectAttemptTimeMs": 500,
        "connectAttemptCount": 5,
        "waitAfterFailedAttemptsMs": 30000,
        "reportStrategy": {"type": "ON_CHANGE"},
        "attributes": [],
        "timeseries": [{"tag": TAG, "type": "16uint", "functionCode": 3, "objectsCount": 1, "address": 0}],
        "attributeUpdates": [],
        "rpc": [],
    }
    (folder / "tb_gateway.json").write_text(json.dumps(main))
    (folder / "modbus.json").write_text(json.dumps({"master": {"slaves": [slave]}}))
    (folder / "logs.json").write_text((shipped / "logs.json").read_text())
