"""The sampling points beside a figure are the plan's."""

from __future__ import annotations

import csv
import itertools
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings

from roicrop.errors import OutputError
from roicrop.explanation import is_points, write_points
from roicrop.explanation.records import POINT_CELL_COLUMNS, POINT_COLUMNS
from tests.draw.boxes import (
    BINS,
    BOXES,
    STRIDE,
    SUBJECT,
    Box,
    crop,
)


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@settings(max_examples=40)
@given(box=BOXES, bins=BINS)
def test_the_csv_holds_the_plans_samples(
    tmp_path_factory: pytest.TempPathFactory, box: Box, bins: tuple[int, int]
) -> None:
    plan = crop(box, bins).plan
    path = tmp_path_factory.mktemp("points") / "points.csv"
    write_points(plan, 0, path, subject=SUBJECT)
    lines = _table(path)
    y, x = plan.samples(0)
    assert len(lines) == len(y) * len(x)
    found = {
        tuple(int(line[c]) for c in POINT_COLUMNS[:4]): (float(line["y"]), float(line["x"]))
        for line in lines
    }
    for i, j in itertools.product(range(len(y)), range(len(x))):
        key = (int(y.bin[i]), int(x.bin[j]), int(y.index[i]), int(x.index[j]))
        assert found[key] == (float(y.position[i]), float(x.position[j]))
    states = Counter(line["state"] for line in lines)
    assert states["outside"] == len(lines) - int(y.inside.sum()) * int(x.inside.sum())
    for line in lines:
        assert float(line["image_y"]) == (float(line["y"]) + 0.5) * STRIDE
        read = line["read_y"], line["read_x"]
        if line["state"] == "outside":
            assert read == ("", "")
        elif line["state"] == "inside":
            assert read == (line["y"], line["x"])
        else:
            assert 0 <= float(read[0]) <= 23
            assert 0 <= float(read[1]) <= 29


def test_the_csv_of_roipool_holds_the_cells_of_each_bin(tmp_path: Path) -> None:
    plan = crop((16, 16, 39, 23), (1, 2), convention="fast-rcnn").plan
    write_points(plan, 0, tmp_path / "cells.csv", subject=SUBJECT)
    lines = _table(tmp_path / "cells.csv")
    # Columns 2 to 5 in two bins of two, rows 2 and 3.
    assert tuple(lines[0]) == POINT_CELL_COLUMNS
    assert [tuple(int(line[c]) for c in POINT_CELL_COLUMNS[:4]) for line in lines] == [
        *((0, 0, y, x) for y in (2, 3) for x in (2, 3)),
        *((0, 1, y, x) for y in (2, 3) for x in (4, 5)),
    ]
    assert (lines[0]["image_y"], lines[0]["image_x"]) == ("20.0", "20.0")


def test_the_csv_of_roipool_counts_the_bins_that_share_a_cell(tmp_path: Path) -> None:
    plan = crop((16, 16, 55, 60), (5, 4), convention="fast-rcnn").plan
    write_points(plan, 0, tmp_path / "cells.csv", subject=SUBJECT)
    lines = _table(tmp_path / "cells.csv")
    bins = Counter((line["cell_row"], line["cell_column"]) for line in lines)
    assert set(bins.values()) == {1, 2, 4}
    for line in lines:
        assert int(line["bins_with_this_cell"]) == bins[line["cell_row"], line["cell_column"]]


def test_a_box_of_too_many_samples_gives_those_in_range(tmp_path: Path) -> None:
    plan = crop((-1e5, -1e5, 1e5, 1e5), 1, convention="detectron2").plan
    write_points(plan, 0, tmp_path / "points.csv", subject=SUBJECT)
    lines = _table(tmp_path / "points.csv")
    y, x = plan.samples(0)
    assert len(lines) == int(y.inside.sum()) * int(x.inside.sum())
    assert "outside" not in {line["state"] for line in lines}


def test_a_file_that_exists_is_kept_unless_it_may_be_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "there"
    path.write_text("mine")
    plan = crop((16, 16, 39, 23)).plan
    with pytest.raises(OutputError, match="there exists"):
        write_points(plan, 0, path, subject=SUBJECT, overwrite=False)
    assert path.read_text() == "mine"
    write_points(plan, 0, path, subject=SUBJECT, overwrite=True)
    assert is_points(path)
    assert list(tmp_path.iterdir()) == [path]
