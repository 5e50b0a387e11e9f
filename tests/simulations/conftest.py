"""Where the real data sets lie, for the tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

Real = Callable[[str], Path]


@pytest.fixture
def real() -> Real:
    """``real("busi")``: the root of the real data sets, if it holds ``busi``; else the test is skipped."""

    def root_of(folder: str) -> Path:
        beside = Path(__file__).parents[3] / "shared" / "data"
        root = Path(os.environ.get("FEDGRAFT_DATA") or beside)
        if not (root / folder).is_dir():
            pytest.skip(f"no real data: set FEDGRAFT_DATA to a folder that holds {folder}/")
        return root

    return root_of
