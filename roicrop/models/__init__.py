"""Exported models, read for their RoI operators: ONNX files and OpenVINO's model.xml.

    model.onnx, model.xml ──read_nodes──▶ RoiNode ──meaning──▶ the convention that computes the same

A model file is untrusted: its size is bounded, external data is never loaded, and nothing is run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from roicrop.models.files import find_node, is_model, program_of, read_nodes

if TYPE_CHECKING:
    from roicrop.models.node import Attribute, Meaning, RoiNode
else:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from roicrop.models import node

        return getattr(node, name)


__all__ = ["Attribute", "Meaning", "RoiNode", "find_node", "is_model", "program_of", "read_nodes"]
