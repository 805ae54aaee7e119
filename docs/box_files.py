"""Files of boxes as programs write them: how each is read, and the options that it needs.

Each example is one box, x 64 to 384 and y 32 to 256, of the image `a.jpg` where it names one, which
is 768 × 512 pixels where coordinates are fractions. The tests read every one, and docs/files.md
shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class BoxFile:
    """A program, a name for its file, an example, how it is read, and options it needs."""

    program: str
    file: str
    example: str
    taken_for: str
    options: str = ""


BOX_FILES: Final = (
    BoxFile(
        "pandas, a spreadsheet",
        "boxes.csv",
        "image,x1,y1,x2,y2,score,label\na.jpg,64,32,384,256,0.9,car",
        "columns by name; between them commas, tabs, semicolons or spaces",
    ),
    BoxFile(
        "TensorFlow's tutorials",
        "tf.csv",
        "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,768,512,car,64,32,384,256",
        "corners; width and height are the image's",
    ),
    BoxFile(
        "Open Images",
        "openimages.csv",
        "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax\n"
        "a,xclick,/m/01,1,0.08333333333333333,0.5,0.0625,0.5",
        "corners as fractions of the image",
        "--normalized",
    ),
    BoxFile(
        "Kaggle, global wheat",
        "wheat.csv",
        'image_id,width,height,bbox,source\na,768,512,"[64.0, 32.0, 320.0, 224.0]",usask_1',
        "x, y, width, height in one cell",
    ),
    BoxFile(
        "makesense",
        "makesense.csv",
        "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height\n"
        "car,64,32,320,224,a.jpg,768,512",
        "x, y, width, height",
    ),
    BoxFile(
        "makesense, without a header",
        "makesense-old.csv",
        "car,64,32,320,224,a.jpg,768,512",
        "what `--columns` says",
        "--columns label,x,y,w,h,image,_,_",
    ),
    BoxFile(
        "keras-retinanet",
        "retinanet.csv",
        "photos/a.jpg,64,32,384,256,car\nphotos/b.jpg,,,,,",
        "what `--columns` says; an image without boxes is left out",
        "--columns image,x1,y1,x2,y2,label",
    ),
    BoxFile(
        "YOLO",
        "a.txt",
        "0 0.2916666666666667 0.28125 0.4166666666666667 0.4375",
        "centre and size as fractions; one file per image",
        "--columns label,cx,cy,w,h --normalized",
    ),
    BoxFile(
        "YOLO with confidences",
        "predicted.txt",
        "0 0.2916666666666667 0.28125 0.4166666666666667 0.4375 0.9",
        "the same, with a score",
        "--columns label,cx,cy,w,h,score --normalized",
    ),
    BoxFile(
        "MOT",
        "mot.txt",
        "1,-1,64,32,320,224,0.9,-1,-1,-1",
        "x, y, width, height; frames (and pixels) count from 1, so they are not indices",
        "--columns frame,_,x,y,w,h,score,_,_,_",
    ),
    BoxFile(
        "VisDrone",
        "visdrone.txt",
        "64,32,320,224,1,4,0,0",
        "x, y, width, height; one file per image",
        "--columns x,y,w,h,score,label,_,_",
    ),
    BoxFile(
        "KITTI",
        "kitti.txt",
        "Car 0.00 0 -1.58 64.00 32.00 384.00 256.00 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59",
        "corners in the image; one file per image; results end with a score",
        "--columns label,_,_,_,x1,y1,x2,y2,_,_,_,_,_,_,_",
    ),
    BoxFile(
        "VIA, CSV",
        "via.csv",
        "filename,file_size,region_id,region_shape_attributes,region_attributes\n"
        'a.jpg,1000,0,"{""name"":""rect"",""x"":64,""y"":32,""width"":320,""height"":224}",'
        '"{""label"":""car""}"',
        "x, y, width, height; only rectangles",
    ),
    BoxFile(
        "VIA 2",
        "via2.json",
        '{"a.jpg1000": {"filename": "a.jpg", "regions": [{"shape_attributes": {"name": "rect", '
        '"x": 64, "y": 32, "width": 320, "height": 224}, "region_attributes": {"label": "car"}}]}}',
        "the same; regions are a list",
    ),
    BoxFile(
        "VIA 1",
        "via1.json",
        '{"a.jpg1000": {"filename": "a.jpg", "regions": {"0": {"shape_attributes": '
        '{"name": "rect", "x": 64, "y": 32, "width": 320, "height": 224}}}}}',
        "the same; regions are an object",
    ),
    BoxFile(
        "VIA, project",
        "project.json",
        '{"_via_settings": {}, "_via_img_metadata": {"a.jpg1000": {"filename": "a.jpg", '
        '"regions": [{"shape_attributes": {"name": "rect", "x": 64, "y": 32, "width": 320, '
        '"height": 224}, "region_attributes": {}}]}}}',
        "the same",
    ),
    BoxFile(
        "labelme",
        "labelme.json",
        '{"shapes": [{"label": "car", "points": [[384, 32], [64, 256]], "shape_type": '
        '"rectangle"}], "imagePath": "a.jpg", "imageHeight": 512, "imageWidth": 768}',
        "two corners, in any order; only rectangles",
    ),
    BoxFile(
        "CreateML",
        "createml.json",
        '[{"image": "a.jpg", "annotations": [{"label": "car", "coordinates": '
        '{"x": 224, "y": 144, "width": 320, "height": 224}}]}]',
        "x and y are the centre",
    ),
    BoxFile(
        "Roboflow's predictions",
        "roboflow.json",
        '{"predictions": [{"x": 224, "y": 144, "width": 320, "height": 224, "confidence": 0.9, '
        '"class": "car"}], "image": {"width": 768, "height": 512}}',
        "x and y are the centre",
    ),
    BoxFile(
        "Azure Custom Vision",
        "azure.json",
        '{"predictions": [{"probability": 0.9, "tagName": "car", "boundingBox": {"left": '
        '0.08333333333333333, "top": 0.0625, "width": 0.4166666666666667, "height": 0.4375}}]}',
        "x, y, width, height as fractions of the image",
        "--normalized",
    ),
    BoxFile(
        "MegaDetector",
        "megadetector.json",
        '{"images": [{"file": "photos/a.jpg", "detections": [{"category": "1", "conf": 0.9, '
        '"bbox": [0.08333333333333333, 0.0625, 0.4166666666666667, 0.4375]}]}]}',
        "x, y, width, height as fractions of the image",
        "--normalized",
    ),
    BoxFile(
        "Darknet",
        "darknet.json",
        '[{"frame_id": 1, "filename": "data/a.jpg", "objects": [{"class_id": 2, "name": "car", '
        '"relative_coordinates": {"center_x": 0.2916666666666667, "center_y": 0.28125, "width": '
        '0.4166666666666667, "height": 0.4375}, "confidence": 0.9}]}]',
        "centre and size as fractions of the image",
        "--normalized",
    ),
    BoxFile(
        "BDD100K",
        "bdd100k.json",
        '[{"name": "a.jpg", "labels": [{"id": 0, "category": "car", "box2d": {"x1": 64, "y1": 32, '
        '"x2": 384, "y2": 256}}]}]',
        "corners",
    ),
    BoxFile(
        "Hugging Face datasets",
        "metadata.jsonl",
        '{"file_name": "a.jpg", "objects": {"bbox": [[64, 32, 320, 224]], "categories": [0]}}',
        "x, y, width, height, as COCO has them",
    ),
    BoxFile(
        "Supervisely",
        "supervisely.json",
        '{"size": {"height": 512, "width": 768}, "objects": [{"classTitle": "car", "geometryType": '
        '"rectangle", "points": {"exterior": [[384, 32], [64, 256]], "interior": []}}]}',
        "two corners, in any order; only rectangles; one file per image",
    ),
    BoxFile(
        "COCO instances",
        "instances.json",
        '{"images": [{"id": 7, "file_name": "a.jpg"}], "annotations": [{"id": 1, "image_id": 7, '
        '"category_id": 1, "bbox": [64, 32, 320, 224]}], "categories": [{"id": 1, "name": "car"}]}',
        "x, y, width, height; image_id goes through images, to a name or a position",
    ),
    BoxFile(
        "LVIS",
        "lvis.json",
        '{"images": [{"id": 7, "coco_url": "http://cocodataset/val2017/a.jpg"}], "annotations": '
        '[{"id": 1, "image_id": 7, "category_id": 1, "bbox": [64, 32, 320, 224]}]}',
        "the same; the image's name is the last part of coco_url",
    ),
    BoxFile(
        "COCO results",
        "results.json",
        '[{"image_id": 7, "category_id": 1, "bbox": [64, 32, 320, 224], "score": 0.9}]',
        "x, y, width, height; the ids are those of the file of instances",
        "--images instances.json",
    ),
    BoxFile(
        "torchvision",
        "torchvision.json",
        '{"a.jpg": {"boxes": [[64, 32, 384, 256]], "labels": [3], "scores": [0.9]}}',
        "corners; a list of such objects is read by position instead of by name",
    ),
    BoxFile(
        "mmdetection",
        "by-class.json",
        "[[], [[64, 32, 384, 256, 0.9]]]",
        "an image's results by class, corners and score; or a list of these for each image",
    ),
    BoxFile(
        "mmdetection 3, results",
        "preds.json",
        '{"labels": [0], "scores": [0.9], "bboxes": [[64, 32, 384, 256]]}',
        "corners",
    ),
    BoxFile(
        "mmdetection 3, data lists",
        "data-list.json",
        '{"data_list": [{"img_path": "a.jpg", "instances": [{"bbox": [64, 32, 384, 256], '
        '"bbox_label": 1}]}]}',
        "corners, although the key is bbox",
    ),
    BoxFile(
        "detectron2's dataset dicts",
        "dicts.json",
        '[{"file_name": "photos/a.jpg", "image_id": 7, "annotations": [{"bbox": '
        '[64, 32, 384, 256], "bbox_mode": 0, "category_id": 0}]}]',
        "what bbox_mode says: 0 corners, 1 x, y, width, height, 4 rotated; others are refused",
    ),
    BoxFile(
        "records by image",
        "predictions.jsonl",
        '{"image": "a.jpg", "predictions": [{"bbox": [64, 32, 320, 224], "score": 0.9}]}',
        "as if each box named the image; also with annotations, instances or objects",
    ),
    BoxFile(
        "ultralytics",
        "ultralytics.json",
        '[{"name": "car", "class": 2, "confidence": 0.9, "box": {"x1": 64, "y1": 32, "x2": 384, '
        '"y2": 256}}]',
        "keys of an object as names of columns",
    ),
    BoxFile(
        "darkflow",
        "darkflow.json",
        '[{"label": "car", "topleft": {"x": 64, "y": 32}, "bottomright": {"x": 384, "y": 256}}]',
        "corners",
    ),
    BoxFile(
        "a list",
        "list.json",
        "[[64, 32, 384, 256]]",
        "corners; a fifth number is an index first or a score last, whichever is possible",
    ),
)
