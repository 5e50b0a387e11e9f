"""What sites found with a published model on all their cases, as a table by site, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fedgraft.common.decisions import decisions
from fedgraft.common.decisions.figures import at_threshold, summed
from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.common.tasks.areas import area_of, too_few
from fedgraft.server.deployment.public.evaluations import Kept

_TRAINED = "trained it: no external validation"
_FEW = "too few cases of a side to say anything"


def external_table(task: AnyTask, kept: Sequence[Kept], decided: str | None) -> Iterator[str]:
    """The lines of the table; a line for all external sites together if there are two or more.

    Args:
        kept: of one site or more.
        decided: the model's ``decisions.json``, at whose thresholds for all sites sensitivity and specificity are;
            ``None`` if it has none.
    """
    thresholds = () if decided is None else decisions.from_json(decided).pooled.thresholds
    known = [
        (place, name, limit)
        for place, (name, limit) in enumerate(zip(task.scored, thresholds, strict=False))
        if limit is not None
    ]
    heads = [task.columns[task.headline], *(f"{what} {name}" for _, name, _ in known for what in ("sens.", "spec."))]
    rows = [("site", "cases", *heads, "received", "")]
    outside = [one for one in kept if not one.found.trained]
    for one in kept:
        note = _TRAINED if one.found.trained else _FEW if too_few(one.found.evaluation) else ""
        rows.append((one.site, *_cells(task, [one.found.evaluation], known), one.received[:10], note))
    if len(outside) > 1:
        together = [one.found.evaluation for one in outside]
        rows.append(("together", *_cells(task, together, known), "", f"the {len(outside)} sites that did not train it"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cells(task: AnyTask, parts: Sequence[Evaluation], known: Sequence[tuple[int, str, float]]) -> Iterator[str]:
    whole = task.merge(list(parts))
    yield f"{whole.cases:,}"
    yield _headline(task, whole)
    for place, _, limit in known:
        found = summed([at_threshold(part.score_counts()[place], limit) for part in parts]).figures()
        yield from (_with_interval(found[what]) for what in ("sensitivity", "specificity"))


def _headline(task: AnyTask, whole: Evaluation) -> str:
    value, sure = whole.figures()[task.headline], area_of(whole)
    if value is None:
        return "undefined"
    if task.headline != "auroc" or sure is None:
        return f"{value:.3f}"
    low, high = sure.interval
    return f"{sure.value:.3f} [{low:.3f}, {high:.3f}]"


def _with_interval(figure: dict[str, Any] | None) -> str:
    return "undefined" if figure is None else f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"
