"""What the default model learns from: the same scene for the same seed, and targets that lie on their threats."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from inference.training.crops import SIDE, STRIDE, crops
from inference.training.scenes import GROUPS, SHARES, draw, draw_rough, group_of
from simulators.xray import THREATS

pytestmark = pytest.mark.slow


def test_every_kind_of_threat_is_drawn_and_belongs_to_a_group() -> None:
    assert set(SHARES) == set(THREATS) == {kind for kinds in GROUPS.values() for kind in kinds}
    assert sum(SHARES.values()) < 1
    assert group_of("revolver") == list(GROUPS).index("firearm")


@pytest.mark.parametrize("make", [draw, draw_rough])
def test_a_seed_is_a_scene(make, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        make(5, tmp_path / name)
    first, second = (np.load(tmp_path / name / "0000005.npz") for name in ("a", "b"))
    assert all((first[key] == second[key]).all() for key in first.files)


def test_crops_show_what_their_targets_say(tmp_path: Path) -> None:
    for seed in range(6):
        draw_rough(seed, tmp_path)
    seen = 0
    for picture, target in itertools.islice(crops(tmp_path, 1, len(GROUPS)), 12):
        assert picture.shape == (SIDE, SIDE, 3) and picture.dtype == np.uint8
        assert target.shape == (len(GROUPS), SIDE // STRIDE, SIDE // STRIDE)
        where = target[group_of("pistol")].astype(bool)
        if where.sum() > 50:
            small = picture.mean(axis=2).reshape(SIDE // STRIDE, STRIDE, SIDE // STRIDE, STRIDE).mean(axis=(1, 3))
            assert small[where].mean() < small[~where].mean()
            seen += 1
    assert seen
