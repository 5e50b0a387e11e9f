"""What sites found with a published model on all their cases, as a table by site, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fedgraft.common.calibration.in_groups import Grouped, grouped_by
from fedgraft.common.decisions import decisions
from fedgraft.common.decisions.figures import summed
from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.common.tasks.areas import area_of, too_few
from fedgraft.server.deployment.public.evaluations import Kept
from fedgraft.server.evidence.decision_figures import at_or_exact, calls_of

_TRAINED = "trained it: no external validation"
_FEW = "too few cases of a side to say anything"
_BLURRED, _MARKED = "scores in too few groups to rank cases", "a little too low: scores in groups of {} cases"
_NOT_GIVEN = "not given"


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
    grouped = grouped_by(task, {one.site: one.found.grouped for one in kept})
    outside = {one.site: one.found.evaluation for one in kept if not one.found.trained}
    for one in kept:
        told = {one.site: one.found.evaluation}
        note = ", ".join(_notes(one, grouped))
        rows.append((one.site, *_cells(task, told, known, grouped), one.received[:10], note))
    if len(outside) > 1:
        note = f"the {len(outside)} sites that did not train it"
        note += f", {_BLURRED}" * (not grouped.ranks(outside))
        rows.append(("together", *_cells(task, outside, known, grouped), "", note))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _notes(one: Kept, grouped: Grouped) -> Iterator[str]:
    if one.found.trained:
        yield _TRAINED
    elif too_few(one.found.evaluation):
        yield _FEW
    if grouped.is_blurred(one.site, one.found.evaluation):
        yield _BLURRED
    elif grouped.least(one.site):
        yield _MARKED.format(grouped.least(one.site))


def _cells(
    task: AnyTask, told: Mapping[str, Evaluation], known: Sequence[tuple[int, str, float]], grouped: Grouped
) -> Iterator[str]:
    whole, ranked = task.merge(list(told.values())), grouped.ranks(told)
    yield f"{whole.cases:,}"
    yield _headline(task, whole) if ranked else _NOT_GIVEN
    for place, _, limit in known:
        at = [at_or_exact(one, place, limit, grouped.least(site) > 0) for site, one in told.items()]
        if not ranked and any(limit != 0 or calls_of(told[site])[place] is None for site in grouped.too_few(told)):
            yield from (_NOT_GIVEN, _NOT_GIVEN)
            continue
        found = summed(at).figures()
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
