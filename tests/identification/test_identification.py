"""Which convention made a tensor: the golden frameworks', roicrop's own, and what nothing made."""

from __future__ import annotations

import csv
import dataclasses
import json
import shlex
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import roicrop
from roicrop.boxes import BOX_FORMATS
from roicrop.conventions import CONVENTIONS, Convention, lookup, resolve
from roicrop.errors import ArgumentError
from roicrop.identification import Verdict, facts, identify, in_words, open_pooled
from roicrop.identification.candidates import RATIOS, all_rules, coarse, effective, options
from roicrop.job import Request, pipeline
from tests.command_line import run
from tests.test_golden import PEERS, Record, arrays, convention, golden

Array = np.ndarray

RANDOM = np.random.default_rng(15)
STRIDE = 8
MAPS = RANDOM.standard_normal((2, 5, 20, 26)).astype(np.float32)


def some_boxes(count: int = 24) -> Array:
    """Corners in pixels, most of them on the map, of all sizes."""
    corner = RANDOM.uniform(-10, (170, 130), (count, 2))
    size = np.exp(RANDOM.uniform(np.log(4), np.log(120), (count, 2)))
    return np.concatenate([corner, corner + size], axis=1)


BOXES = some_boxes()
IMAGES = np.arange(len(BOXES)) % 2
BASE = lookup("mask-rcnn", "align")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with maps.h5 and boxes.csv."""
    write(tmp_path)
    return tmp_path


def write(place: Path, maps: Array = MAPS, boxes: Array = BOXES, **attributes: Any) -> None:
    with h5py.File(place / "maps.h5", "w") as file:
        file["features"] = maps
        file["features"].attrs.update(attributes or {"stride": STRIDE})
    with (place / "boxes.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image_index", "x1", "y1", "x2", "y2"])
        images = IMAGES % len(maps)
        rows.writerows([i, *box] for i, box in zip(images.tolist(), boxes.tolist(), strict=False))


def crop(
    row: Convention,
    boxes: Array = BOXES,
    *,
    maps: Array = MAPS,
    size: Any = 3,
    stride: int = STRIDE,
) -> Array:
    """What roicrop's own operator gives for xyxy boxes in pixels."""
    function = roicrop.roi_align if row.operator == "align" else roicrop.roi_pool
    table = np.concatenate([IMAGES[: len(boxes), None], boxes], axis=1)
    return function(maps, table, size, 1 / stride, convention=row)


def identified(place: Path, pooled: Array | None = None, **request: Any) -> Verdict:
    """The verdict on a tensor; without one, on pooled.npy as it is."""
    if pooled is not None:
        np.save(place / "pooled.npy", pooled)
    usual = Request(
        features=str(place / "maps.h5"),
        boxes=str(place / "boxes.csv"),
        convention=BASE,
        on_bad_box="keep",
    )
    asked = dataclasses.replace(usual, **request)
    with (
        pipeline.open_job(asked) as job,
        open_pooled(str(place / "pooled.npy"), job) as opened,
    ):
        verdict = identify(job, opened)
        json.dumps(facts(verdict, job))
        assert all(list(in_words(verdict, job)))
        return verdict


def same(one: Convention, other: Convention) -> bool:
    return repr(effective(one)) == repr(effective(other))


def one_for_each_setting() -> list[Any]:
    """The golden cases with ordinary boxes, at a scale where frameworks pick the sample count."""
    return [
        pytest.param(peer, case, id=f"{peer}: {case['name']}")
        for peer in PEERS
        for case in golden(peer)[0]["cases"]
        if case["output_size"] == [3, 5] and case["outcome"] == "pooled"
        if case["spatial_scale"] != 1.0 or case["convention"] == "tensorflow"
        if case["overrides"].get("sampling_ratio", 0) == 0 or case["convention"] == "mask-rcnn"
    ]


