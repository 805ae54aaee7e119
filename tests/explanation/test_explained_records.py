"""An explanation as a listing, as JSON and as CSV."""

from __future__ import annotations

import numpy as np
import pytest

import roicrop
from roicrop.conventions import resolve
from roicrop.errors import ArgumentError
from roicrop.explanation import (
    as_trace,
)
from tests.explanation.cases import (
    LISTING,
    NOISE,
    explain,
    notebook,
    one,
    parsed,
    rows,
)

# The notebook's example


def test_the_trace_is_the_notebooks_listing() -> None:
    listing = LISTING.read_text()
    assert listing.count("\n\n") == 22
    assert "".join(f"{line}\n" for line in as_trace(notebook())).startswith(listing)


def test_the_trace_is_what_the_notebooks_loops_print() -> None:
    printed = []
    for ph, pw, iy, ix in np.ndindex(4, 4, 2, 2):
        yy = 4.0 + ph * 0.25 + (iy + 0.5) * 0.25 / 2
        xx = 1.0 + pw * 0.75 + (ix + 0.5) * 0.75 / 2
        printed += ["4.0 1.0", f"{ph} {pw}", "0.25 0.75", "2 2", f"{iy} {ix}", f"{yy} {xx}", ""]
    assert list(as_trace(notebook())) == printed
    assert list(as_trace(notebook(), (1, 2))) == printed[6 * 28 : 7 * 28]
    assert list(as_trace(notebook(), None, 5)) == printed[: 5 * 7]


@pytest.mark.parametrize(("name", "what"), [("prroi", "exact integral"), ("fast-rcnn", "RoIPool")])
def test_what_has_no_samples_has_no_trace(name: str, what: str) -> None:
    with pytest.raises(ArgumentError, match=f"a trace lists samples, and (the )?{what} has none"):
        as_trace(explain(NOISE, (1, 1, 9, 9), name))


# Records


def test_json_has_the_numbers_of_a_worked_example() -> None:
    said = parsed(notebook(), (0, 2))
    assert said["roicrop"] == roicrop.__version__
    assert said["operator"] == "align"
    assert said["convention"]["name"] == "mask-rcnn"
    assert said["convention"]["max_start"] == "-inf"
    assert (said["file"], said["image"], said["box"]) == ("maps.h5::/features", "0", 3)
    assert (said["map_size"], said["output_size"], said["channel"]) == ([5, 5], [4, 4], 0)
    assert said["y"]["begin"] == said["y"]["end"] == 4
    assert (said["y"]["size_before"], said["y"]["size"], said["y"]["bin_size"]) == (0, 1, 0.25)
    assert said["x"]["samples_a_bin"] == 2
    (bin_,) = said["bins"]
    assert bin_["bin"] == [0, 2]
    assert (bin_["y"]["edges"], bin_["x"]["edges"]) == ([4, 4.25], [2.5, 3.25])
    assert (bin_["samples"], bin_["clamped"], bin_["outside"], bin_["left_out"]) == (4, 4, 0, 0)
    assert (bin_["sum"], bin_["divisor"], bin_["value"], bin_["pooled"]) == (383, 4, 95.75, 95.75)
    assert bin_["listed"][1] == {
        "sample": [0, 1],
        "y": 4.0625,
        "x": 3.0625,
        "state": "clamped",
        "read_y": 4,
        "read_x": 3.0625,
        "cells": [
            {
                "cell": [4, 3],
                "weight_y": 1,
                "weight_x": 0.9375,
                "weight": 0.9375,
                "feature": 96,
                "product": 90,
            },
            {
                "cell": [4, 4],
                "weight_y": 1,
                "weight_x": 0.0625,
                "weight": 0.0625,
                "feature": 98,
                "product": 6.125,
            },
        ],
        "value": 96.125,
        "share": 1,
    }


def test_csv_of_samples_can_be_pooled_by_hand() -> None:
    explanation = explain(NOISE, (-4, 2, 25, 17), resolve("mask-rcnn", sampling_ratio=3), (2, 2))
    table = rows(explanation)
    assert len(table) == 4 * 9
    for bin_ in explanation.bins():
        mine = [
            r for r in table if (int(r["bin_row"]), int(r["bin_column"])) == (bin_.row, bin_.column)
        ]
        values = []
        for row in mine:
            taps = [n for n in "1234" if row[f"weight_{n}"]]
            assert bool(taps) == (row["state"] != "outside") == bool(row["read_y"])
            values.append(sum(float(row[f"weight_{n}"]) * float(row[f"feature_{n}"]) for n in taps))
            assert values[-1] == float(row["value"])
        assert np.mean(values) == pytest.approx(bin_.value)


def test_csv_of_an_integral_has_the_pieces_areas() -> None:
    explanation = explain(NOISE, (1.5, 2, 9, 6.25), "prroi")
    table = rows(explanation)
    area = sum(float(row["share"]) for row in table)
    total = sum(float(row["share"]) * float(row["value"]) for row in table)
    assert area == 7.5 * 4.25
    assert total / area == pytest.approx(one(explanation).pooled, abs=1e-5)


def test_csv_of_roipool_has_a_row_for_each_cell() -> None:
    explanation = explain(NOISE, (3, 2, 6, 4), "fast-rcnn", (1, 2))
    table = rows(explanation, (0, 1))
    assert [(r["cell_row"], r["cell_column"]) for r in table] == [
        (str(y), str(x)) for y in (2, 3, 4) for x in (5, 6)
    ]
    assert max(float(r["feature"]) for r in table) == one(explanation, (0, 1)).pooled
