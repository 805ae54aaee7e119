"""Boxes that repeat an earlier one, among very many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roicrop.boxes import BoxTable
from roicrop.boxes.table import Source
from roicrop.files import columns
from roicrop.inspection import boxes

number = st.sampled_from([0.0, -0.0, 1.0, 0.1, float("nan"), float("inf")])
rows = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from([1, 2]), number, number), max_size=40
)


@given(rows)
def test_repeats_are_found_whatever_is_looked_at_at_a_time(
    rows: list[tuple[str, int, float, float]],
) -> None:
    table = BoxTable(
        source=Source("b.csv"),
        format="csv",
        box_format="xyxy",
        box_format_origin="default",
        coords=np.array([[x, y, 5, 6] for _, _, x, y in rows]).reshape(-1, 4),
        image=np.array([row[0] for row in rows], object),
        label=np.array([row[1] for row in rows], np.int64),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "_AT_ONCE", 3)
        count, where = boxes._repeated(table)
    again = [k for k, row in enumerate(rows) if any(alike(row, other) for other in rows[:k])]
    assert count == len(again)
    if again:
        first = next(k for k, row in enumerate(rows) if alike(row, rows[again[0]]))
        assert where == f"b.csv box {again[0]} repeats b.csv box {first}"


def alike(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """As numbers are equal: NaN is not even itself."""
    return all(a == b for a, b in zip(one, other, strict=True))