@pytest.mark.parametrize(("peer", "case"), one_for_each_setting())
def test_a_frameworks_tensor_is_identified_as_its_own(
    tmp_path: Path, peer: str, case: Record
) -> None:
    features, boxes, pooled = arrays(peer, case)
    write(tmp_path, features, spatial_scale=case["spatial_scale"])
    (tmp_path / "boxes.json").write_text(json.dumps(boxes.tolist()))
    verdict = identified(tmp_path, pooled, boxes=str(tmp_path / "boxes.json"))
    row = convention(case)
    found = [trial for trial in verdict.fits if same(trial.row, row)]
    assert found[0].agreeing == len(boxes)
    # Before it there is at most what differs from it in last bits, and in bins that are not there.
    best = verdict.fits[0]
    assert repr(coarse(best.row)) == repr(coarse(row))
    assert best.candidate.reading.normalized == row.normalized
    assert best.candidate.reading.box_format == row.order


def test_the_command_names_the_convention_and_leaves_with_0(place: Path) -> None:
    np.save(place / "crops.npy", crop(lookup("openvino-half-pixel", "align")))
    result = run("identify", place / "maps.h5", place / "boxes.csv", place / "crops.npy")
    assert (result.status, result.err) == (0, "")
    assert "crops.npy is openvino-half-pixel\n" in result.out
    assert "24 of 24 boxes on all 5 channels" in result.out


@pytest.mark.parametrize(
    "row",
    [
        resolve("mmcv", mode="max", sampling_ratio=3),
        resolve("torchvision-aligned", sampling_ratio=2),
        resolve("tensorflow", interpolation="nearest", extrapolation_value=-3.1),
    ],
    ids=lambda row: row.name,
)
def test_the_command_that_it_gives_makes_the_tensor_again(place: Path, row: Convention) -> None:
    height, width = MAPS.shape[2:]
    fractions = BOXES[:, [1, 0, 3, 2]] / (np.array([height, width] * 2) * STRIDE)
    pooled = crop(row, fractions if row.normalized else BOXES)
    np.save(place / "crops.npy", pooled)
    said = run("identify", place / "maps.h5", place / "boxes.csv", place / "crops.npy", "--json")
    words = shlex.split(said.json["answers"][0]["command"])
    words[words.index("OUT.h5")] = str(place / "again.h5")
    assert run(*words[1:]).status == 0
    with h5py.File(place / "again.h5") as file:
        assert np.allclose(file["pooled"], pooled, rtol=0, atol=1e-5)


def test_every_name_that_it_gives_is_right_with_the_options_beside_it(place: Path) -> None:
    pooled = crop(resolve("torchvision-aligned", sampling_ratio=2))
    best = identified(place, pooled).fits[0]
    said = options(best.row)
    assert said == {"--sampling-ratio": "2"}
    assert "detectron2" in best.candidate.rules.names
    for name in best.candidate.rules.names:
        assert same(resolve(name, sampling_ratio=2), best.row)


def test_a_shift_before_scaling_is_said_beside_that_after_it(place: Path) -> None:
    np.save(place / "crops.npy", crop(lookup("openvino-half-pixel", "align")))
    said = run("identify", place / "maps.h5", place / "boxes.csv", place / "crops.npy").out
    assert "corners moved +0.5 pixels before scaling and −0.5 cells after it" in said


def test_json_is_all_of_the_answer(place: Path) -> None:
    np.save(place / "crops.npy", crop(lookup("detectron2", "align")))
    said = run(
        "identify", place / "maps.h5", place / "boxes.csv", place / "crops.npy", "--json"
    ).json
    best = said["answers"][0]
    assert said["fits"] is True
    assert said["residual"] is said["nearest"] is None
    assert "detectron2" in [best["convention"], *best["also_called"]]
    assert (best["sampling_ratio"], best["mode"], best["aligned"]) == ("adaptive", "avg", True)
    assert (best["layout"], best["output_size"]) == ("(K, C, PH, PW)", [3, 3])
    assert (best["spatial_scale"], best["scale_is_given"]) == (1 / STRIDE, True)
    assert best["agreeing"] == said["boxes"]["compared"] == len(BOXES)
    assert "only last bits differ" in said["answers"][1]["differs"].values()


def test_quiet_keeps_the_answer(place: Path) -> None:
    np.save(place / "crops.npy", RANDOM.standard_normal((24, 5, 3, 3)))
    result = run("identify", place / "maps.h5", place / "boxes.csv", place / "crops.npy", "--quiet")
    assert (result.status, result.err) == (3, "")
    assert "fits nothing" in result.out


