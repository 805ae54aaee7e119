"""Choosing among boxes, and finding bad ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roicrop.boxes import (
    find_bad,
    read_boxes,
)
from roicrop.boxes.table import to_xyxy
from roicrop.errors import ArgumentError
from tests.boxes.reading import INSTANCES, Write, fault_of, table_of


def test_a_score_equal_to_the_minimum_passes_and_nan_never_does() -> None:
    table = table_of(score=[0.5, 0.4, float("nan"), 0.9]).select(min_score=0.5)
    assert table.source_index.tolist() == [0, 3]
    assert table.coords[:, 0].tolist() == [0, 3]


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from([0.1, 0.5, 0.5, float("nan")])),
        min_size=1,
        max_size=20,
    ),
    st.integers(0, 4),
)
def test_top_k_keeps_each_image_its_highest_scores_and_the_earlier_of_equals(
    rows: list[tuple[str, float]], top_k: int
) -> None:
    images, scores = zip(*rows, strict=True)
    table = table_of(image=images, score=scores).select(top_k=top_k)
    chosen: list[int] = []
    for image in set(images):
        mine = [k for k, other in enumerate(images) if other == image]
        chosen += sorted(mine, key=lambda k: -np.nan_to_num(scores[k], nan=-1))[:top_k]
    assert table.source_index.tolist() == sorted(chosen)


def test_top_k_of_boxes_without_images_ranks_all_of_them() -> None:
    assert table_of(score=[1, 3, 2]).select(top_k=2).source_index.tolist() == [1, 2]


def test_a_label_is_chosen_by_id_or_by_category_name(write: Write) -> None:
    table = read_boxes(write("instances.json", INSTANCES))
    assert table.select(labels=["cat"]).source_index.tolist() == [0, 2]
    assert table.select(labels=["2"]).source_index.tolist() == [1]
    assert table.select(labels=[2, "cat"]).source_index.tolist() == [0, 1, 2]
    assert len(table.select(labels=["bird"])) == 0
    assert table_of(label=["cat", "dog"]).select(labels=["dog"]).source_index.tolist() == [1]


def test_choices_are_made_one_after_another_and_every_column_follows() -> None:
    table = table_of(
        image=["a", "a", "b", "b"], score=[0.9, 0.8, 0.7, 0.1], label=[1, 2, 2, 2], id=[5, 6, 7, 8]
    )
    chosen = table.select(labels=[2], top_k=1).select(min_score=0.75)
    assert chosen.source_index.tolist() == [1]
    columns = (chosen.image, chosen.score, chosen.label, chosen.id)
    assert [c.tolist() for c in columns if c is not None] == [["a"], [0.8], [2], [6]]
    assert chosen.where(int(chosen.source_index[0])) == "boxes.json box 1"


def test_a_choice_by_a_column_that_is_not_there_is_an_error() -> None:
    table = table_of(id=[1, 2])
    assert "no score, which --min-score needs" in fault_of(lambda: table.select(min_score=0))
    assert "no score, which --top-k needs" in fault_of(lambda: table.select(top_k=1))
    assert "which --label needs" in fault_of(lambda: table.select(labels=["cat"]))
    with pytest.raises(ArgumentError, match="--top-k -1 is less than 0"):
        table_of(score=[1]).select(top_k=-1)


def test_inclusive_adds_a_pixel_to_end_corners_and_none_to_sizes() -> None:
    coords = np.array([[1.0, 2.0, 5.0, 7.0]])
    assert to_xyxy(coords, "xyxy", inclusive=True).tolist() == [[1, 2, 6, 8]]
    assert to_xyxy(coords, "yxyx", inclusive=True).tolist() == [[2, 1, 8, 6]]
    assert to_xyxy(coords, "xywh", inclusive=True).tolist() == [[1, 2, 6, 9]]
    assert to_xyxy(coords, "cxcywh", inclusive=True).tolist() == [[-1.5, -1.5, 3.5, 5.5]]
    assert coords.tolist() == [[1, 2, 5, 7]]


def test_bad_boxes_are_not_finite_or_reversed_and_boxes_with_zero_size_are_good() -> None:
    inf, nan = float("inf"), float("nan")
    boxes = [[1, 1, 1, 1], [5, 0, 4, 1], [0, 5, 1, 4.5], [nan, 0, -1, 0], [0, 0, inf, 1]]
    bad = find_bad(np.array([*boxes, [-9, -9, -5, -5]]))
    assert bad.reversed.tolist() == [False, True, True, False, False, False]
    assert bad.not_finite.tolist() == [False, False, False, True, True, False]
    assert bad.mask.tolist() == [False, True, True, True, True, False]
    assert bad.reason(1) == "x2 4 is less than x1 5"
    assert bad.reason(2) == "y2 4.5 is less than y1 5"
    assert bad.reason(4) == "(0, 0, inf, 1) is not finite"
