"""Versions of installed packages, each read once: what a package says of itself is a file of hundreds of lines."""

from __future__ import annotations

from functools import cache
from importlib import metadata


@cache
def version_of(package: str) -> str:
    """
    Raises:
        importlib.metadata.PackageNotFoundError: it is not installed.
    """
    return metadata.version(package)
