"""Tests of what an extra brings: skipped where it is not installed, which no worker imports it to find out."""

from __future__ import annotations

from importlib.util import find_spec

import pytest


def needs(module: str, extra: str) -> pytest.MarkDecorator:
    """Skips tests where ``module`` of the extra ``extra`` is not installed."""
    return pytest.mark.skipif(find_spec(module) is None, reason=f"{module} is not installed (extra {extra})")
