"""What programs write: a row for each, with what roicrop takes it for.

A row says where, in a document of that program, records of boxes lie and how to read one; names of
columns and keys that mean the same everywhere are in `names`. The first row whose marks a JSON
document has is taken. Each example is one box, x 64 to 384 and y 32 to 256, of `a.jpg` where it
names an image: the tests read it, and docs/files.md shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from roicrop.boxes.names import plain

Entries = list[tuple["str | None", Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Producer:
    """One program's files.

    name: as summaries and documents say it.
    file: a name for such a file; its suffix says which reader it goes to.
    example: what the program writes.
    taken_for: how it is read, for the documents. options: what the command line has to say.
    columns: of a file without a header; kinds: what its cells are, t(ext), n(umber), f(raction).
    under: the key of the document under which its images lie.
    marks: keys, as names are compared, that an image's entry has; record_marks: that a record has.
    records: the key of an image's records; the first that is there.
    arrays: whether boxes, scores and labels are lists side by side instead.
    points: the key of a record that holds two corners, in any order.
    centre: whether a record's x and y are the box's centre.
    shape: (key, value) that a record has if it is a box.
    """

    name: str
    file: str
    example: str
    taken_for: str
    options: str = ""
    columns: str = ""
    kinds: str = ""
    under: str | None = None
    marks: frozenset[str] = frozenset()
    record_marks: frozenset[str] = frozenset()
    records: tuple[str, ...] = ()
    arrays: bool = False
    points: str | None = None
    centre: bool = False
    shape: tuple[str, str] | None = None

    def entries(self, document: Any) -> Entries | None:
        """(name, entry) for each image of a JSON document; None if another program wrote it."""
        if not self.records:
            return None
        if self.under is not None:
            document = document.get(self.under) if isinstance(document, dict) else None
        if isinstance(document, dict) and self._is_marked(document):
            entries: Entries = [(None, document)]
        elif isinstance(document, list):
            entries = [(None, entry) for entry in document]
        elif isinstance(document, dict):
            entries = list(document.items())
        else:
            return None
        if not entries or not all(isinstance(e, dict) and self._is_marked(e) for _, e in entries):
            return None
        return entries if self._records_are_marked(entries) else None

    def records_of(self, entry: Mapping[str, Any]) -> tuple[str, Any]:
        """The key under which an entry's records lie, and what lies there."""
        key = next(key for key in self.records if key in entry)
        value = entry[key]
        return key, list(value.values()) if isinstance(value, dict) else value

    def _is_marked(self, entry: Mapping[str, Any]) -> bool:
        keys = set(map(plain, entry))
        return self.marks <= keys and any(key in entry for key in self.records)

    def _records_are_marked(self, entries: Entries) -> bool:
        if not self.record_marks:
            return True
        for _, entry in entries:
            _, records = self.records_of(entry)
            if isinstance(records, list) and records:
                first = records[0]
                return isinstance(first, dict) and self.record_marks <= set(map(plain, first))
        return False


_BOX: Final = "x1,y1,x2,y2"
_COCO_IMAGES: Final = '"images": [{"id": 7, "file_name": "a.jpg", "width": 768, "height": 512}]'