@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (0, 2, 3, 1), (0, 1, 3, 2), (0, 3, 2, 1)], ids=str)
@pytest.mark.parametrize("last", [False, True], ids=["maps CHW", "maps HWC"])
def test_every_order_of_axes_is_found(tmp_path: Path, axes: Any, last: bool) -> None:
    maps = MAPS.transpose(0, 2, 3, 1) if last else MAPS
    write(tmp_path, maps, stride=STRIDE, layout="NHWC" if last else "NCHW")
    pooled = crop(lookup("torchvision", "align"), size=(3, 4)).transpose(axes)
    best = identified(tmp_path, pooled).fits[0]
    names = np.array(["K", "C", "PH", "PW"])[list(axes)]
    assert str(best.candidate.layout) == f"({', '.join(names)})"
    assert "torchvision" in best.candidate.rules.names


def test_a_group_of_images_of_several_sizes_and_strides(tmp_path: Path) -> None:
    write(tmp_path)
    maps = {"a.jpg": MAPS[0], "b": MAPS[1][:, :15, :19]}
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        for stride, (name, features) in zip((8, 4), maps.items(), strict=True):
            file[name] = features
            file[name].attrs["stride"] = stride
    boxes = [{"image": name, "box": box.tolist()} for box in BOXES for name in maps]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    row = lookup("paddle", "align")
    pooled = np.empty((len(boxes), 5, 2, 2), np.float32)
    for n, (stride, features) in enumerate(zip((8, 4), maps.values(), strict=True)):
        pooled[n::2] = roicrop.roi_align(
            features, [BOXES], 2, 1 / stride, convention=row, layout="CHW"
        )
    verdict = identified(tmp_path, pooled, boxes=str(tmp_path / "boxes.json"))
    assert any(same(trial.row, row) for trial in verdict.fits)
    assert verdict.fits[0].candidate.scale is None


def test_fractions_of_a_given_image_size(place: Path) -> None:
    write(place, boxes=BOXES / [208, 160, 208, 160])
    verdict = identified(place, crop(BASE), image_size=(160, 208))
    best = verdict.fits[0].candidate
    assert (best.rules.convention.name, str(best.reading)) == (
        "mask-rcnn",
        "xyxy as fractions of the image",
    )


def test_a_float16_tensor_is_allowed_its_rounding_and_no_more(place: Path) -> None:
    pooled = crop(BASE)
    assert identified(place, pooled.astype(np.float16)).fits[0].row == BASE
    assert not identified(place, (pooled * 1.003).astype(np.float16)).fits
    assert not identified(place, pooled.astype(np.float16).astype(np.float32)).fits


def test_a_value_outside_the_map_is_read_off_the_tensor(place: Path) -> None:
    row = dataclasses.replace(lookup("tensorflow", "align"), void=-7.0)
    boxes = (BOXES / [208, 160, 208, 160])[:, [1, 0, 3, 2]]
    best = identified(place, crop(row, boxes, stride=1)).fits[0]
    assert same(best.row, row)


def test_boxes_that_are_zeros_are_left_out(place: Path) -> None:
    boxes = BOXES.copy()
    boxes[5, 2] = np.nan
    write(place, boxes=boxes)
    pooled = crop(BASE)
    pooled[5] = 0
    best = identified(place, pooled, on_bad_box="zero").fits[0]
    assert (best.row, best.agreeing, best.compared) == (BASE, 23, 23)


# What the data cannot tell apart.


@pytest.mark.parametrize(
    ("sizes", "samples"), [((9, 23), "1 sample"), ((25, 47), "2 samples")], ids=str
)
def test_small_boxes_do_not_tell_a_ratio_from_the_adaptive_one(
    place: Path, sizes: tuple[int, int], samples: str
) -> None:
    corner = RANDOM.uniform(0, 100, (24, 2))
    boxes = np.concatenate([corner, corner + RANDOM.uniform(*sizes, (24, 2))], axis=1)
    write(place, boxes=boxes)
    verdict = identified(place, crop(lookup("detectron2", "align"), boxes))
    reasons = {
        other.trial.candidate.rules.names[0]: other.differs
        for other in verdict.others
        if set(other.differs) == {"sampling ratio"}
    }
    reason = f"the boxes are too small: adaptive takes {samples} a bin on each of them"
    assert [*reasons.values()] == [{"sampling ratio": reason}]


