"""The boundary between feature files and NumPy: files of feature maps in, one map at a time out.

    a path ──MapFile.choose──▶ the datasets that are meant ──FeatureSource──▶ map i

`datasets` chooses, `source` is what was chosen, `stored` knows the axes, numbers and attributes of
a dataset, and `oddities` what looks wrong in it. `roicrop.files` handles HDF5 itself.
"""

from __future__ import annotations

from roicrop.features import stored
from roicrop.features.datasets import Found, MapFile, patterns_of
from roicrop.features.oddities import odd_maps, odd_scale
from roicrop.features.source import FeatureSource, open_features
from roicrop.features.stored import LAYOUTS, Scale, StoredMap

__all__ = [
    "LAYOUTS",
    "FeatureSource",
    "Found",
    "MapFile",
    "Scale",
    "StoredMap",
    "odd_maps",
    "odd_scale",
    "open_features",
    "patterns_of",
    "stored",
]
