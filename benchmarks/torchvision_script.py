"""What one would write without roicrop: pool boxes from a CSV on feature maps from an HDF5 file.

    python benchmarks/torchvision_script.py features.h5 boxes.csv pooled.h5 [STRIDE]

The script that `end to end` compares roicrop with. torchvision takes the boxes of all images in one
call, which is also the fastest way to call it. It prints its seconds, without the imports.
"""

import sys
import time

import h5py
import numpy as np
import torch
from torchvision.ops import roi_align

start = time.perf_counter()
features_path, boxes_path, output_path = sys.argv[1:4]
stride = int(sys.argv[4]) if len(sys.argv) > 4 else 16

with h5py.File(features_path) as file:
    features = torch.from_numpy(file["features"][:]).float()
# Columns: image_index, x1, y1, x2, y2
boxes = torch.from_numpy(np.loadtxt(boxes_path, np.float32, delimiter=",", skiprows=1))

pooled = roi_align(features, boxes, (7, 7), spatial_scale=1 / stride, aligned=True)

with h5py.File(output_path, "w") as file:
    file["pooled"] = pooled.numpy()
    file["boxes"] = boxes.numpy()

print(time.perf_counter() - start)