def test_large_boxes_on_the_map_do_not_tell_the_smallest_size(place: Path) -> None:
    corner = RANDOM.uniform(20, 40, (24, 2))
    boxes = np.concatenate([corner, corner + RANDOM.uniform(40, 80, (24, 2))], axis=1)
    write(place, boxes=boxes)
    verdict = identified(place, crop(resolve("prroi"), boxes))
    said = {aspect: why for other in verdict.others for aspect, why in other.differs.items()}
    assert said["smallest box"] == "no box is smaller than a cell"
    assert said["border"] == "no sample is off the map"


def test_a_constant_map_tells_nothing_and_the_answer_says_so(place: Path) -> None:
    write(place, np.ones_like(MAPS))
    boxes = np.clip(BOXES, 10, 150)
    write(place, np.ones_like(MAPS), boxes)
    verdict = identified(place, crop(BASE, boxes, maps=np.ones_like(MAPS)))
    assert not verdict.tells
    assert verdict.fits[0].row == BASE
    assert verdict.left_out > 0


# What fits nothing.


def shifted(by: Any, row: Convention = BASE) -> Array:
    return crop(row, BOXES + np.asarray(by) * STRIDE)


@pytest.mark.parametrize(
    ("by", "name"),
    [
        ((0.5, 0.5, 0.5, 0.5), "mask-rcnn"),
        ((0.375, -0.25, 0.375, -0.25), "torchvision-aligned"),
        ((0.0, 0.0, -0.125, -0.125), "torchvision-aligned"),
        ((0.5, 0.5, 0.5, 0.5), "fast-rcnn"),
    ],
)
def test_a_shift_is_named_by_its_size(place: Path, by: Any, name: str) -> None:
    verdict = identified(place, shifted(by, CONVENTIONS[name]))
    nearest, residual = verdict.nearest, verdict.residual
    assert nearest is not None
    assert residual is not None
    assert not verdict.fits
    assert name in nearest.candidate.rules.names
    assert residual.kind == "shift"
    assert residual.details["cells"] == dict(zip(("x1", "y1", "x2", "y2"), by, strict=True))
    assert residual.agreeing == len(BOXES)


def test_a_shift_is_said_in_cells_and_pixels(place: Path) -> None:
    np.save(place / "crops.npy", shifted((0.5, -0.5, 0.5, -0.5)))
    result = run("identify", place / "maps.h5", place / "boxes.csv", place / "crops.npy")
    assert result.status == 3
    assert "nearest is mask-rcnn\n" in result.out
    assert "0.5 cells (4 px) further right and 0.5 cells (4 px) further up" in result.out


@pytest.mark.parametrize(("factor", "added"), [(0.37, 0.0), (1.0, 3.0), (255.0, -12.0)])
def test_a_constant_factor_is_found(place: Path, factor: float, added: float) -> None:
    verdict = identified(place, crop(BASE) * np.float32(factor) + np.float32(added))
    assert verdict.nearest is not None
    assert verdict.residual is not None
    assert verdict.nearest.row == BASE
    assert verdict.residual.kind == "factor"
    assert verdict.residual.details == pytest.approx({"factor": factor, "added": added}, abs=1e-3)


def test_boxes_that_do_not_agree_are_named_with_what_they_have_in_common(place: Path) -> None:
    pooled = crop(BASE)
    outside = (BOXES < 0).any(axis=1) | (BOXES > [208, 160, 208, 160]).any(axis=1)
    assert 0 < outside.sum() < len(BOXES) / 2
    pooled[outside] = 0
    residual = identified(place, pooled).residual
    assert residual is not None
    assert residual.kind == "some boxes"
    assert residual.details["boxes"] == np.flatnonzero(outside).tolist()
    assert f"boxes.csv line {np.flatnonzero(outside)[0] + 2}" in residual.text
    assert "all of them reach outside their map, and none of the others" in residual.text


