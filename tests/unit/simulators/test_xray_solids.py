import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.xray.canvas import Canvas
from simulators.xray.physics import material
from simulators.xray.solids import Wire, ball, box, convex_parts, cylinder, moved, outline, rotation

STEEL = material("steel")
ANGLE = st.floats(-3.1, 3.1)
L_SHAPE = [(0, 0), (90, 0), (90, 20), (20, 20), (20, 80), (0, 80)]
SOLIDS = {
    "box": ([box(90, 60, 20, STEEL)], 90 * 60 * 20),
    "ball": ([ball(80, 60, 40, STEEL)], np.pi / 6 * 80 * 60 * 40),
    "cylinder": ([cylinder(50, 90, STEEL)], np.pi * 25**2 * 90),
    "tube": ([cylinder(50, 90, STEEL, bore=40)], np.pi * (25**2 - 20**2) * 90),
    "can": ([cylinder(50, 90, STEEL, bore=40, floor=4)], np.pi * (25**2 * 90 - 20**2 * 82)),
    "outline": (outline(L_SHAPE, 10, STEEL), (90 * 20 + 20 * 60) * 10),
    "wire": ([Wire(np.array([[0.0, 0, 0], [60, 20, 15]]), 3, STEEL)], np.pi * 9 * np.sqrt(3600 + 400 + 225)),
}


@pytest.mark.parametrize("name", SOLIDS)
@given(yaw=ANGLE, pitch=ANGLE, roll=ANGLE)
@settings(max_examples=20, deadline=None)
def test_a_shadow_has_the_volume_of_its_solid_in_any_pose(name, yaw, pitch, roll):
    parts, volume = SOLIDS[name]
    canvas = Canvas.blank(260, 260, 0.9, source_mm=1e9)
    shade = canvas.draw(moved(parts, turn=rotation(yaw, pitch, roll)))
    assert shade is not None
    assert float(shade[0].sum()) * 0.9**2 == pytest.approx(volume, rel=0.03)
    grams = float(canvas.maps.sum()) * 0.9**2 / 100
    assert grams == pytest.approx(volume / 1000 * 7.85, rel=0.03)


def test_thickness_is_exact_where_it_can_be_said():
    canvas = Canvas.blank(101, 101, 1.0, source_mm=1e9)
    thickness, (top, left) = canvas.draw([cylinder(40, 60, STEEL, bore=20)])
    assert thickness[50 - top, 50 - left] == 0
    assert thickness[50 - top, 65 - left] == pytest.approx(60)
    canvas = Canvas.blank(101, 101, 1.0, source_mm=1e9)
    lying, (top, left) = canvas.draw([cylinder(40, 60, STEEL, turn=rotation(0, np.pi / 2))])
    assert lying[50 - top, 50 - left] == pytest.approx(40, rel=0.01)


@given(
    st.lists(st.floats(10, 60), min_size=5, max_size=12),
)
def test_a_star_of_any_arms_falls_into_convex_parts_of_the_same_area(arms):
    angle = np.linspace(0, 2 * np.pi, len(arms), endpoint=False)
    points = np.stack([np.array(arms) * np.cos(angle), np.array(arms) * np.sin(angle)], 1)
    nxt = np.roll(points, -1, axis=0)
    whole = (points[:, 0] * nxt[:, 1] - points[:, 1] * nxt[:, 0]).sum() / 2
    area = 0.0
    for part in convex_parts(points):
        after = np.roll(part, -1, axis=0)
        area += (part[:, 0] * after[:, 1] - part[:, 1] * after[:, 0]).sum() / 2
        before = np.roll(part, 1, axis=0)
        turn = (part - before)[:, 0] * (after - part)[:, 1] - (part - before)[:, 1] * (after - part)[:, 0]
        assert (turn > -1e-4).all()
    assert area == pytest.approx(whole)


def test_what_lies_outside_the_canvas_is_not_drawn():
    canvas = Canvas.blank(50, 50, 1.0)
    assert canvas.draw([box(10, 10, 10, STEEL, (500, 0, 0))]) is None
    assert not canvas.maps.any()
    assert canvas.draw([box(40, 40, 10, STEEL, (25, 25, 0))]) is not None
