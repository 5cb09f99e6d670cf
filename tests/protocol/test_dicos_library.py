"""The library: the README's example, and what it writes as the reference toolkit and our own reader read it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import drivers.dicos
from drivers.contract import Energy, Polarity
from drivers.dicos import Image, read_dataset, read_pictures, validate, write_image
from drivers.errors import ProtocolError
from tests import sdicos

pytestmark = pytest.mark.protocol
README = Path(drivers.dicos.__file__).with_name("README.md")
AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
RAMP = (np.arange(48 * 64, dtype=np.uint32) % 4096).astype(np.uint16).reshape(48, 64)
PLAIN = Image(RAMP, seed="s", scan_uid="2.25.1", at=AT)

IMAGES = {
    "16 bits": PLAIN,
    "12 in 16 bits": replace(PLAIN, bits=12, energy=Energy.LOW, pixel_mm=(1.5, 0.8)),
    # Of an even number of bytes: the toolkit takes the padding of an odd one (PS3.5, 7.1.1) for a fault.
    "8 bits": replace(PLAIN, pixels=np.arange(60, dtype=np.uint8).reshape(6, 10)),
    "colour": replace(PLAIN, pixels=np.arange(36, dtype=np.uint8).reshape(3, 4, 3), energy=Energy.COLOUR),
    "for presentation": replace(PLAIN, for_presentation=True, air_is_bright=False),
    "a place with accents": replace(PLAIN, site="Lomé-Tokoin", lane="1"),
}


def test_the_readmes_example(tmp_path: Path) -> None:
    (code,) = [block.partition("```")[0] for block in README.read_text().split("```python\n")[1:]]
    environment = {**os.environ, "PYTHONPATH": str(Path(drivers.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    for kind, name in (("DX", "bag.dcs"), ("TDR", "tdr.dcs")):
        assert sdicos.read(kind, tmp_path / name)["read"]


@pytest.mark.parametrize("name", IMAGES)
def test_what_is_written_is_read_by_the_toolkit_and_by_us(name: str, tmp_path: Path) -> None:
    image, path = IMAGES[name], tmp_path / "image.dcs"
    path.write_bytes(write_image(image))
    assert validate(path.read_bytes()) == []
    said = sdicos.reads("DX", [path])
    assert said == [True], name
    (picture,) = read_pictures(path)
    assert bytes(picture.data) == image.pixels.tobytes()
    assert (picture.rows, picture.columns) == image.pixels.shape[:2]
    if image.energy is not Energy.COLOUR:
        assert picture.energy is image.energy
        assert picture.polarity is (Polarity.AIR_HIGH if image.air_is_bright else Polarity.AIR_LOW)
    assert picture.pixel_mm == image.pixel_mm
    assert read_dataset(path).DICOSCoordinateSystem == "LHS"


@pytest.mark.parametrize(
    "wrong",
    [
        {"pixels": RAMP.astype(np.int32)},
        {"pixels": RAMP[0]},
        {"pixels": np.zeros((2, 2, 4), np.uint8)},
        {"bits": 17},
        {"at": datetime(2026, 11, 21)},
    ],
)
def test_what_is_no_image_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"pixels|bits|zone"):
        write_image(replace(PLAIN, **wrong))  # type: ignore[arg-type]


def test_what_is_no_file_is_said_without_pydicom() -> None:
    for bad in (b"", b"GIF89a", bytes(128) + b"DICM" + b"\x08\x00\x05\x00UI\xff\xff"):
        with pytest.raises(ProtocolError):
            read_dataset(bad)
        with pytest.raises(ProtocolError):
            read_pictures(bad)


def test_the_list_of_drivers_loads_no_library() -> None:
    code = "import sys; from drivers import registry; registry.available(); print('pydicom' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "False"
