"""Which round's model is the final one: with ``select=best`` that with the best figure on the sites' validation cases.

Test cases have no part in it. Round 0, the model before any training, can be the best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from fedgraft.common.errors import PlanError, RoundError
from fedgraft.common.metrics import Scalar
from fedgraft.common.model import Model
from fedgraft.common.plan import Plan


@dataclass(frozen=True)
class Candidate:
    """The model after round ``number``, and its headline figure over the sites' validation cases, merged."""

    number: int
    figure: float
    shared: Mapping[str, Tensor]


def better(best: Candidate | None, number: int, figure: Scalar, shared: Mapping[str, Tensor]) -> Candidate | None:
    """The better of two candidates; among equals, and if ``figure`` is undefined, the one that was there before.

    Every task's headline figure is better the higher it is.
    """
    if figure is None or (best is not None and figure <= best.figure):
        return best
    return Candidate(number, figure, shared)


def require_candidate(best: Candidate | None) -> Candidate:
    """``best``.

    Raises:
        RoundError: no round had a figure.
    """
    if best is None:
        raise RoundError(
            "select=best: in no round did the sites tell a defined figure on validation cases; give them some "
            "(data.val_fraction, or val in the manifests' split) of more than one class, or use select=last"
        )
    return best


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
