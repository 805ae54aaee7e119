"""Every input that once failed holds what must hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.judge import judge
from tests.fuzz.kept import kept

CORPUS = Path(__file__).with_name("corpus")
NAMES = sorted(folder.name for folder in CORPUS.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_an_input_that_once_failed_does_no_more(name: str) -> None:
    ((_, case),) = kept(CORPUS, name)
    verdict = judge(case)
    assert verdict.fine, f"{verdict.failure}\n{verdict.output}"
