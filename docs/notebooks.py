"""Running the notebook: its code cells in order in one namespace, with what each prints and shows.

Jupyter is not needed: a cell's outputs are what it prints, and the value of its last expression,
as text and, for a picture, as PNG.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from PIL import Image

Notebook = dict[str, Any]
Alike = Callable[[bytes, bytes], bool]

_ADDRESS: Final = re.compile(r" at 0x[0-9A-Fa-f]+")


def read(path: Path) -> Notebook:
    """The notebook in a file."""
    notebook: Notebook = json.loads(path.read_text("utf-8"))
    return notebook


def text_of(notebook: Notebook) -> str:
    """The notebook as its file has it."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def run(notebook: Notebook, alike: Alike) -> Notebook:
    """The notebook with the outputs that its code cells give.

    alike: whether a picture looks like the one that is there, which then stays.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    cells, count = [], 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            count += 1
            outputs = _outputs("".join(cell["source"]), namespace, count)
            _keep_pictures(cell["outputs"], outputs, alike)
            cell = {**cell, "execution_count": count, "outputs": outputs}
        cells.append(cell)
    return {**notebook, "cells": cells}


def _outputs(source: str, namespace: dict[str, Any], count: int) -> list[dict[str, Any]]:
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, f"cell {count}", "exec"), namespace)
        if isinstance(last, ast.Expr):
            expression = compile(ast.Expression(last.value), f"cell {count}", "eval")
            value = eval(expression, namespace)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        stream = {"name": "stdout", "output_type": "stream", "text": _lines(printed.getvalue())}
        outputs.append(stream)
    if value is not None:
        data: dict[str, Any] = {"text/plain": _lines(_ADDRESS.sub("", repr(value)))}
        if isinstance(value, Image.Image):
            data = {"image/png": _png(value), **data}
        outputs.append(
            {
                "data": data,
                "execution_count": count,
                "metadata": {},
                "output_type": "execute_result",
            }
        )
    return outputs


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _png(picture: Image.Image) -> str:
    """In 256 colours, as the pictures of documents are."""
    file = io.BytesIO()
    picture.quantize(256, kmeans=1).save(file, format="PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode() + "\n"


def _keep_pictures(old: list[dict[str, Any]], new: list[dict[str, Any]], alike: Alike) -> None:
    for before, now in zip(old, new, strict=False):
        one, other = (each.get("data", {}).get("image/png") for each in (before, now))
        if one and other and alike(base64.b64decode(one), base64.b64decode(other)):
            now["data"]["image/png"] = one
