"""A request, written as a command line and parsed again, is the same request."""

from __future__ import annotations

import dataclasses
from typing import Any

import click
from hypothesis import given, settings
from hypothesis import strategies as st

from roicrop.cli import crop
from roicrop.conventions import CONVENTIONS, Convention, resolve
from roicrop.errors import ArgumentError
from roicrop.job import OPTIONS, Request, command_line, convention_of, request_of

COMMANDS = {"align": crop.align, "pool": crop.pool}
# What else these commands have: where the result goes, and what is shown.
OF_THE_RESULT = {"output", "dtype", "compression", "overwrite", "viz", "viz_boxes", "channel",
                 "points", "photo", "bin", "quiet", "as_json", "reduce"}  # fmt: skip
OF_THE_CONVENTION = {"convention", "sampling_ratio", "mode", "aligned", "min_size",
                     "interpolation", "extrapolation_value", "level_rule", "angle", "clockwise",
                     "position_sensitive"}  # fmt: skip

positive = st.floats(1e-3, 1e3)
counts = st.integers(1, 2**31 - 1)
sizes = st.tuples(counts, counts)
bins = st.tuples(st.integers(1, 500), st.integers(1, 500))
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


@st.composite
def conventions(draw: st.DrawFn) -> Convention:
    own = draw(st.sampled_from(list(CONVENTIONS.values())))
    changes: dict[str, st.SearchStrategy[Any]] = {
        "sampling_ratio": st.sampled_from((1, 2, 7, "adaptive", "exact")),
        "mode": st.sampled_from(("avg", "max")),
        "aligned": st.booleans(),
        "min_size": st.sampled_from(("none", 0.0, 1.0, 2.5)),
        "interpolation": st.sampled_from(("bilinear", "nearest")),
        "angle": st.sampled_from(("degrees", "radians")),
        "clockwise": st.booleans(),
        "extrapolation_value": st.sampled_from((0.0, -3.5, 1e-5, 255.0)),
    }
    row = own
    for name, values in changes.items():
        try:
            row = resolve(row, own.operator, **{name: draw(maybe(values))})
        except ArgumentError:  # the option does not apply to this convention
            continue
    return row


@st.composite
def requests(draw: st.DrawFn) -> Request:
    row = draw(conventions())
    normalized = draw(st.booleans())
    return Request(
        features="maps.h5::/a",
        boxes="boxes.csv",
        convention=row,
        output_size=draw(bins),
        spatial_scale=draw(maybe(positive)),
        input_scale=draw(maybe(st.tuples(positive, positive))),
        layout=draw(maybe(st.sampled_from(("NCHW", "NHWC", "CHW", "HWC")))),
        box_format=draw(maybe(st.sampled_from(("xyxy", "xywh", "cxcywh", "yxyx")))),
        boxes_format=draw(maybe(st.sampled_from(("csv", "tsv", "json", "jsonl")))),
        images=draw(maybe(st.just(__file__))),
        normalized=normalized,
        image_size=draw(maybe(sizes)) if normalized or row.normalized else None,
        inclusive=not normalized and draw(st.booleans()),
        min_score=draw(maybe(st.floats(allow_nan=False))),
        labels=tuple(draw(st.lists(texts, max_size=3))),
        top_k=draw(maybe(counts)),
        on_bad_box=draw(st.sampled_from(("error", "keep", "zero", "drop"))),
        levels=draw(st.sampled_from(((), ("p2", "p3")))),
        strides=draw(st.sampled_from(((), (4.0, 8.0), (3.5, 7.0)))),
        canonical_size=draw(maybe(positive)),
        canonical_level=draw(maybe(st.floats(-3, 9))),
        threads=draw(maybe(counts)),
    )


def parse(words: list[str]) -> Request:
    roicrop, operator, *rest = words
    assert roicrop == "roicrop"
    params = COMMANDS[operator].make_context(operator, rest).params
    assert params["output"] == "out.h5"
    return request_of(params, convention_of(params, operator))  # type: ignore[arg-type]


def of_turned_boxes(request: Request) -> Request:
    """What becomes of a request where the file's boxes have an angle."""
    assert isinstance(request.turned, Convention)
    return dataclasses.replace(request, convention=request.turned)


@settings(max_examples=60)
@given(requests())
def test_a_request_written_as_a_command_is_parsed_to_an_equal_one(request: Request) -> None:
    parsed = parse(command_line(request, "out.h5"))
    if request.convention.turned:
        parsed = of_turned_boxes(parsed)
    assert repr(parsed) == repr(request)


def test_every_option_of_a_crop_is_written_or_is_of_the_result() -> None:
    params = {
        param.name
        for param in COMMANDS["align"].params
        if isinstance(param, click.Option) and param.name != "stride"  # spatial_scale says it
    }
    assert params == {*OPTIONS, *OF_THE_CONVENTION, *OF_THE_RESULT}


def test_every_option_that_is_written_is_a_field_of_the_request() -> None:
    fields = {field.name for field in dataclasses.fields(Request)}
    files = {"features", "boxes", "model"}
    of_rows = {"convention", "turned", "angle_is_said"}
    assert {*OPTIONS} == fields - files - of_rows - {"maps", "given", "scale_origin"}
