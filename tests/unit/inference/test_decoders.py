import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drivers.contract import Category
from drivers.errors import ModelError
from inference.decoders import decode
from inference.decoders.boxes import _suppress
from inference.manifest import Label, Manifest, Nms
from inference.prepare import Placement

# A picture of 400 x 300 pixels, laid into 200 x 200 without its outer 20 columns, between bars of 10 rows.
PLACEMENT = Placement(
    origin=(20, 0),
    size=(360, 300),
    scale=(200 / 360, 180 / 300),
    offset=(0, 10),
    used=(0, 10, 200, 190),
    picture=(400, 300),
)
LABELS = (
    {"name": "pistol", "category": "PI"},
    {"name": "bottle", "category": "OTHER", "alarm": False},
    {"name": "knife", "category": "PI"},
)


def manifest(output: dict, labels=LABELS) -> Manifest:
    return Manifest.model_validate(
        {
            "format": 1,
            "name": "test",
            "version": "1.0.0",
            "opset": 17,
            "inputs": [{"role": "image", "name": "x", "colour": "rgb", "size": [200, 200], "resize": "letterbox"}],
            "output": output,
            "labels": labels,
            "operating_points": {"normal": 0.5, "elevated": 0.3},
            "golden": [{"pictures": [{"file": "a.png"}], "outputs": "a.npz", "score": 0.5}],
            "files": {},
        }
    )


def own(x: float, y: float) -> tuple[float, float]:
    return x / (200 / 360) + 20, (y - 10) / (180 / 300)


def logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


SEGMENTATION = manifest({"decoder": "segmentation", "logits": "map"})


def maps(**places) -> np.ndarray:
    values = np.full((1, 3, 50, 50), -8.0, np.float32)
    for channel, (rows, columns, score) in places.values():
        values[0, channel, rows, columns] = logit(score)
    return values


class TestSegmentation:
    def test_each_place_that_reaches_the_threshold_is_a_box(self):
        values = maps(a=(0, (slice(10, 15), slice(20, 30), 0.9)), b=(2, (slice(30, 32), slice(5, 6), 0.7)))
        seen = decode(SEGMENTATION, {"map": values}, PLACEMENT, 0.5)
        assert seen.score == pytest.approx(0.9)
        assert [(c.label, round(c.score, 2)) for c in seen.candidates] == [(0, 0.9), (2, 0.7)]
        (x0, y0), (x1, y1) = own(80, 40), own(120, 60)
        assert seen.candidates[0].box == pytest.approx((x0, y0, x1 - x0, y1 - y0))
        assert x0 <= seen.peak[0] <= x1
        assert y0 <= seen.peak[1] <= y1

    def test_below_the_threshold_there_is_a_score_and_a_peak_and_no_box(self):
        seen = decode(SEGMENTATION, {"map": maps(a=(2, (25, 25, 0.4)))}, PLACEMENT, 0.5)
        assert seen.score == pytest.approx(0.4)
        assert seen.peak == pytest.approx(own(102, 102))
        assert seen.candidates == ()

    def test_harmless_labels_do_not_score(self):
        seen = decode(SEGMENTATION, {"map": maps(a=(1, (25, 25, 0.99)))}, PLACEMENT, 0.5)
        assert seen.score < 0.01

    def test_what_lies_in_the_padding_is_nothing(self):
        seen = decode(SEGMENTATION, {"map": maps(a=(0, (slice(0, 2), slice(0, 50), 0.99)))}, PLACEMENT, 0.5)
        assert seen.score < 0.01

    def test_specks_are_dropped_but_never_the_strongest_place(self):
        spec = manifest({"decoder": "segmentation", "logits": "map", "min_area": 40.0})
        places = {"a": (0, (slice(10, 15), slice(20, 30), 0.8)), "b": (0, (40, 40, 0.7))}
        assert len(decode(spec, {"map": maps(**places)}, PLACEMENT, 0.5).candidates) == 1
        places["b"] = (0, (40, 40, 0.95))
        assert len(decode(spec, {"map": maps(**places)}, PLACEMENT, 0.5).candidates) == 2

    def test_a_box_may_reach_below_the_threshold(self):
        spec = manifest({"decoder": "segmentation", "logits": "map", "box_share": 0.5})
        values = maps(a=(0, (slice(10, 20), slice(10, 20), 0.3)), b=(0, (15, 15, 0.8)), c=(0, (40, 40, 0.3)))
        seen = decode(spec, {"map": values}, PLACEMENT, 0.5)
        assert len(seen.candidates) == 1
        assert seen.candidates[0].box[2] == pytest.approx(40 / (200 / 360))

    def test_softmax_drops_the_background(self):
        spec = manifest({"decoder": "segmentation", "logits": "map", "activation": "softmax", "background": 0})
        values = np.zeros((1, 4, 50, 50), np.float32)
        values[0, 0] = 6
        values[0, 3, 25, 25] = 12
        seen = decode(spec, {"map": values}, PLACEMENT, 0.5)
        assert [c.label for c in seen.candidates] == [2]

    def test_smoothing_lowers_a_lonely_cell(self):
        spec = manifest({"decoder": "segmentation", "logits": "map", "smooth": 3})
        assert decode(spec, {"map": maps(a=(0, (25, 25, 0.9)))}, PLACEMENT, 0.5).score == pytest.approx(0.1, abs=0.01)

    @pytest.mark.parametrize("shape", [(1, 2, 50, 50), (2, 3, 50, 50), (3, 50), (1, 3, 50)])
    def test_another_shape_is_refused(self, shape):
        with pytest.raises(ModelError, match="segmentation"):
            decode(SEGMENTATION, {"map": np.zeros(shape, np.float32)}, PLACEMENT, 0.5)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_values_that_are_not_finite_are_refused(self, value):
        values = maps()
        values[0, 0, 3, 3] = value
        with pytest.raises(ModelError, match="not finite"):
            decode(SEGMENTATION, {"map": values}, PLACEMENT, 0.5)

    @given(arrays(np.float32, (1, 3, 8, 8), elements=st.floats(-1e4, 1e4, width=32)), st.floats(0.05, 0.95))
    def test_any_map_gives_boxes_inside_the_picture(self, values, threshold):
        seen = decode(SEGMENTATION, {"map": values}, PLACEMENT, threshold)
        assert 0 <= seen.score <= 1
        assert (seen.score >= threshold) == bool(seen.candidates)
        for candidate in seen.candidates:
            x, y, width, height = candidate.box
            assert x >= 0 and y >= 0 and x + width <= 400.001 and y + height <= 300.001
            assert threshold <= candidate.score <= seen.score


