"""A site's store of what was computed: one kind of rows for each backbone, cut, input and precision."""

from __future__ import annotations

from pathlib import Path

from fedgraft.client.kept import Kept, KeptInMemory, KeptOnDisk


class Store:
    """Opens each kind once, so that all who ask share its rows.

    Args:
        folder: where kinds are kept; ``None`` holds them in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._kinds: dict[tuple[str, str], Kept] = {}

    def kind(self, namespace: str, shape: tuple[int, ...], dtype: str) -> Kept:
        """The rows that ``namespace`` (hexadecimal) names; ``dtype`` is numpy's name of it."""
        key = (namespace, dtype)
        if key not in self._kinds:
            self._kinds[key] = (
                KeptInMemory(shape, dtype)
                if self._folder is None
                else KeptOnDisk(self._folder / f"{namespace[:32]}-{dtype}", shape, dtype)
            )
        return self._kinds[key]
