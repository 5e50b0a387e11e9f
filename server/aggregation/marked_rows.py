"""Rows of a head for findings that only some sites mark: averaged over those who marked them.

A site that never marks a finding sends that finding's row as it came. In a mean weighted by training cases it would
pull the row back to where it was. Here a row's weight is the number of cases that marked its finding, as in a loss
pooled over all labels: ``w_r = sum_k m_kr w_kr / sum_k m_kr``, ``m_kr`` the cases of site k that mark r. What is no
finding's own (a hidden layer, a trained stage) stays weighted by cases.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from flwr.app import Message
from flwr.serverapp.strategy import Strategy
from torch import Tensor

from fedgraft.common.errors import PlanError, RoundError
from fedgraft.common.interfaces.features import Bag
from fedgraft.common.interfaces.roles import HEAD
from fedgraft.common.interfaces.strategy import is_mean, takes_steps
from fedgraft.common.plan import parts
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.messages import Update
from fedgraft.common.wire.offer import Offer


@dataclass(frozen=True)
class MarkedRows:
    """Who marks what.

    Attributes:
        shares: by site that does not mark all, the share of its training cases that marks each output.
        names: the shared tensors with a row for each output.
    """

    shares: Mapping[str, tuple[float, ...]]
    names: frozenset[str]

    def among(
        self, replies: Sequence[tuple[Message, Update]], received: Mapping[str, Tensor]
    ) -> list[tuple[Message, Update]]:
        """The replies, in which every row of `names` is the mean of those who marked it, so that any mean of them
        keeps it; as it was sent, if none of them marked it.

        Args:
            received: the tensors that were sent.
        """
        outputs = len(next(iter(self.shares.values())))
        all_of_it = (1.0,) * outputs
        weights = torch.tensor(
            [[u.examples * part for part in self.shares.get(u.site, all_of_it)] for _, u in replies],
            dtype=torch.float64,
        )
        rows = {name: _mean([u.tensors[name] for _, u in replies], weights, received[name]) for name in self.names}
        return [(message, replace(u, tensors={**u.tensors, **rows})) for message, u in replies]


def _mean(updates: Sequence[Tensor], weights: Tensor, received: Tensor) -> Tensor:
    """``weights (sites, rows)`` float64."""
    total, found = weights.sum(dim=0), received.double()
    told = total > 0
    mean = sum(one.double() * _by_row(row, one) for one, row in zip(updates, weights, strict=True))
    found = torch.where(_by_row(told, found), mean / _by_row(total.clamp(min=1e-300), found), found)
    return found.to(received.dtype)


def _by_row(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (like.ndim - 1))


def marked_rows(
    plan: Plan, strategy: Strategy | None, offers: Collection[Offer], width: int, trained: Collection[str]
) -> MarkedRows | None:
    """What must be heeded in a mean of these sites' updates; ``None`` if all mark all, or nothing is averaged.

    Args:
        strategy: ``None`` if sites tell sums, in which every label counts once anyway.
        width: of the features that enter the head.
        trained: names of the tensors that are averaged.

    Raises:
        RoundError: nobody marks one of the findings; some mark only a part, and the strategy or secure sums can't
            weigh a row by who marked it.
    """
    partly = {one.site: one for one in offers if one.marked is not None}
    if not partly:
        return None
    _require_each_marked(plan, offers)
    if strategy is None:
        return None
    names = _by_output(plan, width) & {*trained}
    if names:
        _require_mean(plan, type(strategy), sorted(partly))
    shares = {name: tuple(n / max(1, one.examples) for n in one.marked or ()) for name, one in partly.items()}
    return MarkedRows(shares, names) if names else None


def _require_each_marked(plan: Plan, offers: Collection[Offer]) -> None:
    nobody = [
        name
        for place, name in enumerate(plan.data.classes)
        if not any(one.marked is None or one.marked[place] for one in offers if one.examples)
    ]
    if nobody:
        raise RoundError(
            f"data.classes: no site marks {', '.join(nobody)} (on release.min_count training cases): take it out of "
            "data.classes, or map the hospitals' own words to it (`terms` in site.yaml)"
        )


def _require_mean(plan: Plan, strategy: type, sites: Sequence[str]) -> None:
    some = f"{', '.join(sites)} mark(s) only some of the findings"
    remedy = "use strategy=exact, whose sums count every label once"
    if plan.aggregation.secure:
        raise RoundError(
            f"{some}: a secure sum weighs all rows of the head alike; {remedy}, or set aggregation.secure=false"
        )
    if not (is_mean(strategy) or takes_steps(strategy)):
        raise RoundError(
            f"{some}: {strategy.__name__} weighs whole updates, not rows of the head; {remedy}, or strategy=fedavg"
        )


def _by_output(plan: Plan, width: int) -> frozenset[str]:
    """Names of the head's tensors whose first axis are the outputs: those that grow with them."""

    def shapes(outputs: int) -> dict[str, tuple[int, ...]]:
        bag = Bag(1, (width - 1,))  # for a head that weighs instances: how they lie changes no name and no first axis
        head = parts.build(
            plan.head.target, "head", plan.head.options, plan.engine.trusted, width=width, classes=outputs, bag=bag
        )
        return {name: tuple(tensor.shape) for name, tensor in head.state_dict().items()}

    own, more, outputs = shapes(plan.data.outputs), shapes(plan.data.outputs + 1), plan.data.outputs
    try:
        return frozenset(HEAD + name for name, shape in own.items() if shape[:1] == (outputs,) and shape != more[name])
    except KeyError:
        raise PlanError("head: its tensors' names depend on the number of findings; all sites must mark all") from None