ONE = ({"name": "anomaly", "category": "ANOMALY"},)


class TestAnomaly:
    def test_score_and_map_as_anomalib_2_exports_them(self):
        spec = manifest({"decoder": "anomaly", "score": "pred_score", "map": "anomaly_map"}, ONE)
        plane = np.full((1, 1, 200, 200), 0.2, np.float32)
        plane[0, 0, 100:120, 60:90] = 0.7
        seen = decode(spec, {"pred_score": np.array([0.66], np.float32), "anomaly_map": plane}, PLACEMENT, 0.5)
        assert seen.score == pytest.approx(0.66)
        (x0, y0), (x1, y1) = own(60, 100), own(90, 120)
        assert seen.candidates[0].box == pytest.approx((x0, y0, x1 - x0, y1 - y0))
        assert x0 <= seen.peak[0] <= x1

    def test_a_map_alone_with_anomalib_1s_range(self):
        spec = manifest(
            {"decoder": "anomaly", "map": "output", "normalise": {"minimum": 10, "maximum": 50, "threshold": 30}}, ONE
        )
        plane = np.full((1, 1, 200, 200), 20, np.float32)
        plane[0, 0, 50, 50] = 40
        seen = decode(spec, {"output": plane}, PLACEMENT, 0.5)
        assert seen.score == pytest.approx(0.75)
        assert len(seen.candidates) == 1

    def test_an_alarm_without_a_place_is_the_whole_item(self):
        spec = manifest({"decoder": "anomaly", "score": "pred_score"}, ONE)
        seen = decode(spec, {"pred_score": np.array([0.8], np.float32)}, PLACEMENT, 0.5)
        assert seen.candidates[0].box == pytest.approx((20, 0, 360, 300))
        assert seen.peak is None

    def test_no_alarm_without_the_score_whatever_the_map_says(self):
        spec = manifest({"decoder": "anomaly", "score": "pred_score", "map": "anomaly_map"}, ONE)
        outputs = {"pred_score": np.array([0.3], np.float32), "anomaly_map": np.full((1, 1, 200, 200), 0.9, np.float32)}
        seen = decode(spec, outputs, PLACEMENT, 0.5)
        assert (seen.score, seen.candidates) == (pytest.approx(0.3), ())


