"""Without the extra."""

from __future__ import annotations

import sys

import pytest

from fedgraft.client.deidentification.finding import Finder
from fedgraft.common.errors import DataError


def test_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    with pytest.raises(DataError, match=r"presidio-analyzer is not installed: pip install 'fedgraft\[deidentify\]'"):
        Finder()
