"""No secret is told: not by config.get, not in diagnostics."""

import pytest

from edge.commands.redact import MASK, redacted, redacted_line


def test_a_configuration_without_its_secrets():
    found = redacted(
        {
            "console": {"url": "mqtts://me:hunter2@broker:8883", "password_file": "/etc/x", "username": "edge-01"},
            "settings": {"password": "hunter2", "api_key": "k", "community": "public", "poll_ms": 20},
            "points": [{"name": "counter", "token": "t"}, {"url": "rtsp://a:b@10.0.0.1/1"}],
        }
    )
    assert "hunter2" not in str(found)
    assert found["console"] == {"url": "mqtts://***@broker:8883", "password_file": "/etc/x", "username": "edge-01"}
    assert found["settings"] == {"password": MASK, "api_key": MASK, "community": MASK, "poll_ms": 20}
    assert found["points"] == [{"name": "counter", "token": MASK}, {"url": "rtsp://***@10.0.0.1/1"}]


@pytest.mark.parametrize(
    "line", ["connecting to rtsp://admin:hunter2@10.0.0.1/1", "password=hunter2 refused", "Token: hunter2"]
)
def test_a_line_of_a_log(line):
    assert "hunter2" not in redacted_line(line)
    assert len(redacted_line(line).split()) >= 2


def test_what_is_no_secret_stays():
    line = "xray-1: down: the process was ended by SIGKILL, passed on"
    assert redacted_line(line) == line


@pytest.mark.parametrize(
    "line",
    [
        "no answer from rtsp://viewer:hunt/er2@10.0.0.9/main",
        "no answer from rtsp://viewer:hun@ter2@10.0.0.9/main",
        "mqtt_password=hunter2",
        '{"password": "hunter2 and more hunter2"}',
        "password = 'a hunter2'",
        "Authorization: Bearer hunter2",
        "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----",
        "-----BEGIN EC PRIVATE KEY-----\nhunter2",
    ],
)
def test_a_secret_in_a_log_in_other_forms(line):
    told = redacted_line(line).replace("hun@ter2", "hunter2").replace("hunt/er2", "hunter2")
    assert "hunter2" not in told and "ter2" not in told


@pytest.mark.parametrize("line", ["pass-1: open", "password_file /etc/x is not there", "passages: 12 an hour"])
def test_what_only_looks_like_one_stays(line):
    assert redacted_line(line) == line