def corners_to_centre(box):
    left, top, right, bottom = box
    return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]


PISTOL, BOTTLE = (60.0, 40.0, 100.0, 80.0), (10.0, 100.0, 50.0, 140.0)
COMMON = {"box_units": "px"}
UNIT = {"box_units": "unit"}


def yolo_raw(unit: bool, last: bool):
    values = np.zeros((1, 7, 50), np.float32)
    for place, (box, label, score) in enumerate(((PISTOL, 0, 0.9), (PISTOL, 0, 0.8), (BOTTLE, 1, 0.99))):
        values[0, :4, place] = np.array(corners_to_centre(box)) / (200 if unit else 1)
        values[0, 4 + label, place] = score
    return {"output0": values.transpose(0, 2, 1) if last else values}


def rows(centre: bool, unit: bool):
    values = np.zeros((1, 300, 6), np.float32)
    for place, (box, label, score) in enumerate(((BOTTLE, 1, 0.99), (PISTOL, 0, 0.9), (PISTOL, 0, 0.8))):
        at = np.array(corners_to_centre(box) if centre else box)
        values[0, place] = [*(at / (200 if unit else 1)), score, label]
    values[0, 3:, 5] = -1
    return {"output0": values}


def detr(softmax: bool):
    logits = np.full((1, 20, 4 if softmax else 3), -9.0, np.float32)
    if softmax:
        logits[..., 3] = 9
    boxes = np.full((1, 20, 4), 0.5, np.float32)
    for place, (box, label, score) in enumerate(((BOTTLE, 1, 0.99), (PISTOL, 0, 0.9), (PISTOL, 0, 0.8))):
        boxes[0, place] = np.array(corners_to_centre(box)) / 200
        logits[0, place] = 0 if softmax else -9
        logits[0, place, label] = np.log(score / (1 - score) * 3) if softmax else logit(score)
    return {"logits": logits, "pred_boxes": boxes}


def triple():
    boxes = np.zeros((1, 300, 4), np.float32)
    labels = np.zeros((1, 300), np.int64)
    scores = np.zeros((1, 300), np.float32)
    for place, (box, label, score) in enumerate(((BOTTLE, 1, 0.99), (PISTOL, 0, 0.9), (PISTOL, 0, 0.8))):
        # In pixels of the part that was used: 360 x 300.
        left, top, right, bottom = box
        boxes[0, place] = [left * 1.8, (top - 10) / 0.6, right * 1.8, (bottom - 10) / 0.6]
        labels[0, place], scores[0, place] = label, score
    return {"labels": labels, "boxes": boxes, "scores": scores}


def grid():
    """Cells of strides 20 and 40 in 200 x 200 pixels; undecoded."""
    values = np.zeros((1, 125, 8), np.float32)
    values[0, :, 4] = 1e-6

    def put(cell, stride, corner, box, label, score):
        cx, cy, width, height = corners_to_centre(box)
        values[0, cell, :4] = [
            cx / stride - corner[0],
            cy / stride - corner[1],
            np.log(width / stride),
            np.log(height / stride),
        ]
        values[0, cell, 4] = 0.95
        values[0, cell, 5 + label] = score / 0.95

    put(3 * 10 + 4, 20, (4, 3), PISTOL, 0, 0.9)
    put(100 + 5 + 2, 40, (2, 1), PISTOL, 0, 0.8)
    put(6 * 10 + 1, 20, (1, 6), BOTTLE, 1, 0.94)
    return {"output": values}


