"""Read JSON lines of figures, and flatten them to the rows of a frame."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fedgraft.common.runtime.chained import content_of

Line = dict[str, Any]


def read_lines(path: Path) -> list[Line]:
    """The lines of a JSON-lines file, without their places in a chain; empty if there is no such file."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return [content_of(json.loads(line)) for line in text.splitlines()]


def flat(line: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Flatten nested mappings: ``{"a": 1, "b": {"c": 2}}`` -> ``("a", 1)``, ``("b_c", 2)``."""
    for name, value in line.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{before}{name}_")
        else:
            yield f"{before}{name}", value


def round_lines(lines: list[Line]) -> list[Line]:
    """Each line of ``rounds.jsonl`` flattened (``round``, ``train_loss``, ``val_auroc``), without single sites."""
    return [dict(flat({name: _figures(value) for name, value in line.items() if name != "sites"})) for line in lines]


def site_lines(lines: list[Line]) -> list[Line]:
    """One line with figures for each round, site and split."""
    return [
        {"round": line["round"], "site": site, "split": split, **_figures(figures)}
        for line in lines
        for site, splits in line["sites"].items()
        for split, figures in splits.items()
    ]


def _figures(value: Any) -> Any:
    """A value of ``rounds.jsonl``; a mapping of figures loses those of single findings."""
    if not isinstance(value, Mapping):
        return value
    return {name: figure for name, figure in value.items() if name not in ("findings", "undefined")}