PRODUCERS: Final[Sequence[Producer]] = (
    Producer(
        name="a spreadsheet, pandas",
        file="boxes.csv",
        example="image,x1,y1,x2,y2,score,label\na.jpg,64,32,384,256,0.9,car",
        taken_for="columns by their names; commas, tabs, semicolons or spaces between",
    ),
    Producer(
        name="TensorFlow's CSV",
        file="tf.csv",
        example="filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,768,512,car,64,32,384,256",
        taken_for="corners; width and height are the image's",
    ),
    Producer(
        name="Open Images",
        file="openimages.csv",
        example="ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax\n"
        "a,xclick,/m/01,1,0.08333333333333333,0.5,0.0625,0.5",
        taken_for="corners as fractions of the image",
        options="--normalized",
    ),
    Producer(
        name="makesense",
        file="makesense.csv",
        example="label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,"
        "image_height\ncar,64,32,320,224,a.jpg,768,512",
        taken_for="x, y, width, height",
    ),
    Producer(
        name="makesense, older",
        file="makesense-old.csv",
        example="car,64,32,320,224,a.jpg,768,512",
        taken_for="no header: the columns have to be named",
        columns="label,x,y,w,h,image,_,_",
        kinds="tnnnntnn",
    ),
    Producer(
        name="keras-retinanet",
        file="retinanet.csv",
        example="photos/a.jpg,64,32,384,256,car\nphotos/b.jpg,,,,,",
        taken_for="no header: the columns have to be named; a row without a box is left out",
        columns="image,x1,y1,x2,y2,label",
        kinds="tnnnnt",
    ),
    Producer(
        name="YOLO",
        file="a.txt",
        example="0 0.2916666666666667 0.28125 0.4166666666666667 0.4375",
        taken_for="centre and size as fractions, one image a file",
        columns="label,cx,cy,w,h",
        kinds="nffff",
        options="--normalized",
    ),
    Producer(
        name="YOLO, predicted",
        file="predicted.txt",
        example="0 0.2916666666666667 0.28125 0.4166666666666667 0.4375 0.9",
        taken_for="the same with a score",
        columns="label,cx,cy,w,h,score",
        kinds="nfffff",
        options="--normalized",
    ),
    Producer(
        name="MOT",
        file="mot.txt",
        example="1,-1,64,32,320,224,0.9,-1,-1,-1",
        taken_for="x, y, width, height; frames count from 1, so on a batch they are no indices",
        columns="frame,_,x,y,w,h,score,_,_,_",
        kinds="nnnnnnnnnn",
        options="--on-image 0",
    ),
    Producer(
        name="VIA, CSV",
        file="via.csv",
        example="filename,file_size,region_id,region_shape_attributes,region_attributes\n"
        'a.jpg,1000,0,"{""name"":""rect"",""x"":64,""y"":32,""width"":320,""height"":224}",'
        '"{""label"":""car""}"',
        taken_for="x, y, width, height in a cell; only rectangles",
        shape=("shape_attributes.name", "rect"),
    ),
    Producer(
        name="VIA",
        file="via.json",
        example='{"a.jpg1000": {"filename": "a.jpg", "size": 1000, "regions": '
        '[{"shape_attributes": {"name": "rect", "x": 64, "y": 32, "width": 320, "height": 224}, '
        '"region_attributes": {"label": "car"}}]}}',
        taken_for="x, y, width, height of rectangles; regions a list (2) or an object (1)",
        marks=frozenset({"regions", "filename"}),
        records=("regions",),
        shape=("shape_attributes.name", "rect"),
    ),
    Producer(
        name="VIA, project",
        file="via-project.json",
        example='{"_via_settings": {}, "_via_img_metadata": {"a.jpg1000": {"filename": "a.jpg", '
        '"regions": {"0": {"shape_attributes": {"name": "rect", "x": 64, "y": 32, '
        '"width": 320, "height": 224}, "region_attributes": {"class": "car"}}}}}}',
        taken_for="the same",
        under="_via_img_metadata",
        marks=frozenset({"regions", "filename"}),
        records=("regions",),
        shape=("shape_attributes.name", "rect"),
    ),
    Producer(
        name="labelme",
        file="labelme.json",
        example='{"version": "5.0.1", "shapes": [{"label": "car", "points": [[384, 32], [64, 256]],'
        ' "shape_type": "rectangle"}], "imagePath": "a.jpg", "imageHeight": 512, '
        '"imageWidth": 768}',
        taken_for="two corners, in any order; only rectangles",
        marks=frozenset({"shapes", "imagepath"}),
        records=("shapes",),
        points="points",
        shape=("shape_type", "rectangle"),
    ),
    Producer(
        name="CreateML",
        file="createml.json",
        example='[{"image": "a.jpg", "annotations": [{"label": "car", "coordinates": '
        '{"x": 224, "y": 144, "width": 320, "height": 224}}]}]',
        taken_for="x and y are the centre",
        marks=frozenset({"annotations"}),
        records=("annotations",),
        record_marks=frozenset({"coordinates"}),
        centre=True,
    ),
    Producer(
        name="Roboflow",
        file="roboflow.json",
        example='{"predictions": [{"x": 224, "y": 144, "width": 320, "height": 224, '
        '"confidence": 0.9, "class": "car"}], "image": {"width": 768, "height": 512}}',
        taken_for="x and y are the centre",
        marks=frozenset({"predictions"}),
        records=("predictions",),
        record_marks=frozenset({"x", "y", "width", "height", "confidence", "class"}),
        centre=True,
    ),
    Producer(
        name="coco instances",
        file="instances.json",
        example="{" + _COCO_IMAGES + ', "annotations": [{"id": 1, "image_id": 7, '
        '"category_id": 1, "bbox": [64, 32, 320, 224]}], '
        '"categories": [{"id": 1, "name": "car"}]}',
        taken_for="x, y, width, height; image_id goes through images",
        marks=frozenset({"annotations", "images"}),
        records=("annotations",),
    ),
    Producer(
        name="LVIS",
        file="lvis.json",
        example='{"images": [{"id": 7, "coco_url": "http://images/val2017/a.jpg"}], '
        '"annotations": [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [64, 32, 320, 224]}]}',
        taken_for="the same; the image's name is the last part of coco_url",
    ),
    Producer(
        name="coco results",
        file="results.json",
        example='[{"image_id": 7, "category_id": 1, "bbox": [64, 32, 320, 224], "score": 0.9}]',
        taken_for="x, y, width, height; on a batch it takes the file with the images",
        options="--images instances.json",
    ),
    Producer(
        name="torchvision",
        file="torchvision.json",
        example='[{"boxes": [[64, 32, 384, 256]], "labels": [3], "scores": [0.9]}]',
        taken_for='corners; a list goes by position, an object by names: `{"a.jpg": {"boxes": …}}`',
        records=("boxes",),
        arrays=True,
    ),
    Producer(
        name="mmdetection's results",
        file="by-class.json",
        example="[[[], [[64, 32, 384, 256, 0.9]]]]",
        taken_for="a list of images of classes of x1, y1, x2, y2, score; or of one image",
    ),
    Producer(
        name="detectron2",
        file="dicts.json",
        example='[{"file_name": "photos/a.jpg", "image_id": 7, "height": 512, "width": 768, '
        '"annotations": [{"bbox": [64, 32, 384, 256], "bbox_mode": 0, "category_id": 0}]}]',
        taken_for="dataset dicts, and records under predictions or instances; bbox_mode is heeded",
        records=("annotations", "predictions", "instances"),
    ),
    Producer(
        name="ultralytics",
        file="ultralytics.json",
        example='[{"name": "car", "class": 2, "confidence": 0.9, '
        '"box": {"x1": 64, "y1": 32, "x2": 384, "y2": 256}}]',
        taken_for="records; an object of coordinates is read as a header of these names",
    ),
    Producer(
        name="darkflow",
        file="darkflow.json",
        example='[{"label": "car", "confidence": 0.9, "topleft": {"x": 64, "y": 32}, '
        '"bottomright": {"x": 384, "y": 256}}]',
        taken_for="corners",
    ),
)
