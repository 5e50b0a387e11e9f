"""``select=best``: choose the round whose model has the best figure on the sites' validation cases.

Test cases are not used. Round 0, the untrained model, can be the best. Figures are compared over the same cases: those
of the sites that sent validation figures in round 0. Rounds in which one of these sites did not are skipped, and sites
that joined later do not count, nor do those whose scores came in too few groups to rank cases
(`fedgraft.common.calibration.in_groups`): where all did, the last round's model is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from fedgraft.common.calibration.in_groups import grouped_by
from fedgraft.common.errors import PlanError, UndefinedFigureError
from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan

BySite = Mapping[str, Mapping[str, Evaluation]]


@dataclass(frozen=True)
class Candidate:
    """The model after round ``number``, and its headline figure over the pooled validation cases of ``sites``."""

    number: int
    figure: float
    shared: Mapping[str, Tensor]
    sites: frozenset[str]


def first(task: AnyTask, by_site: BySite, shared: Mapping[str, Tensor], grouped: Mapping[str, int]) -> Candidate | None:
    """The candidate of round 0, over all sites that sent an evaluation of validation cases; ``None`` if the scores of
    all of them came in too few groups.

    Whether a figure is defined depends only on the cases: if it is undefined in this round, it is in all.

    Args:
        grouped: by site, of how many cases or more scores are told together.

    Raises:
        UndefinedFigureError: no site sent one, or the figure is undefined.
    """
    told = {site: by_site[site]["val"] for site in sorted(_with_val(by_site))}
    sites = told.keys() - set(grouped_by(task, grouped).too_few(told))
    if told and not sites:
        return None
    figure = task.merge([told[site] for site in sorted(sites)]).figures()[task.headline] if sites else None
    if figure is None:
        raise UndefinedFigureError(
            "select=best: in the first round the sites told no defined figure on validation cases; give them some "
            "(data.val_fraction, or val in the manifests' split) of more than one class, or use select=last"
        )
    return Candidate(0, figure, shared, frozenset(sites))


def better(
    best: Candidate | None,
    number: int,
    task: AnyTask,
    by_site: BySite,
    shared: Mapping[str, Tensor],
    grouped: Mapping[str, int],
) -> Candidate | None:
    """The better of ``best`` and the model of round ``number``, over the same sites (higher figures are better).

    ``best`` stays if the figures are equal, or if one of its sites is missing from ``by_site``. In round 0 ``best`` is
    ``None``, and the result is `first`.
    """
    if best is None:
        return first(task, by_site, shared, grouped)
    if not best.sites <= _with_val(by_site):
        return best
    figure = task.merge([by_site[site]["val"] for site in sorted(best.sites)]).figures()[task.headline]
    return best if figure is None or figure <= best.figure else Candidate(number, figure, shared, best.sites)


def require_selectable(plan: Plan, model: Model) -> None:
    """Check, before the first round, that the plan's ``select`` is possible with this model.

    Raises:
        PlanError: ``select=best``, but an earlier round's model can't be restored, since part of it is at the sites.
    """
    if plan.select == "best" and model.is_trained_apart:
        raise PlanError(
            f"select=best can't go back to an earlier round: {len(model.names('local'))} tensor(s) stay at each site "
            "and are those of the last round; use select=last, or layers and a head that are shared"
        )


def _with_val(by_site: BySite) -> frozenset[str]:
    return frozenset(site for site, splits in by_site.items() if "val" in splits)
