"""Exported models, read for their RoI operators: ONNX files and OpenVINO's model.xml.

    model.onnx, model.xml ──read_nodes──▶ RoiNode ──meaning──▶ the convention that computes the same

A model file is untrusted: its size is bounded, external data is never loaded, and nothing is run.
"""

from __future__ import annotations

from roicrop.models.files import find_node, is_model, program_of, read_nodes
from roicrop.models.node import Attribute, Meaning, RoiNode

__all__ = ["Attribute", "Meaning", "RoiNode", "find_node", "is_model", "program_of", "read_nodes"]
