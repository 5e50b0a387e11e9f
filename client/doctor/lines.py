"""Which line of the manifest a case comes from, where a line may be several cases: slices of a series, frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fedgraft.client.manifest import Case


def lines_of_cases(listed: Sequence[Case], expanded: Sequence[Case]) -> tuple[int, ...]:
    """One line for each expanded case; the header is line 1.

    Args:
        listed: the manifest's cases, one a line.
        expanded: what `fedgraft.client.inputs.Inputs.expanded` made of them: in their order, each at least one.
    """
    lines, at, last = [], -1, -1
    for case in expanded:
        row = -1 if case.row is None else case.row
        if at < 0 or row <= last or not _is_of(case, listed[at]):
            at, last = at + 1, -1
        if not _is_of(case, listed[at]):
            raise ValueError("the expanded cases are not those of the manifest, in its order")
        last = row
        lines.append(at + 2)
    return tuple(lines)


def _is_of(case: Case, line: Case) -> bool:
    return case == line or (line.row is None and replace(case, row=None) == line)
