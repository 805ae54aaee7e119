"""The boundary between feature files and NumPy: files of feature maps in, one map at a time out.

    a path ──MapFile.choose──▶ the datasets that are meant ──FeatureSource──▶ map i

`source` answers for what was chosen, `datasets` chooses, `stored` knows the axes, numbers and
attributes of a dataset, `oddities` what is odd about it, and `origins` in which files its bytes
are. What is not of feature maps but of HDF5 is in `roicrop.files`.
"""

from __future__ import annotations

from roicrop.features.datasets import Found, MapFile, patterns_of
from roicrop.features.oddities import odd_maps, odd_scale
from roicrop.features.origins import Home, origins_of
from roicrop.features.source import FeatureSource, open_features, split_spec
from roicrop.features.stored import LAYOUTS, Scale, StoredMap

__all__ = [
    "LAYOUTS",
    "FeatureSource",
    "Found",
    "Home",
    "MapFile",
    "Scale",
    "StoredMap",
    "odd_maps",
    "odd_scale",
    "open_features",
    "origins_of",
    "patterns_of",
    "split_spec",
]
