"""What files hold, what looks wrong in them, and whether they fit together.

    a file ──look_at──▶ FeatureFile, PooledFile, … ──────────┐
    features and boxes ──look_together──▶ Together ──────────┴─in_words──▶ lines

Files are read as the commands read them; of large feature maps, only a sample.
"""

from __future__ import annotations

from roicrop.inspection.boxes import BoxFile
from roicrop.inspection.files import Looked, Together, look_at, look_together
from roicrop.inspection.made import ModelFile, PooledFile
from roicrop.inspection.maps import FeatureFile
from roicrop.inspection.words import in_words

__all__ = [
    "BoxFile",
    "FeatureFile",
    "Looked",
    "ModelFile",
    "PooledFile",
    "Together",
    "in_words",
    "look_at",
    "look_together",
]
