"""Names of columns and keys: how each is read, and what the summary says about it."""

from __future__ import annotations

import pytest

from roicrop.boxes import read_boxes
from tests.boxes.reading import Write, csv_table, fault_of

XYXY, CENTRE = "64,32,384,256", "224,144,320,224"
SIZE = "64,32,320,224"


@pytest.mark.parametrize(
    ("header", "cells", "box_format"),
    [
        ("x1,y1,x2,y2", XYXY, "xyxy"),
        ("X Min,Y-Min,x_max,YMax", XYXY, "xyxy"),
        ("left,top,right,bottom", XYXY, "xyxy"),
        ("x0,y0,x1,y1", XYXY, "xyxy"),
        ("bbox_x1,bbox_y1,bbox_x2,bbox_y2", XYXY, "xyxy"),
        ("box_xmin,box_ymin,box_xmax,box_ymax", XYXY, "xyxy"),
        ("xtl,ytl,xbr,ybr", XYXY, "xyxy"),
        ("tl_x,tl_y,br_x,br_y", XYXY, "xyxy"),
        ("startX,startY,endX,endY", XYXY, "xyxy"),
        ("bounding box xmin,bounding box ymin,bounding box xmax,bounding box ymax", XYXY, "xyxy"),
        ("bbox_xyxy", f'"{XYXY}"', "xyxy"),
        ("xywh", f'"[{SIZE}]"', "xywh"),
        ("x,y,w,h", SIZE, "xywh"),
        ("bb_left,bb_top,bb_width,bb_height", SIZE, "xywh"),
        ("bbox_x,bbox_y,bbox_w,bbox_h", SIZE, "xywh"),
        ("xmin,ymin,width,height", SIZE, "xywh"),
        ("x_center,y_center,width,height", CENTRE, "cxcywh"),
        ("center_x,center_y,w,h", CENTRE, "cxcywh"),
        ("xc,yc,w,h", CENTRE, "cxcywh"),
        ("width,height,x1,y1,x2,y2", "768,512," + XYXY, "xyxy"),
        ("width,height,bbox", '768,512,"[64, 32, 320, 224]"', "xywh"),
        ("bbox,width,height", '"64,32,320,224",768,512', "xywh"),
        ("bbox,image", '"(64 32 320 224)",a', "xywh"),
        ("box", f'"{XYXY}"', "xyxy"),
    ],
)
def test_known_spellings_of_the_coordinates(header: str, cells: str, box_format: str) -> None:
    table = csv_table(f"{header}\n{cells}\n")
    assert table.box_format == box_format
    assert table.xyxy().tolist() == [[64, 32, 384, 256]]


@pytest.mark.parametrize(
    "record",
    [
        {"bbox": {"x": 64, "y": 32, "width": 320, "height": 224}},
        {"box": {"x1": 64, "y1": 32, "x2": 384, "y2": 256}},
        {"topleft": {"x": 64, "y": 32}, "bottomright": {"x": 384, "y": 256}},
        {"BoundingBox": {"Left": 64, "Top": 32, "Width": 320, "Height": 224}},
        {"x": 64, "y": 32, "width": 320, "height": "224"},
        {"bndbox": {"xmin": "64", "ymin": "32", "xmax": "384", "ymax": "256"}},
        {"points": {"x1": 64, "y1": 32, "x2": 384, "y2": 256}},
        {"rectangle": {"x": 64, "y": 32, "w": 320, "h": 224}},
        {"bbox": [[384, 256], [64, 32]]},
        {"bbox": [64, 32, 320, 224], "width": 768, "height": 512},
    ],
)
def test_objects_are_read_as_headers_of_their_keys(write: Write, record: object) -> None:
    assert read_boxes(write("boxes.json", [record])).xyxy().tolist() == [[64, 32, 384, 256]]


@pytest.mark.parametrize("name", ["image", "Image ID", "image-index", "FILENAME", "image path",
                                  "img", "imgName", "ImageID", "coco_url", "frame", "path",
                                  "batch index", "image-name", "FILE_PATH", "FrameID"])  # fmt: skip
def test_known_names_of_the_image(name: str) -> None:
    table = csv_table(f"{name},x1,y1,x2,y2\n7,1,2,3,4\n")
    assert table.image_key == name
    assert table.image is not None
    assert table.image.tolist() == [7]


@pytest.mark.parametrize("name", ["Score", "confidence", "conf", "probability"])
def test_known_names_of_the_score(name: str) -> None:
    table = csv_table(f"x1,y1,x2,y2,{name}\n1,2,3,4,0.5\n")
    assert table.score is not None
    assert table.score.tolist() == [0.5]


@pytest.mark.parametrize("name", ["Label", "class", "class_name", "name", "LabelName", "label name",
                                  "category", "category_id"])  # fmt: skip
def test_known_names_of_the_label(name: str) -> None:
    table = csv_table(f"x1,y1,x2,y2,{name}\n1,2,3,4,car\n")
    assert table.label is not None
    assert table.label.tolist() == ["car"]


def test_the_first_of_two_names_in_the_documented_order_is_used_and_the_summary_says_so() -> None:
    table = csv_table("path,image_id,x1,y1,x2,y2\na.jpg,7,1,2,3,4\n")
    assert table.image is not None
    assert table.image.tolist() == [7]
    assert table.notes == ("image is image_id, not path: --image-column",)
    table = csv_table('bbox,bbox_x1,bbox_y1,bbox_x2,bbox_y2,x1,y1,x2,y2\n"1,2",1,2,3,4,5,6,7,8\n')
    assert table.coords.tolist() == [[5, 6, 7, 8]]
    assert table.notes == ("the box is x1,y1,x2,y2, not bbox_x1,bbox_y1,bbox_x2,bbox_y2, bbox",)


