"""The boundary between feature files and NumPy: files of feature maps in, one map at a time out.

`source` answers for a file that has been opened, `datasets` knows which datasets can be feature
maps and what their attributes say, and `hdf5` knows how to talk to h5py.
"""

from __future__ import annotations

from roicrop.features import hdf5
from roicrop.features.datasets import Candidate, Scale, StoredMap, impossible_in
from roicrop.features.source import FeatureSource, candidates, open_features, split_spec
from roicrop.features.windows import Windows

__all__ = [
    "Candidate",
    "FeatureSource",
    "Scale",
    "StoredMap",
    "Windows",
    "candidates",
    "hdf5",
    "impossible_in",
    "open_features",
    "split_spec",
]
