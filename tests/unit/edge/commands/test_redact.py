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
