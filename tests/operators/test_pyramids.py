"""Pyramids: which map each box is pooled from, and what that gives."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import roicrop
from roicrop.conventions import LEVEL_RULES, PLAIN
from roicrop.errors import ArgumentError, BoxError
from tests import reference_levels
from tests.golden import pyramids

Array = NDArray[Any]
Record = dict[str, Any]

SCALES = [1 / 4, 1 / 8, 1 / 16, 1 / 32]


def golden(peer: str) -> tuple[Record, dict[str, Array]]:
    with np.load(pyramids.file_of(peer)) as file:
        return json.loads(str(file["about"])), {name: file[name] for name in file.files}


def cases(kind: str) -> Any:
    return pytest.mark.parametrize(
        ("peer", "case"),
        [
            pytest.param(peer, case, id=f"{peer}: {case['name']}")
            for peer in pyramids.PEERS
            for case in golden(peer)[0][kind]
        ],
    )


# Levels.


@cases("levels")
def test_a_box_is_on_the_level_that_the_program_gave(peer: str, case: Record) -> None:
    _, arrays = golden(peer)
    levels = roicrop.assign_levels(
        arrays[f"boxes/{case['boxes']}"],
        [1 / stride for stride in case["strides"]],
        rule=case["rule"],
        canonical_size=case["canonical_size"],
        canonical_level=case["canonical_level"],
        image_size=pyramids.IMAGE,
    )
    assert levels.dtype == np.int64
    np.testing.assert_array_equal(levels, arrays[f"levels/{case['name']}"])


def test_every_rule_is_held_to_golden_values_or_says_what_it_is_derived_from() -> None:
    held = set()
    for peer in pyramids.PEERS:
        about = golden(peer)[0]
        for rule in {case["rule"] for case in about["levels"]}:
            held.add(rule)
            assert any(version in LEVEL_RULES[rule].verified for version in versions(about))
    assert set(LEVEL_RULES) - held == {"detectron"}
    assert LEVEL_RULES["detectron"].verified.startswith("derived")
    assert {row.level_rule for row in PLAIN.values()} <= set(LEVEL_RULES)


def versions(about: Record) -> list[str]:
    return list(about["versions"].values())


corner = st.one_of(
    st.floats(-50, 1500, width=32), st.sampled_from((0.0, 56.0, 111.0, 112.0, 223.0, 224.0, 448.0))
)


@given(
    rule=st.sampled_from(sorted(LEVEL_RULES)),
    boxes=st.lists(st.tuples(corner, corner, corner, corner), min_size=1, max_size=8),
    first=st.integers(1, 4),
    maps=st.integers(1, 6),
    size=st.sampled_from((None, None, 100.0, 37.5)),
    canonical=st.sampled_from((None, None, 3)),
)
def test_a_level_is_what_the_programs_source_gives(
    rule: str,
    boxes: list[tuple[float, ...]],
    first: int,
    maps: int,
    size: float | None,
    canonical: int | None,
) -> None:
    strides, image = [2 ** (first + i) for i in range(maps)], (600, 801)
    options: Any = {"rule": rule, "canonical_size": size, "canonical_level": canonical}
    scales = [1 / stride for stride in strides]
    try:
        expected = [
            reference_levels.level(rule, box, strides, image, size, canonical) for box in boxes
        ]
    except reference_levels.Refused:
        with pytest.raises(BoxError, match=r"^box \d+ has a negative area"):
            roicrop.assign_levels(boxes, scales, image_size=image, **options)
        return
    levels = roicrop.assign_levels(boxes, scales, image_size=image, **options)
    assert levels.tolist() == expected


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"rule": "fpn"}, "level rule 'fpn' is not known: choose from torchvision, detectron2"),
        ({"rule": "matterport"}, "the level rule matterport depends on the image's size"),
        ({"canonical_size": 0}, "canonical_size is 0: give pixels"),
        ({"canonical_level": np.nan}, "canonical_level is nan"),
        ({"spatial_scales": 0.25}, "spatial_scales is 0.25: give a list"),
        ({"spatial_scales": []}, "spatial_scales has 0 numbers"),
        ({"spatial_scales": [1 / 4, 0]}, "spatial_scale is 0"),
        ({"spatial_scales": [1 / 4, 1 / 16]}, "strides are 4, 16: the level rule torchvision"),
        ({"spatial_scales": [1 / 8, 1 / 4]}, "strides are 8, 4: the level rule torchvision"),
        ({"boxes": [[1, 2, 3]]}, "boxes has shape (1, 3): give (K, 5)"),
        ({"boxes": [[0, 0, 1, 1], [0, 0, np.nan, 1]]}, "box 1 has corners 0, 0, nan, 1"),
        ({"boxes": [[0, 0, 1, 1], [0, 0, np.inf, 1]]}, "box 1 has corners 0, 0, inf, 1"),
    ],
)
def test_levels_that_make_no_sense_are_refused(arguments: Record, complaint: str) -> None:
    call: Record = {"boxes": [[0, 0, 9, 9]], "spatial_scales": SCALES, **arguments}
    with pytest.raises(ValueError, match="^" + re.escape(complaint)):
        roicrop.assign_levels(call.pop("boxes"), call.pop("spatial_scales"), **call)


def test_a_rule_that_counts_from_the_finest_map_takes_any_strides() -> None:
    boxes = [[0, 0, 60, 60], [0, 0, 120, 120], [0, 0, 500, 500]]
    assert roicrop.assign_levels(boxes, [1 / 4, 1 / 14], rule="mmdet").tolist() == [0, 1, 1]


def test_no_boxes_have_no_levels() -> None:
    for rule in LEVEL_RULES:
        assert roicrop.assign_levels([], SCALES, rule=rule, image_size=(9, 9)).shape == (0,)


# Crops.

RNG = np.random.default_rng(7)
MAPS = [RNG.standard_normal((2, 5, 120 // s, 160 // s), np.float32) for s in (4, 8, 16, 32)]


def some_boxes(count: int) -> Array:
    sides = np.exp(RNG.uniform(np.log(4), np.log(250), (count, 2)))
    corners = RNG.uniform(-10, 100, (count, 2))
    image = np.arange(count) % 2
    return np.column_stack([image, corners, corners + sides])


@pytest.mark.core
@cases("crops")
def test_a_crop_from_a_pyramid_is_what_the_program_gave(peer: str, case: Record) -> None:
    _, arrays = golden(peer)
    maps = [arrays[f"map/{i}"] for i in range(len(pyramids.SMALL_STRIDES))]
    pooled = roicrop.multiscale_roi_align(
        [each[np.newaxis] for each in maps],
        arrays["boxes/crops"],
        case["output_size"],
        [1 / stride for stride in pyramids.SMALL_STRIDES],
        **case["options"],
    )
    expected = arrays[f"pooled/{case['name']}"]
    np.testing.assert_allclose(pooled, expected, rtol=0, atol=1e-5 * max(map(largest, maps)))


def largest(values: Array) -> float:
    return float(np.abs(values).max())


def test_the_extractors_conventions_are_held_to_what_openvino_gave() -> None:
    about = golden("openvino")[0]
    held = {case["options"]["convention"] for case in about["crops"]}
    assert held == {"openvino-extractor", "openvino-extractor-aligned"}
    for name in held:
        assert versions(about)[0] in PLAIN[name].verified
        assert PLAIN[name].level_rule == "openvino"


@pytest.mark.core
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("convention", ["mask-rcnn", "detectron2", "openvino-extractor-aligned"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "u1"])
def test_every_box_is_a_crop_of_its_map_in_the_order_of_the_boxes(
    layout: str, convention: str, dtype: str
) -> None:
    boxes, maps = some_boxes(50), [(each * 50).astype(dtype) for each in MAPS]
    if layout == "NHWC":
        maps = [each.transpose(0, 2, 3, 1) for each in maps]
    options: Any = {"convention": convention, "layout": layout}
    chosen: Any = {"canonical_size": 28, "canonical_level": 3}
    pooled = roicrop.multiscale_roi_align(maps, boxes, (3, 2), SCALES, **options, **chosen)
    rule = PLAIN[convention].level_rule
    levels = roicrop.assign_levels(boxes[:, 1:], SCALES, rule=rule, **chosen)
    assert set(levels) == {0, 1, 2, 3}
    for k, level in enumerate(levels):
        alone = roicrop.roi_align(maps[level], boxes[[k]], (3, 2), SCALES[level], **options)
        assert pooled[k].tobytes() == alone[0].tobytes()
    given = roicrop.multiscale_roi_align(maps, boxes, (3, 2), SCALES, levels=levels, **options)
    assert given.tobytes() == pooled.tobytes()


@pytest.mark.core
def test_boxes_come_in_every_form_and_the_result_goes_where_it_is_told() -> None:
    boxes = some_boxes(9)
    boxes = boxes[np.argsort(boxes[:, 0], kind="stable")]
    options: Any = {"canonical_size": 28, "canonical_level": 3, "threads": 1}
    pooled = roicrop.multiscale_roi_align(MAPS, boxes, 2, SCALES, **options)
    listed = [boxes[boxes[:, 0] == image, 1:] for image in range(2)]
    out = np.full_like(pooled, 5)
    assert roicrop.multiscale_roi_align(MAPS, listed, 2, SCALES, out=out, **options) is out
    assert out.tobytes() == pooled.tobytes()
    first = [each[:1] for each in MAPS]
    plain = roicrop.multiscale_roi_align(first, listed[0], 2, SCALES, **options)
    assert plain.tobytes() == pooled[: len(listed[0])].tobytes()
    assert roicrop.multiscale_roi_align(MAPS, [], 2, SCALES).shape == (0, 5, 2, 2)


@pytest.mark.core
def test_a_box_on_no_level_is_zeros() -> None:
    boxes = [[0, 10, 10, 10, 50], [0, 10, 10, 50, 50]]
    levels = np.array([-1, 0])
    maps = [np.full_like(each, 3) for each in MAPS]
    for options in ({"convention": "openvino-extractor"}, {"levels": levels}):
        out = np.full((2, 5, 2, 2), 7, np.float32)
        roicrop.multiscale_roi_align(maps, boxes, 2, SCALES, out=out, **options)
        assert (out[0] == 0).all()
        assert (out[1] == 3).all()


@pytest.mark.core
def test_with_one_map_torchvision_pools_all_boxes_and_openvino_goes_by_its_rule() -> None:
    boxes = [[10.0, 10, 10, 50], [10, 10, 5, 60]]
    one: Any = ([np.ones((1, 1, 30, 40), np.float32)], boxes, 1, [1 / 4], 1)
    for name, gives in (("torchvision", [1, 1]), ("openvino-extractor", [0, 0])):
        pooled = roicrop.multiscale_roi_align(*one, convention=name)
        assert pooled.ravel().tolist() == gives


@pytest.mark.core
def test_matterports_rule_goes_by_the_size_of_the_finest_map() -> None:
    boxes = some_boxes(30)
    levels = roicrop.assign_levels(boxes[:, 1:], SCALES, rule="matterport", image_size=(120, 160))
    assert len(set(levels)) > 1
    given, ruled = (
        roicrop.multiscale_roi_align(MAPS, boxes, 2, SCALES, **options)
        for options in ({"levels": levels}, {"level_rule": "matterport"})
    )
    assert given.tobytes() == ruled.tobytes()


@pytest.mark.core
def test_boxes_that_are_taken_in_blocks_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = some_boxes(40)
    options: Any = {"canonical_size": 28, "canonical_level": 3}
    whole = roicrop.multiscale_roi_align(MAPS, boxes, 2, SCALES, **options)
    monkeypatch.setattr("roicrop.operators._BOXES_AT_ONCE", 7)
    assert roicrop.multiscale_roi_align(MAPS, boxes, 2, SCALES, **options).tobytes() == (
        whole.tobytes()
    )
    levels = np.arange(40) % 4
    given = roicrop.multiscale_roi_align(MAPS, boxes, 2, SCALES, levels=levels)
    for k, level in itertools.islice(enumerate(levels), 20):
        alone = roicrop.roi_align(MAPS[level], boxes[[k]], 2, SCALES[level])
        assert given[k].tobytes() == alone[0].tobytes()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"inputs": MAPS[0]}, "inputs is not a list of maps"),
        ({"inputs": []}, "inputs is not a list of maps"),
        ({"inputs": MAPS[:3]}, "spatial_scales has 4 numbers, inputs 3 maps"),
        ({"inputs": [*MAPS[:3], MAPS[3][:1]]}, "inputs[3] has 1 images of 5 channels, inputs[0] 2"),
        ({"inputs": [*MAPS[:3], MAPS[3].astype("f8")]}, "inputs[3] is float64 and inputs[0] float"),
        ({"inputs": [*MAPS[:3], MAPS[3][0]]}, "inputs[3] has shape (5, 3, 5), not NCHW"),
        ({"levels": [0, 0]}, "levels is int64 (2,), and there are 1 boxes"),
        ({"levels": [0.5]}, "levels is float64 (1,), and there are 1 boxes"),
        ({"levels": [4]}, "box 0 is on level 4, and there are 4 maps"),
        ({"levels": [0], "level_rule": "mmdet"}, "levels are given, and a rule that chooses them"),
        ({"levels": [0], "canonical_size": 9}, "levels are given, and a rule that chooses them"),
        ({"level_rule": "fpn"}, "level rule 'fpn' is not known"),
        ({"convention": "tensorflow"}, "boxes of the convention tensorflow are fractions"),
        ({"boxes": [[0, 1, 1, 9, 9], [0, 9, 9, 9, np.nan]]}, "box 1 has corners 9, 9, 9, nan"),
        (
            {"boxes": [[0, 0, 0, 90, 90], [1, 9, 9, 2, 3], [0, 9, 9, 8, 8]], "convention": "mmcv"},
            "box 1 is reversed",
        ),
    ],
)
def test_pyramids_that_make_no_sense_are_refused(arguments: Record, complaint: str) -> None:
    call: Record = {"inputs": MAPS, "boxes": [[0, 1, 1, 9, 9]], **arguments}
    with pytest.raises(ValueError, match="^" + re.escape(complaint)) as error:
        roicrop.multiscale_roi_align(call.pop("inputs"), call.pop("boxes"), 2, SCALES, **call)
    assert isinstance(error.value, ArgumentError | BoxError)
