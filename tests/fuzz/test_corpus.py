"""Every input that once failed now keeps all promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")
ROOT = Path(__file__).parents[2]


def test_what_once_failed_does_no_more() -> None:
    run = [sys.executable, "-m", "tests.fuzz", "--corpus", str(CORPUS)]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == f"{len(list(CORPUS.iterdir()))} inputs, 0 failed\n", done.stderr
    assert done.returncode == 0
