"""Which round's model is the final one: with ``select=best`` that with the best figure on the sites' validation cases.

Test cases have no part in it. Round 0, the model before any training, can be the best. Figures are compared over the
same cases: those of the sites that told of their validation cases in round 0. A round in which one of these did not is
passed over, and sites that came later have no say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from fedgraft.common.errors import PlanError, UndefinedFigureError
from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan

BySite = Mapping[str, Mapping[str, Evaluation]]


@dataclass(frozen=True)
class Candidate:
    """The model after round ``number``, and its headline figure over the validation cases of ``sites``, merged."""

    number: int
    figure: float
    shared: Mapping[str, Tensor]
    sites: frozenset[str]


def first(task: AnyTask, by_site: BySite, shared: Mapping[str, Tensor]) -> Candidate:
    """Round 0, by all sites that told of their validation cases.

    Whether a figure is defined depends on the cases only: if it is not in this round, it is in none.

    Raises:
        UndefinedFigureError: no site told of any, or the figure is undefined over them.
    """
    sites = _telling(by_site)
    figure = task.merge([by_site[site]["val"] for site in sorted(sites)]).figures()[task.headline] if sites else None
    if figure is None:
        raise UndefinedFigureError(
            "select=best: in the first round the sites told no defined figure on validation cases; give them some "
            "(data.val_fraction, or val in the manifests' split) of more than one class, or use select=last"
        )
    return Candidate(0, figure, shared, sites)


def better(
    best: Candidate | None, number: int, task: AnyTask, by_site: BySite, shared: Mapping[str, Tensor]
) -> Candidate:
    """The better of two candidates, over the same sites; among equals, and if one of these sites is missing from
    ``by_site``, the one that was there before.

    Every task's headline figure is better the higher it is. Of round 0 (``best`` is ``None``) it is `first`.
    """
    if best is None:
        return first(task, by_site, shared)
    if not best.sites <= _telling(by_site):
        return best
    figure = task.merge([by_site[site]["val"] for site in sorted(best.sites)]).figures()[task.headline]
    return best if figure is None or figure <= best.figure else Candidate(number, figure, shared, best.sites)


def require_selectable(plan: Plan, model: Model) -> None:
    """Before the first round.

    Raises:
        PlanError: an earlier round's model could not be had back: part of it is at the sites, and of the last round.
    """
    if plan.select == "best" and model.needs_its_site:
        raise PlanError(
            f"select=best can't go back to an earlier round: {len(model.names('local'))} tensor(s) stay at each site "
            "and are those of the last round; use select=last, or layers and a head that are shared"
        )


def _telling(by_site: BySite) -> frozenset[str]:
    return frozenset(site for site, splits in by_site.items() if "val" in splits)
