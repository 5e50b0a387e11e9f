"""Words for yes and no."""

from __future__ import annotations

import pytest

from fedgraft.common.truth import truth


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("1", True), (" YES ", True), ("1.0", True), ("true", True), ("0", False), ("No", False), ("0.0", False)]
    + [(cell, None) for cell in ("", "2", "y", "nan", "unknown", "-1")],
)
def test_words(cell: str, expected: bool | None) -> None:
    assert truth(cell) is expected
