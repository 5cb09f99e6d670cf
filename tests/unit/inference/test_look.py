import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.contract import Energy, Polarity
from inference import look as module
from inference.look import look_at
from tests.unit.inference.conftest import blob_picture, grey_picture

pytestmark = pytest.mark.slow


@given(st.integers(0, 2**32 - 1))
def test_colours_by_material_are_those_of_the_table_between_its_stops(seed):
    chance = np.random.default_rng(seed)
    low = chance.random((12, 16), np.float32)
    high = np.minimum(1, low ** chance.uniform(0.3, 1.0)).astype(np.float32)
    shown = module._pseudo_colour(low, high).astype(int)
    a_low, a_high = (-np.log(np.clip(p, 0.004, 1)) for p in (low, high))
    ratio = module.cv2.blur(a_low, (3, 3)) / np.maximum(module.cv2.blur(a_high, (3, 3)), module._THIN)
    depth = (a_low + a_high) / 2
    for channel in range(3):
        hue = np.interp(ratio, module._RATIO_STOPS, module._HUES[:, channel])
        colour = (1 - (1 - hue) * np.clip(depth / 0.9, 0, 1)) * np.exp(-np.clip(depth - 0.9, 0, None) / 1.6)
        assert np.abs(shown[..., channel] - colour * 255).max() < 0.51


def test_what_is_made_of_a_view_is_made_once(monkeypatch):
    values = np.frombuffer(blob_picture(120, 70).data, np.uint16).reshape(160, 200)
    pair = [grey_picture(values, energy=energy, polarity=Polarity.AIR_HIGH) for energy in (Energy.LOW, Energy.HIGH)]
    look = look_at(tuple(pair))
    assert look.shown is look.shown
    assert look.region is look.region
