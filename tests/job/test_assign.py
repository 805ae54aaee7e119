"""The image of a box."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from roicrop.boxes import BoxTable, read_boxes
from roicrop.job import ImageAssignment, assign_images
from tests.boxes.reading import INSTANCES, Write, csv_table, fault_of, table_of


def in_group(table: BoxTable, *names: str, **said: Any) -> ImageAssignment:
    source: Any = SimpleNamespace(names=names, images=len(names), name="f.h5::/")
    return assign_images(table, source, **said)


def in_batch(table: BoxTable, count: int, **said: Any) -> ImageAssignment:
    source: Any = SimpleNamespace(names=None, images=count, name="f.h5::/f")
    return assign_images(table, source, **said)


def test_boxes_that_name_no_image_are_of_the_only_one_and_of_several_an_error() -> None:
    table = table_of(score=[1, 2])
    for found in (in_batch(table, 1), in_group(table, "a")):
        assert found.index.tolist() == [0, 0]
        assert found.how == "boxes do not name an image; the file has one"
    assert fault_of(lambda: in_batch(table, 2)) == (
        "boxes.json names no images, but f.h5::/f holds 2: it has box, score; "
        "name their column with --image-column, or put all boxes on one with --on-image"
    )
    assert "names no images" in fault_of(lambda: in_group(table, "a", "b"))


@pytest.mark.parametrize("key", ["image_index", "batch_index", "Image Index"])
def test_an_index_is_one_in_a_batch(key: str) -> None:
    found = in_batch(table_of(**{key: [1, 0, 2, -1]}), 2)
    assert found.index.dtype == np.int64
    assert found.index.tolist() == [1, 0, -1, -1]
    assert found.how == f"{key} is the image's index"
    assert set(found.missing) == {"2", "-1"}
    assert found.missing["2"].startswith("f.h5::/f holds images 0 to 1")


def test_an_index_is_checked_even_where_there_is_one_image() -> None:
    found = in_batch(table_of(image_index=[0, 1]), 1)
    assert found.index.tolist() == [0, -1]
    assert found.missing == {"1": "f.h5::/f holds one image, 0"}


def test_an_index_in_a_group_counts_its_datasets() -> None:
    found = in_group(table_of(image_index=[1, 0, 5]), "5", "a")
    assert found.index.tolist() == [1, 0, -1]


def test_a_name_finds_the_dataset_of_a_group_with_or_without_its_extension() -> None:
    table = table_of(image=["b.jpg", "a", "photos/c.png", "d_1.5", "B"])
    found = in_group(table, "a", "b.jpg", "b", "c", "d_1")
    assert found.index.tolist() == [1, 0, 3, -1, -1]
    assert found.how == "image is the name of the image's dataset"
    names = "a, b.jpg, b, c, d_1"
    assert found.missing == {
        n: f"f.h5::/ has no dataset named {n!r}: {names}" for n in ("d_1.5", "B")
    }


def test_a_number_finds_the_dataset_of_that_name() -> None:
    assert in_group(table_of(image_id=[12, 7]), "7", "12").index.tolist() == [1, 0]
    assert in_group(table_of(image=["007", "12"]), "007", "12").index.tolist() == [0, 1]


def test_an_id_that_is_no_dataset_of_a_group_may_want_its_file_of_images() -> None:
    missing = in_group(table_of(image_id=[77]), "a").missing["77"]
    assert missing.startswith(
        "f.h5::/ has no dataset named '77': if these are ids or indices, give --images FILE"
    )


def test_two_names_for_one_dataset_are_an_error() -> None:
    table = table_of(image=["cat.jpg", "cat.png"])
    assert fault_of(lambda: in_group(table, "cat")) == (
        "boxes.json: images 'cat.jpg' and 'cat.png' could both be the dataset 'cat' of f.h5::/: "
        "rename one of them"
    )
    assert in_group(table, "cat", "cat.png").index.tolist() == [0, 1]


def test_a_name_in_a_batch_stands_for_the_only_image_or_is_an_error() -> None:
    found = in_batch(table_of(image=["cat", "cat"]), 1)
    assert (found.index.tolist(), found.how) == (
        [0, 0],
        "every box is on 'cat', the only image",
    )
    two = table_of(image=["007", "cat"])
    assert fault_of(lambda: in_batch(two, 3)) == (
        "boxes.json box 1: image is 'cat', but f.h5::/f holds images 0 to 2, without names: "
        "give each box an image_index, or --on-image for all"
    )
    assert in_batch(table_of(image=["000", "002"]), 3).index.tolist() == [0, 2]


def test_a_coco_id_goes_through_the_file_name_to_a_dataset(write: Write) -> None:
    path = write("instances.json", INSTANCES)
    found = in_group(read_boxes(path), "seven", "three")
    assert found.index.tolist() == [1, 0, 1]
    assert found.how == (
        f"image_id goes through the file_name in images of {path} to the dataset of that name"
    )
    found = in_group(read_boxes(path), "seven.jpg")
    assert found.index.tolist() == [-1, 0, -1]
    assert found.missing == {"3": "f.h5::/ has no dataset named 'photos/three.png': seven.jpg"}


def test_a_coco_id_goes_through_the_position_to_an_index(write: Write) -> None:
    path = write("instances.json", INSTANCES)
    found = in_batch(read_boxes(path), 2)
    assert found.index.tolist() == [1, 0, 1]
    assert found.how == f"image_id goes through the position in images of {path}"
    found = in_batch(read_boxes(path), 1)
    assert found.index.tolist() == [-1, 0, -1]
    assert found.warnings == (
        f"{path} lists 2 images, but f.h5::/f holds 1: "
        "images are matched by their position in the list",
    )
    assert found.missing == {"3": f"{path} lists it at position 1, but f.h5::/f holds one image, 0"}


def test_a_coco_image_without_a_file_name_has_no_dataset(write: Write) -> None:
    images = [{"id": 7}, {"id": 3, "file_name": "three.png"}]
    path = write("instances.json", INSTANCES | {"images": images})
    found = in_group(read_boxes(path), "three")
    assert found.index.tolist() == [0, -1, 0]
    assert found.missing == {"7": f"{path} gives it no file_name"}


def test_images_of_another_file_say_what_the_ids_of_coco_results_are(write: Write) -> None:
    results = [
        {"image_id": i, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5} for i in (3, 7, 9)
    ]
    path, images = write("results.json", results), write("instances.json", INSTANCES)
    table = read_boxes(path, images=images)
    assert in_batch(table, 2).index.tolist() == [1, 0, -1]
    assert in_batch(table, 2).missing == {"9": f"{images} lists no image with that id"}
    assert in_group(table, "seven", "three").index.tolist() == [1, 0, -1]
    assert len(table.select(labels=["cat"])) == 3
    without = read_boxes(path)
    assert in_group(without, "3", "7", "9").index.tolist() == [0, 1, 2]
    assert "--images FILE" in fault_of(lambda: in_batch(without, 8))


def test_images_of_another_file_that_do_not_fit_are_an_error(write: Write) -> None:
    images = write("instances.json", INSTANCES)
    plain, results = write("plain.json", [[1, 2, 3, 4]]), write("objects.json", [OBJECT])
    assert "has no image_id to look up in" in fault_of(lambda: read_boxes(plain, images=images))
    assert fault_of(lambda: read_boxes(results, images=plain)) == (
        f"{plain} has no list of images: give a COCO instances file"
    )


OBJECT = {"bbox": [1, 2, 3, 4], "image_id": 3}


def test_an_assignment_follows_the_rows_of_a_table_that_was_cut_down() -> None:
    table = table_of(image=["a", "b", "a", "c"], score=[1, 2, 3, 4]).select(min_score=2)
    assert in_group(table, "a", "b", "c").index.tolist() == [1, 0, 2]
    table = dataclasses.replace(table, image_key="image_id")
    assert fault_of(lambda: in_batch(table, 3)).startswith("boxes.json box 1: image_id is 'b'")


# --- what ids and indices may be ---------------------------------------------------------------


@pytest.mark.parametrize("key", ["image_id", "frame", "img"])
def test_ids_with_a_0_that_are_all_below_the_number_of_images_are_indices_with_a_warning(
    key: str,
) -> None:
    found = in_batch(table_of(**{key: [0, 2, 1]}), 3)
    assert found.index.tolist() == [0, 2, 1]
    assert found.warnings[0].startswith(f"boxes.json: {key} was used as the image's index: ")


@pytest.mark.parametrize("ids", [[1, 2, 3], [0, 4], [397133, 37777], [-1, 0]])
@pytest.mark.parametrize("key", ["image_id", "image", "frame"])
def test_ids_that_need_not_be_indices_are_refused_and_the_option_says_that_they_are(
    key: str, ids: list[int]
) -> None:
    table = table_of(**{key: ids})
    fault = fault_of(lambda: in_batch(table, 4))
    assert "--images" in fault
    assert "--ids-are-indices" in fault
    found = in_batch(table, 4, ids_are_indices=True)
    assert found.index.tolist() == [i if 0 <= i < 4 else -1 for i in ids]
    assert not found.warnings


def test_every_box_can_be_put_on_one_image() -> None:
    table = table_of(image=["x", "y"])
    assert in_batch(table, 3, on_image="2").index.tolist() == [2, 2]
    assert in_group(table, "a.png", "b", on_image="a").index.tolist() == [0, 0]
    assert in_group(table, "a.png", "b", on_image="1").index.tolist() == [1, 1]
    assert "no image '3'" in fault_of(lambda: in_batch(table, 3, on_image="3"))
    assert "no image 'c': a, b" in fault_of(lambda: in_group(table, "a", "b", on_image="c"))


def test_two_names_on_one_unnamed_map_are_an_error_and_one_is_taken() -> None:
    two = table_of(image=["cat", "dog"])
    assert "image is 'cat', but f.h5::/f holds one image" in fault_of(lambda: in_batch(two, 1))
    assert in_batch(table_of(image_id=[397133, 397133]), 1).index.tolist() == [0, 0]


def test_a_list_by_position_is_for_a_batch_and_not_for_names(write: Write) -> None:
    boxes = [{"boxes": [[1, 2, 3, 4]]}, {"boxes": [[5, 6, 7, 8], [1, 2, 3, 4]]}]
    table = read_boxes(write("list.json", boxes))
    assert in_batch(table, 2).index.tolist() == [0, 1, 1]
    assert not in_batch(table, 2).warnings
    assert "lists 2 images, but f.h5::/f holds 3" in in_batch(table, 3).warnings[0]
    assert "without the names of their images" in fault_of(lambda: in_group(table, "a", "b"))
    assert in_group(table, "a", "b", ids_are_indices=True).index.tolist() == [0, 1, 1]


# --- finding a dataset -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [("000000397133", "000000037777"), ("397133", "37777"), ("397133.npy", "x/37777"),
     ("397133/features", "000037777/features")],
)  # fmt: skip
def test_an_id_is_found_as_a_number_with_or_without_zeros(names: tuple[str, str]) -> None:
    assert in_group(table_of(image_id=[397133, 37777]), *names).index.tolist() == [0, 1]
    table = table_of(image=["val/000000397133.jpg", "37777"])
    assert in_group(table, *names).index.tolist() == [0, 1]


def test_the_only_map_in_a_group_of_the_image_s_name_is_its_map() -> None:
    table = table_of(image=["a.jpg", "b.jpg"])
    assert in_group(table, "b/features", "a/features").index.tolist() == [1, 0]
    found = in_group(table, "a/p2", "a/p3", "b/p2", "b/p3")
    assert found.missing["a.jpg"] == (
        "2 maps could belong to that image: a/p2, a/p3: choose one, as in f.h5::/*/p2"
    )


def coco(write: Write, file_names: list[str | None]) -> BoxTable:
    """Boxes on images whose ids count from 1."""
    images = [
        {"id": n, **({} if name is None else {"file_name": name})}
        for n, name in enumerate(file_names, 1)
    ]
    boxes = [{"image_id": image["id"], "bbox": [1, 2, 3, 4]} for image in images]
    return read_boxes(write("coco.json", {"images": images, "annotations": boxes}))


def test_one_rule_finds_all_images_by_file_name_if_it_can_else_by_id(write: Write) -> None:
    assert in_group(coco(write, ["b.jpg", "a.jpg"]), "a", "b").index.tolist() == [1, 0]
    assert in_group(coco(write, ["x/b.jpg", None]), "01", "02").index.tolist() == [0, 1]
    # By neither rule all: those that the name finds, and never some by one and some by the other.
    found = in_group(coco(write, ["a.jpg", "b.jpg"]), "a", "2")
    assert found.index.tolist() == [0, -1]


def test_two_rules_that_give_different_maps_are_an_error_and_an_option_chooses(
    write: Write,
) -> None:
    table = coco(write, ["2.jpg", "1.jpg"])
    fault = fault_of(lambda: in_group(table, "1", "2"))
    assert "image '1' is '2' by its file name and '1' by its id" in fault
    path = table.source.path
    by_id = read_boxes(path, image_column="image_id")
    by_name = read_boxes(path, image_column="file_name")
    assert in_group(by_id, "1", "2").index.tolist() == [0, 1]
    assert in_group(by_name, "1", "2").index.tolist() == [1, 0]


def test_a_list_in_a_message_stops_at_five() -> None:
    missing = in_group(table_of(image=["z", "a"]), *"abcdefgh").missing["z"]
    assert missing == "f.h5::/ has no dataset named 'z': a, b, c, d, e and 3 more"


def test_a_column_of_text_that_differs_and_is_not_understood_is_warned_of() -> None:
    differs = table_of(frame_name=["a", "b"], kind=["x", "x"])
    warning = in_batch(differs, 1).warnings[0]
    assert "frame_name differs from row to row: it has box, frame_name, kind;" in warning
    assert "--image-column" in warning
    assert not in_batch(table_of(kind=["x", "x"]), 1).warnings
    assert not in_batch(table_of(label=["a", "b"]), 1).warnings
    assert not in_batch(differs, 1, on_image="0").warnings
    rows = "x1,y1,x2,y2,shot\n1,2,3,4,a\n1,2,3,4,b\n"
    assert "shot differs" in in_batch(csv_table(rows), 1).warnings[0]


def test_a_table_of_no_boxes_is_on_no_image(write: Write) -> None:
    for name, content in {"b.csv": "x1,y1,x2,y2,image", "b.jsonl": "\n", "b.json": []}.items():
        assert in_batch(read_boxes(write(name, content)), 3).index.shape == (0,)
