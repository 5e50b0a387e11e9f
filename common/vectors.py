"""Whether what a plan keeps of a case is a vector between two of which new cases can be made."""

from __future__ import annotations

from collections.abc import Iterable

from fedgraft.common import parts
from fedgraft.common.errors import PlanError
from fedgraft.common.plan import Plan
from fedgraft.common.sampling import Sampler


def require_vectors(plan: Plan, shape: tuple[int, ...], codes: bool, allowed: Iterable[str]) -> None:
    """Refuse to make new cases of what can't be interpolated.

    Args:
        shape: of what is kept of a case, and trained on.
        codes: whether it holds codes of categorical columns.

    Raises:
        PlanError: says what to set.
    """
    sampling = plan.sampling
    if sampling.target is None:
        return
    sampler: Sampler = parts.build(sampling.target, "sampling", sampling.options, allowed)
    if not sampler.makes():
        return
    made = f"sampling._target_={sampling.target} makes new cases of vectors"
    if len(shape) > 1:
        raise PlanError(
            f"{made}, and this plan trains on {' x '.join(map(str, shape))} numbers of each case; set "
            "backbone.freeze=all with a head only, so that features are kept (and engine.keep=true), or sampling=over"
        )
    if codes:
        raise PlanError(
            f"{made}, and between two codes of a categorical column there is nothing; use backbone=identity, whose "
            "features are numbers, or sampling=over"
        )
    if plan.alignment.column is not None:
        raise PlanError(f"{made}, which no scanner took: set alignment.column=null, or sampling=over")