@pytest.mark.parametrize("order", [[4, 3, 2, 1, 0], [1, 2, 0, 4, 3]], ids=str)
def test_channels_in_another_order_are_found(place: Path, order: list[int]) -> None:
    verdict = identified(place, crop(lookup("torchvision", "align"))[:, order])
    assert verdict.residual is not None
    assert verdict.residual.kind == "channels"
    assert verdict.residual.details["order"] == order
    assert verdict.residual.agreeing == len(BOXES)
    assert ("reversed" in verdict.residual.text) == (order[0] == 4)


def test_rounding_is_told_by_what_was_rounded(place: Path) -> None:
    pooled = crop(BASE)
    halves = MAPS.astype(np.float16).astype(np.float32)
    brain = (pooled.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    for tensor, said in (
        (pooled.astype(np.float16).astype(np.float32), "the tensor holds nothing but float16"),
        (crop(BASE, maps=halves), "the features were rounded to float16 first"),
        (brain, "the tensor holds nothing but bfloat16 numbers"),
    ):
        residual = identified(place, tensor).residual
        assert residual is not None
        assert residual.kind == "rounding"
        assert said in residual.text


def test_noise_has_no_pattern_and_another_tensor_no_likeness(place: Path) -> None:
    noise = RANDOM.standard_normal((24, 5, 3, 3)).astype(np.float32)
    verdict = identified(place, crop(BASE) + noise / 50)
    assert verdict.nearest is not None
    assert verdict.residual is not None
    assert (verdict.nearest.row, verdict.residual.kind) == (BASE, "noise")
    unlike = identified(place, noise).residual
    assert unlike is not None
    assert unlike.kind == "unlike"


@pytest.mark.parametrize(
    ("maps", "change", "fits"),
    [
        (np.where(MAPS > 1, np.nan, MAPS), lambda pooled: pooled, True),
        (MAPS * np.float32(1e37), lambda pooled: pooled, True),
        (MAPS * np.float32(1e-37), lambda pooled: pooled, True),
        (MAPS, lambda pooled: np.copysign(np.inf, pooled), False),
        (MAPS, lambda pooled: pooled.astype(np.float64) * 1e200, False),
        (MAPS, lambda pooled: (pooled * 100).astype(np.int32), False),
    ],
    ids=["NaN", "huge", "tiny", "infinite tensor", "factor beyond float32", "integers"],
)
def test_no_numbers_are_too_strange(place: Path, maps: Array, change: Any, fits: bool) -> None:
    write(place, maps)
    verdict = identified(place, change(crop(BASE, maps=maps)))
    assert bool(verdict.fits) == fits
    assert not fits or verdict.fits[0].row == BASE


# The files.


def test_a_tensor_is_found_in_any_file(place: Path) -> None:
    pooled = crop(BASE)
    np.savez(place / "own.npz", pooled=pooled, boxes=BOXES, attributes=np.array("{}"))
    np.savez(place / "other.npz", boxes=BOXES, rois=pooled, names=np.array(["a"], object))
    with h5py.File(place / "own.h5", "w") as file:
        file["pooled"], file["other"] = pooled.astype(">f8"), pooled
    with h5py.File(place / "other.h5", "w") as file:
        file["deep/rois"], file["boxes"] = pooled, BOXES
    np.save(place / "fortran.npy", np.asfortranarray(pooled))
    for name in ("own.npz", "other.npz", "own.h5", "other.h5", "other.h5::/deep/rois",
                 "fortran.npy"):  # fmt: skip
        said = run("identify", place / "maps.h5", place / "boxes.csv", place / name)
        assert (said.status, said.err) == (0, ""), name


def test_a_shape_that_does_not_fit_is_one_line_that_says_what_would(place: Path) -> None:
    def error(*arrays: Array, name: str = "crops.npy") -> str:
        if name.endswith("npy"):
            np.save(place / name, arrays[0])
        else:
            np.savez(place / name, *arrays)
        result = run("identify", place / "maps.h5", place / "boxes.csv", place / name)
        assert result.status == 1
        return result.error

    expected = "expected (24, 5, PH, PW) or (24, PH, PW, 5) for the 24 boxes of "
    for shape in ((23, 5, 3, 3), (24, 4, 3, 3), (24, 5, 3), (24, 5, 0, 3)):
        text = error(np.zeros(shape))
        assert expected in text
        assert str(shape) in text
    assert "several arrays fit" in error(*[np.zeros((24, 5, 1, 1))] * 2, name="two.npz")
    assert "no array fits" in error(np.zeros(3), np.zeros(4), name="none.npz")


def test_a_file_that_holds_no_tensor_is_one_line(place: Path) -> None:
    (place / "text.npy").write_text("no array")
    (place / "text.npz").write_text("no archive")
    (place / "text.h5").write_text("no hdf5")
    (place / "text.txt").write_text("nothing")
    np.save(place / "objects.npy", np.array([{}]), allow_pickle=True)
    np.save(place / "letters.npy", np.array(["a"]))
    np.save(place / "cut.npy", crop(BASE))
    (place / "cut.npy").write_bytes((place / "cut.npy").read_bytes()[:1000])
    for name in ("text.npy", "text.npz", "text.h5", "text.txt", "objects.npy", "letters.npy",
                 "cut.npy", "missing.npy", "missing.h5", "maps.h5::/nothing"):  # fmt: skip
        result = run("identify", place / "maps.h5", place / "boxes.csv", place / name)
        assert result.status == 1
        assert name.partition("::")[0] in result.error


def test_no_boxes_are_an_error(place: Path) -> None:
    write(place, boxes=BOXES[:0])
    np.save(place / "crops.npy", np.zeros((0, 5, 3, 3)))
    result = run("identify", place / "maps.h5", place / "boxes.csv", place / "crops.npy")
    assert result.status == 1
    assert "boxes.csv" in result.error


# Whatever roicrop makes, it can name.


@st.composite
def rows(draw: st.DrawFn) -> Convention:
    own = CONVENTIONS[draw(st.sampled_from(sorted(CONVENTIONS)))]
    while True:
        try:
            return resolve(
                own,
                own.operator,
                sampling_ratio=draw(st.sampled_from((None, *RATIOS))),
                aligned=draw(st.sampled_from((None, True, False))),
                mode=draw(st.sampled_from((None, "avg", "max"))),
            )
        except ArgumentError:
            continue


@settings(max_examples=12)
@given(
    row=rows(),
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.sampled_from((1, 4, STRIDE)),
    written=st.sampled_from(BOX_FORMATS),
    inclusive=st.booleans(),
    dtype=st.sampled_from((np.float16, np.float32, np.float64)),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_roicrop_makes_it_identifies_or_calls_by_an_equal_name(
    tmp_path_factory: pytest.TempPathFactory,
    row: Convention,
    size: tuple[int, int],
    stride: int,
    written: Any,
    inclusive: bool,
    dtype: Any,
    seed: int,
) -> None:
    place = tmp_path_factory.mktemp("round")
    random = np.random.default_rng(seed)
    maps = random.standard_normal((1, 3, 13, 17)).astype(dtype)
    corner = random.uniform(-2, (15, 11), (20, 2))
    cells = np.concatenate([corner, corner + np.exp(random.uniform(-1, 2.3, (20, 2)))], axis=1)
    write(place, maps, to_format(cells * stride, written))
    asked = Request(
        features=str(place / "maps.h5"),
        boxes=str(place / "boxes.csv"),
        convention=row,
        output_size=size,
        spatial_scale=1 / stride,
        box_format=written,
        inclusive=inclusive,
        on_bad_box="keep",
    )
    with pipeline.open_job(asked) as job:
        pipeline.crop(job, str(place / "pooled.npy"))
    verdict = identified(place)
    assert any(same(trial.row, row) for trial in verdict.fits)
    assert verdict.fits[0].agreeing == verdict.fits[0].compared == 20


def to_format(boxes: Array, box_format: str) -> Array:
    """Corners (K, 4) xyxy as a file has them."""
    first, last = boxes[:, :2], boxes[:, 2:]
    if box_format == "yxyx":
        return boxes[:, [1, 0, 3, 2]]
    if box_format == "xywh":
        return np.concatenate([first, last - first], axis=1)
    if box_format == "cxcywh":
        return np.concatenate([(first + last) / 2, last - first], axis=1)
    return boxes


def test_no_two_rules_are_effectively_the_same() -> None:
    keys = [repr(effective(rules.convention)) for rules in all_rules()]
    assert len(keys) == len(set(keys))
    assert {row.name for rules in all_rules() for row in rules.conventions} == set(CONVENTIONS)
