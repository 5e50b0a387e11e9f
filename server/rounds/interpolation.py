"""Interpolate between the initial head and the trained one: WiSE-FT (Wortsman et al., "Robust fine-tuning of zero-shot
models", CVPR 2022, section 3), with the share that is best on the sites' validation cases."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from fedgraft.common.errors import RoundError, UndefinedFigureError
from fedgraft.common.interfaces.roles import HEAD
from fedgraft.common.interfaces.task import AnyTask, Evaluation, Scalar

Shared = dict[str, Tensor]
BySite = dict[str, dict[str, Evaluation]]
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
    if shares and _figure([by_site[site]["val"] for site in sorted(_with_val(by_site))], task) is None:
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
    sites = set.intersection(*map(_with_val, found.values()))
    figures = {
        share: _figure([by_site[site]["val"] for site in sorted(sites)], task) for share, by_site in found.items()
    }
    known = [(value, share) for share, value in figures.items() if value is not None]
    if not known:
        raise RoundError(_NOTHING)
    return Choice(tried[max(known)[1]], figures)


def _with_val(by_site: BySite) -> set[str]:
    return {site for site, splits in by_site.items() if "val" in splits}


def _figure(parts: Sequence[Evaluation], task: AnyTask) -> Scalar:
    if not parts:
        return None
    value: Scalar = task.merge(parts).figures()[task.headline]
    return value