NMS = {"nms": {"mode": "per_class", "iou": 0.5}}
CASES = {
    "yolo_raw": ({"decoder": "yolo_raw", "output": "output0", **COMMON, **NMS}, yolo_raw(False, False)),
    "yolo_raw unit, last": (
        {"decoder": "yolo_raw", "output": "output0", "layout": "channels_last", **UNIT, **NMS},
        yolo_raw(True, True),
    ),
    "xyxy": ({"decoder": "boxes_xyxy_conf_cls", "output": "output0", **COMMON, **NMS}, rows(False, False)),
    "xyxy unit": ({"decoder": "boxes_xyxy_conf_cls", "output": "output0", **UNIT, **NMS}, rows(False, True)),
    "cxcywh": ({"decoder": "boxes_cxcywh_conf_cls", "output": "output0", **COMMON, **NMS}, rows(True, False)),
    "cxcywh unit": ({"decoder": "boxes_cxcywh_conf_cls", "output": "output0", **UNIT, **NMS}, rows(True, True)),
    "detr softmax": (
        {
            "decoder": "detr_logits",
            "logits": "logits",
            "boxes": "pred_boxes",
            "activation": "softmax",
            "background": -1,
            **UNIT,
            **NMS,
        },
        detr(True),
    ),
    "detr sigmoid": (
        {"decoder": "detr_logits", "logits": "logits", "boxes": "pred_boxes", "activation": "sigmoid", **UNIT, **NMS},
        detr(False),
    ),
    "labels, boxes, scores": (
        {
            "decoder": "labels_boxes_scores",
            "labels": "labels",
            "boxes": "boxes",
            "scores": "scores",
            "box_frame": "orig",
            **COMMON,
            **NMS,
        },
        triple(),
    ),
    "yolox": ({"decoder": "yolox_grid", "output": "output", "strides": [20, 40], **COMMON, **NMS}, grid()),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
class TestBoxes:
    def test_a_pistol_beside_a_bottle_is_one_box(self, case):
        output, tensors = case
        seen = decode(manifest(output), tensors, PLACEMENT, 0.5)
        assert [c.label for c in seen.candidates] == [0]
        assert seen.score == pytest.approx(0.9, abs=0.001)
        (x0, y0), (x1, y1) = own(60, 40), own(100, 80)
        assert seen.candidates[0].box == pytest.approx((x0, y0, x1 - x0, y1 - y0), abs=0.01)
        assert seen.peak == pytest.approx(((x0 + x1) / 2, (y0 + y1) / 2), abs=0.01)

    def test_without_suppression_both_boxes_stay(self, case):
        output, tensors = case
        seen = decode(manifest({**output, "nms": {"mode": "none"}}), tensors, PLACEMENT, 0.5)
        assert [round(c.score, 2) for c in seen.candidates] == [0.9, 0.8]

    def test_below_the_threshold_there_is_a_score_and_a_peak_and_no_box(self, case):
        output, tensors = case
        seen = decode(manifest(output), tensors, PLACEMENT, 0.95)
        assert seen.score == pytest.approx(0.9, abs=0.001)
        assert seen.peak is not None
        assert seen.candidates == ()

    def test_tensors_of_another_shape_are_refused(self, case):
        output, tensors = case
        broken = {name: values[:, :-1, :-1] if values.ndim == 3 else values for name, values in tensors.items()}
        with pytest.raises(ModelError, match=output["decoder"]):
            decode(manifest(output), broken, PLACEMENT, 0.5)


def test_a_detector_without_any_row_scores_nothing():
    output = {"decoder": "boxes_xyxy_conf_cls", "output": "o", **COMMON}
    seen = decode(manifest(output), {"o": np.zeros((1, 0, 6), np.float32)}, PLACEMENT, 0.5)
    assert (seen.score, seen.peak, seen.candidates) == (0.0, None, ())


boxes = arrays(np.float32, (12, 4), elements=st.floats(0, 100, width=32))


@given(
    boxes,
    st.lists(st.integers(0, 2), min_size=12, max_size=12),
    st.floats(0.1, 0.9),
    st.sampled_from(["per_class", "all"]),
)
def test_boxes_that_stay_do_not_overlap(sides, labels, iou, mode):
    corners = np.concatenate([sides[:, :2], sides[:, :2] + sides[:, 2:]], axis=1)
    numbers = np.array(labels)
    kept = _suppress(corners, numbers, Nms(mode=mode, iou=iou))
    assert kept[0] == 0
    for n, a in enumerate(kept):
        for b in kept[:n]:
            if mode == "all" or numbers[a] == numbers[b]:
                assert overlap(corners[a].astype(float), corners[b].astype(float)) <= iou + 1e-3


def overlap(a, b) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
    return common / max(union, 1e-9)


def test_labels_keep_their_dicos_category():
    assert Label(name="x", category="EXPLOSIVE").category is Category.EXPLOSIVE