def test_columns_are_chosen_by_hand(write: Write) -> None:
    path = write("boxes.csv", "path,image,x1,y1,x2,y2,iou,kind\na,b,1,2,3,4,0.5,x\n")
    table = read_boxes(path, image_column="PATH", score_column="iou", label_column="kind")
    columns = (table.image, table.score, table.label)
    assert [c.tolist() for c in columns if c is not None] == [["a"], [0.5], ["x"]]
    assert not table.notes
    fault = fault_of(lambda: read_boxes(path, score_column="prob"))
    assert "no column prob for --score-column: there are path, image, x1" in fault


def test_a_missing_column_is_reported_with_the_columns_that_exist() -> None:
    table = csv_table("x1,y1,x2,y2,iou,kind\n1,2,3,4,0.5,x\n")
    columns = "it has x1, y1, x2, y2, iou, kind"
    assert f"no score, which --min-score needs: {columns}" in fault_of(
        lambda: table.select(min_score=0)
    )
    assert f"no label, which --label needs: {columns}" in fault_of(
        lambda: table.select(labels=["x"])
    )
    assert "among a, b, c: name the columns in their order, as in --columns" in fault_of(
        lambda: csv_table("a,b,c\n1,2,3\n")
    )


# --- --columns ---------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", "\t", ";", " ", "   "])
def test_columns_are_named_where_there_is_no_header(write: Write, delimiter: str) -> None:
    text = "".join(delimiter.join([f"{k}.jpg", "1", "2", "3", "4", "9"]) + "\n" for k in range(2))
    table = read_boxes(write("boxes.txt", text), columns=["image", "x1", "y1", "x2", "y2", "_"])
    assert table.coords.tolist() == [[1, 2, 3, 4]] * 2
    assert table.image is not None
    assert table.image.tolist() == ["0.jpg", "1.jpg"]
    assert table.where(0).endswith("line 1")


def test_a_wrong_header_is_skipped_and_its_columns_are_renamed(write: Write) -> None:
    path = write("boxes.csv", "a,b,c,d\n1,2,3,4\n")
    table = read_boxes(path, columns=["y1", "x1", "y2", "x2"])
    assert table.xyxy().tolist() == [[2, 1, 4, 3]]
    path = write("lies.csv", "x1,y1,x2,y2\n1,2,3,4\n")
    assert read_boxes(path, columns=["x", "y", "w", "h"]).xyxy().tolist() == [[1, 2, 4, 6]]
    path = write("pandas.csv", ",0,1,2,3\n0,5,6,7,8\n")  # an array, as pandas writes it
    table = read_boxes(path, columns=["_", "x1", "y1", "x2", "y2"])
    assert table.coords.tolist() == [[5, 6, 7, 8]]


def test_columns_that_do_not_fit_the_file_are_refused(write: Write) -> None:
    path = write("boxes.csv", "1,2,3,4,5\n")
    fault = fault_of(lambda: read_boxes(path, columns=["x1", "y1", "x2", "y2"]))
    assert fault.endswith(
        "has 5 fields, but --columns names 4: name every field, with _ for those to skip"
    )
    fault = fault_of(lambda: read_boxes(path, columns=["a", "b", "c", "d", "e"]))
    assert fault.startswith("--columns: no four coordinates among a, b, c, d, e")


def test_columns_name_the_numbers_of_lists_too(write: Write) -> None:
    path = write("boxes.json", [[1, 5, 6, 7, 8, 0.5], [0, 1, 2, 3, 4, 0.25]])
    table = read_boxes(path, columns=["image_index", "x1", "y1", "x2", "y2", "score"])
    assert table.coords.tolist() == [[5, 6, 7, 8], [1, 2, 3, 4]]
    assert [c.tolist() for c in (table.image, table.score) if c is not None] == [
        [1, 0],
        [0.5, 0.25],
    ]


# --- five numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "images", "taken"),
    [
        ([[0, 1, 2, 3, 4], [1, 5, 6, 7, 8]], 2, "image"),
        ([[0, 1, 2, 3, 4], [1, 5, 6, 7, 8]], None, "image"),
        ([[10.5, 1, 20, 3, 0.5]], 2, "score"),
        ([[64, 1, 80, 3, 0.5]], 2, "score"),
        ([[64, 1, 80, 3, 1]], None, "score"),
        ([[1, 1, 2, 3, 0.5]], 2, None),
        ([[64, 1, 80, 3, 7]], 2, None),
        ([[10.5, 1, 20, 3, 7]], 2, None),
    ],
)
def test_five_numbers_are_an_index_first_or_a_score_last_or_an_error(
    write: Write, rows: list[list[float]], images: int | None, taken: str | None
) -> None:
    path = write("boxes.json", rows)
    if taken is None:
        assert "--columns image_index,x1,y1,x2,y2 or" in fault_of(
            lambda: read_boxes(path, count=images)
        )
        return
    table = read_boxes(path, count=images)
    assert (table.image is not None, table.score is not None) == (
        taken == "image",
        taken == "score",
    )
    first = 1 if taken == "image" else 0
    assert table.coords.tolist() == [row[first : first + 4] for row in rows]


def test_a_fifth_number_under_a_key_is_the_score_if_an_option_gives_the_format(
    write: Write,
) -> None:
    path = write("boxes.json", [{"image_id": 1, "bbox": [1, 2, 3, 4, 0.5]}])
    table = read_boxes(path, box_format="xyxy")
    assert table.xyxy().tolist() == [[1, 2, 3, 4]]
    assert table.score is not None
    assert table.score.tolist() == [0.5]
