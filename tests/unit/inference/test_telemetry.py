"""Judging tells nobody: ONNX Runtime's official builds report to their maker unless they are told not to."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def test_a_judgement_leaves_no_trace_of_a_reporter(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
        environment.pop(name, None)
    code = "import inference; inference.load('baggage')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []
