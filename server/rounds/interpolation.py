"""Interpolate between the initial head and the trained one: WiSE-FT (Wortsman et al., "Robust fine-tuning of zero-shot
models", CVPR 2022, section 3), with the share that is best on the sites' validation cases."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from fedgraft.common.errors import RoundError, UndefinedFigureError
from fedgraft.common.interfaces.roles import HEAD
from fedgraft.common.interfaces.task import AnyTask, Evaluation, Scalar

Shared = dict[str, Tensor]
BySite = dict[str, dict[str, Evaluation]]
Key = TypeVar("Key")
_NOTHING = (
    "initial.interpolate: no site gave an evaluation of its validation cases (of at least its min_count) in which the "
    "headline figure is defined, so that nothing tells which share is best; use initial.interpolate=[]"
)


@dataclass(frozen=True)
class Choice:
    """The chosen shared tensors, and the validation figure of each share that was tried."""

    shared: Shared
    figures: dict[float, Scalar]


def interpolated(
    initial: Mapping[str, Tensor], final: Mapping[str, Tensor], share: float, names: Collection[str]
) -> Shared:
    """``(1 - share) * initial + share * final`` of the tensors in ``names``; the others are the final ones.

    A share of 1 gives the final tensors exactly.
    """
    return {
        name: tensor if name not in names or share == 1 else (1 - share) * initial[name] + share * tensor
        for name, tensor in final.items()
    }


def require_figure(shares: Sequence[float], by_site: BySite, task: AnyTask) -> None:
    """Check in the first round, not only after the last, that a share can be chosen.

    Raises:
        UndefinedFigureError: there are shares, but the headline figure is defined for no evaluation.
    """
    if shares and validation_figures({"": by_site}, task)[""] is None:
        raise UndefinedFigureError(_NOTHING)


def best_share(
    initial: Mapping[str, Tensor],
    final: Shared,
    shares: Sequence[float],
    task: AnyTask,
    evaluate: Callable[[Shared], BySite],
) -> Choice:
    """The interpolation with the largest headline figure on the sites' pooled validation cases; of equal ones the one
    with the largest share of the trained head. Without ``shares``, the final tensors.

    Sites that do not answer for every share are left out of the figures.

    Args:
        evaluate: shared tensors -> evaluations by site and split.

    Raises:
        RoundError: the figure is undefined for every share.
    """
    if not shares:
        return Choice(final, {})
    names = {name for name in final if name.startswith(HEAD)}
    tried = {share: interpolated(initial, final, share, names) for share in sorted(shares)}
    found = {share: evaluate(shared) for share, shared in tried.items()}
    figures = validation_figures(found, task)
    known = [(value, share) for share, value in figures.items() if value is not None]
    if not known:
        raise RoundError(_NOTHING)
    return Choice(tried[max(known)[1]], figures)


def validation_figures(found: Mapping[Key, BySite], task: AnyTask) -> dict[Key, Scalar]:
    """The headline figure of each of several models on the sites' pooled validation cases; ``None`` if it is undefined.

    Sites that do not answer for every model are left out.

    Args:
        found: by model, the evaluations by site and split; one model or more.
    """
    sites = set.intersection(*({s for s, splits in one.items() if "val" in splits} for one in found.values()))
    parts = {key: [by_site[site]["val"] for site in sorted(sites)] for key, by_site in found.items()}
    return {key: task.merge(some).figures()[task.headline] if some else None for key, some in parts.items()}
