"""Files of boxes for tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.boxes.reading import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes text, bytes or a JSON value to a file of that name."""

    def write_file(name: str, content: object) -> Path:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            text = content if isinstance(content, str) else json.dumps(content)
            path.write_bytes(text.encode())
        return path

    return write_file
