import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.contract import Energy
from inference.look import look_at, views
from inference.manifest import Colour, ImageInput, MaskInput, Resize, SizeInput
from inference.prepare import place, prepare


def image(**changes) -> ImageInput:
    fields = {"name": "x", "colour": Colour.TRANSMISSION, "size": (64, 96), "resize": Resize.LETTERBOX}
    return ImageInput(**{**fields, **changes})


sizes = st.integers(16, 300)


@given(sizes, sizes, st.sampled_from(Resize), st.sampled_from(["centre", "top_left"]), st.floats(0, 1), st.floats(0, 1))
def test_a_point_comes_back_to_the_pictures_own_pixels(rows, columns, resize, anchor, fx, fy):
    plane = np.zeros((rows, columns, 1), np.float32)
    canvas, placement = place(
        plane, (0, 0, columns, rows), image(resize=resize, anchor=anchor), (columns * 3, rows * 3)
    )
    assert canvas.shape == (64, 96, 1)
    left, top, right, bottom = placement.used
    assert 0 <= left < right <= 96
    assert 0 <= top < bottom <= 64
    x, y = left + fx * (right - left), top + fy * (bottom - top)
    own = placement.point(x, y)
    back = tuple(
        (o - g) * s + d for o, g, s, d in zip(own, placement.origin, placement.scale, placement.offset, strict=True)
    )
    assert np.allclose(back, (x, y), atol=1e-6)
    assert 0 <= own[0] <= columns * 3
    assert 0 <= own[1] <= rows * 3


@pytest.mark.parametrize("resize", list(Resize))
@pytest.mark.parametrize("region", ["picture", "bag"])
def test_a_thing_is_found_where_it_lies(blob, resize, region):
    picture = blob(120, 70)
    feeds, placement = prepare(look_at(views([picture])[0]), (image(resize=resize, region=region, size=(96, 96)),))
    y, x = np.unravel_index(feeds["x"][0, 0].argmin(), (96, 96))
    own = placement.point(x + 0.5, y + 0.5)
    assert 118 <= own[0] <= 146
    assert 68 <= own[1] <= 96


def test_a_letterbox_keeps_the_shape_and_fills_with_air(blob):
    feeds, placement = prepare(look_at(views([blob(60, 50)])[0]), (image(size=(64, 64), pad=0.5),))
    assert placement.scale[0] == pytest.approx(placement.scale[1], rel=0.02)
    left, top, right, bottom = (int(v) for v in placement.used)
    assert (left, right) == (0, 64)
    assert (feeds["x"][0, 0, :top] == 0.5).all()
    assert (feeds["x"][0, 0, bottom:] == 0.5).all()


def test_a_bag_region_fills_the_input(grey):
    values = np.full((300, 300), 60_000, np.uint16)
    values[100:200, 120:220] = 20_000
    feeds, placement = prepare(look_at(views([grey(values)])[0]), (image(size=(64, 64), region="bag"),))
    assert (feeds["x"] < 0.5).mean() > 0.7
    assert placement.box(0, 0, 64, 64)[2] < 130


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_values_are_scaled_then_centred(blob, layout):
    spec = image(colour=Colour.RGB, scale=255, mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 5.0), layout=layout)
    tensor = prepare(look_at(views([blob(60, 50)])[0]), (spec,))[0]["x"]
    assert tensor.shape == spec.shape
    planes = tensor[0] if layout == "nchw" else tensor[0].transpose(2, 0, 1)
    assert planes.max(axis=(1, 2)) == pytest.approx([(255 - 10) / 2, (255 - 20) / 4, (255 - 30) / 5])


@pytest.mark.parametrize(("dtype", "most"), [("uint8", 255), ("float16", 1.0), ("float32", 1.0)])
def test_the_tensor_is_of_the_manifests_type(blob, dtype, most):
    spec = image(dtype=dtype, scale=most)
    tensor = prepare(look_at(views([blob(60, 50)])[0]), (spec,))[0]["x"]
    assert tensor.dtype == dtype
    assert tensor.max() == most


def test_channels_come_in_the_order_that_is_asked_for(grey):
    values = np.full((64, 64, 3), 255, np.uint8)
    values[20:40, 20:40] = (200, 100, 50)
    look = look_at(views([grey(values)])[0])
    assert np.allclose(look.planes(Colour.RGB)[30, 30] * 255, (200, 100, 50))
    assert np.allclose(look.planes(Colour.BGR)[30, 30] * 255, (50, 100, 200))
    assert look.planes(Colour.GRAY).shape == (64, 64, 1)


def test_a_pair_gives_high_and_low(blob, grey):
    low, high = blob(60, 50, energy=Energy.LOW), blob(60, 50, energy=Energy.HIGH)
    brighter = np.frombuffer(high.data, np.uint16).reshape(160, 200).copy()
    brighter[50:74, 60:84] = 6_000
    look = look_at(views([low, grey(brighter, energy=Energy.HIGH)])[0])
    planes = look.planes(Colour.HI_LO)
    assert planes[60, 70, 0] == pytest.approx(0.1, abs=0.01)
    assert planes[60, 70, 1] < 0.02
    single = look_at(views([blob(60, 50)])[0]).planes(Colour.HI_LO)
    assert (single[..., 0] == single[..., 1]).all()


def test_size_and_mask_inputs(blob):
    specs = (
        image(size=(64, 64)),
        SizeInput(role="orig_size", name="wh", order="wh"),
        SizeInput(role="orig_size", name="hw", order="hw", dtype="float32"),
        MaskInput(role="mask", name="mask"),
    )
    feeds, placement = prepare(look_at(views([blob(60, 50)])[0]), specs)
    assert feeds["wh"].tolist() == [[200, 160]]
    assert feeds["hw"].tolist() == [[160, 200]]
    assert feeds["hw"].dtype == np.float32
    assert feeds["mask"].sum() == np.prod(np.subtract(placement.used[2:], placement.used[:2]))


def test_pairs_are_formed_by_view_and_nothing_is_left_out(blob):
    def picture(view: int, energy: Energy):
        return blob(60, 50, view=view, energy=energy)

    low, high, single, colour = Energy.LOW, Energy.HIGH, Energy.SINGLE, Energy.COLOUR
    given_pictures = [
        picture(v, e) for v, e in ((1, high), (0, low), (0, single), (0, high), (1, high), (2, low), (2, colour))
    ]
    groups = [(g[0].view, *(p.energy for p in g)) for g in views(given_pictures)]
    assert groups == [(0, single), (0, low, high), (1, high), (1, high), (2, colour), (2, low)]
    assert sum(len(g) for g in views(given_pictures)) == len(given_pictures)


@pytest.mark.parametrize("colour", [Colour.RGB, Colour.GRAY])
def test_a_grey_view_fills_every_channel_as_its_shown_picture_would(blob, colour):
    look = look_at(views([blob(60, 50)])[0])
    spec = image(colour=colour, scale=255, size=(look.rows, look.columns))
    tensor = prepare(look, (spec,))[0]["x"]
    assert tensor.shape == spec.shape
    assert np.allclose(tensor[0], look.shown[..., : colour.channels].transpose(2, 0, 1), atol=1e-3)
