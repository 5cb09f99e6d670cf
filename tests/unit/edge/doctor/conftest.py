import pytest

from edge.config.load import load

EDGE = """\
[appliance]
site = "lfw"
lane = "t1-l3"
id = "edge-01"
data_dir = "data"
[console]
{console}
[storage]
quota_bytes = 60_000_000
[web]
listen = "{web}"
"""


@pytest.fixture
def configured(tmp_path):
    """Return a loaded configuration: `configured(console="...", name="device file")`."""

    def make(console='url = "mqtt://127.0.0.1:1"', web="127.0.0.1:0", **devices):
        (tmp_path / "edge.toml").write_text(EDGE.format(console=console, web=web))
        (tmp_path / "devices").mkdir(exist_ok=True)
        for name, text in devices.items():
            (tmp_path / "devices" / f"{name}.toml").write_text(text)
        return load(tmp_path)

    return make
