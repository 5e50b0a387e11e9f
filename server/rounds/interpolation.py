"""Interpolate between the initial head and the trained one: WiSE-FT (Wortsman et al., "Robust fine-tuning of zero-shot
models", CVPR 2022, section 3), with the share that is best on the sites' validation cases."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, TypeVar

from torch import Tensor

from fedgraft.common.calibration.in_groups import grouped_by
from fedgraft.common.errors import RoundError, UndefinedFigureError
from fedgraft.common.interfaces.roles import HEAD
from fedgraft.common.interfaces.task import AnyTask, Evaluation, Scalar

Shared = dict[str, Tensor]
BySite = dict[str, dict[str, Evaluation]]
Key = TypeVar("Key")
FINE: Mapping[str, int] = MappingProxyType({})
"""Of how many cases scores are told together, by site: at none."""
_NOTHING = (
    "initial.interpolate: no site gave an evaluation of its validation cases (of at least its min_count) in which the "
    "headline figure is defined, so that nothing tells which share is best; use initial.interpolate=[]"
)


@dataclass(frozen=True)
class Compared(Generic[Key]):
    """Several models on the sites' validation cases.

    Attributes:
        figures: the headline figure of each; ``None`` if it is undefined.
        blurred: whether there are cases, but scores came in too few groups at every site
            (`fedgraft.common.calibration.in_groups`): then no figure ranks, all are ``None``, and the default holds.
    """

    figures: dict[Key, Scalar]
    blurred: bool = False


@dataclass(frozen=True)
class Choice:
    """The chosen shared tensors, and the validation figure of each share that was tried; none if scores came in too few
    groups to choose by."""

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
    if shares and compared({"": by_site}, task).figures[""] is None:
        raise UndefinedFigureError(_NOTHING)


def best_share(
    initial: Mapping[str, Tensor],
    final: Shared,
    shares: Sequence[float],
    task: AnyTask,
    evaluate: Callable[[Shared], BySite],
    grouped: Mapping[str, int] = FINE,
) -> Choice:
    """The interpolation with the largest headline figure on the sites' pooled validation cases (`compared`); of equal
    ones the one with the largest share of the trained head. Without ``shares``, and where the scores of all sites came
    in too few groups, the final tensors.

    Args:
        evaluate: shared tensors -> evaluations by site and split.
        grouped: as for `compared`.

    Raises:
        RoundError: the figure is undefined for every share.
    """
    if not shares:
        return Choice(final, {})
    names = {name for name in final if name.startswith(HEAD)}
    tried = {share: interpolated(initial, final, share, names) for share in sorted(shares)}
    found = {share: evaluate(shared) for share, shared in tried.items()}
    told = compared(found, task, grouped)
    if told.blurred:
        return Choice(final, {})
    known = [(value, share) for share, value in told.figures.items() if value is not None]
    if not known:
        raise RoundError(_NOTHING)
    return Choice(tried[max(known)[1]], told.figures)


def compared(found: Mapping[Key, BySite], task: AnyTask, grouped: Mapping[str, int] = FINE) -> Compared[Key]:
    """The headline figure of each of several models on the sites' pooled validation cases.

    Sites that do not answer for every model are left out, and those whose scores came in too few groups to rank cases.

    Args:
        found: by model, the evaluations by site and split; one model or more.
        grouped: as `fedgraft.server.rounds.state.Round.grouped`; without it every site's figures are taken.
    """
    sites = set.intersection(*({s for s, splits in one.items() if "val" in splits} for one in found.values()))
    one = next(iter(found.values()))
    few = grouped_by(task, grouped).too_few({site: one[site]["val"] for site in sites})
    parts = {key: [by_site[site]["val"] for site in sorted(sites.difference(few))] for key, by_site in found.items()}
    figures = {key: task.merge(some).figures()[task.headline] if some else None for key, some in parts.items()}
    return Compared(figures, blurred=bool(sites) and sites <= {*few})
