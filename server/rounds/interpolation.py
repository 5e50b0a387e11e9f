"""Between the initial head and the trained one: WiSE-FT (Wortsman et al., "Robust fine-tuning of zero-shot models",
CVPR 2022, section 3), over the head's tensors, with the share that is best on the sites' validation cases."""

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
    """The final shared tensors, and the validation figure of each share that was tried."""

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
    """Say in the first round, not after the last, that nothing will tell which share is best.

    Raises:
        UndefinedFigureError: there are shares, and no evaluation in which the headline figure is defined.
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
    """The share of the trained head with the largest headline figure on the sites' validation cases, pooled; of equal
    ones the largest share. Without shares, the final tensors. A site that fails to answer for one share
    counts for none.

    Args:
        evaluate: shared tensors -> every site's evaluations by split.

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
