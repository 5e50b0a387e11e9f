"""Class-balanced moments at a site that never trains: from the received model's opinion of its unlabelled cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fedgraft.client.training.scaling import Scaling
from fedgraft.client.training.session import Session
from fedgraft.common.features.moments import balanced_by
from fedgraft.common.features.prevalence import by_em
from fedgraft.common.plan.prior import estimates_prevalence, prior_of

_PASSES, _NEAR = 50, 1e-3


@dataclass(frozen=True)
class Prevalence:
    """An estimate of how common each class is among a site's training cases.

    Attributes:
        shares: by class, with a sum of 1.
        cases: how many cases it is about.
    """

    shares: tuple[float, ...]
    cases: int

    @property
    def counts(self) -> tuple[int, ...]:
        """Expected cases by class, rounded."""
        return tuple(round(share * self.cases) for share in self.shares)


def balance(session: Session, received: Mapping[str, Tensor], counts: tuple[int, ...] | None) -> Prevalence | None:
    """Scale the features of a site in ``hold_out`` as if its classes were equally common, and load the received tensors
    with that scale. ``None``, and nothing is done, at other sites and for other scales.

    Its own moments come first. Under them the model gives each training case its probabilities, from which follow the
    prevalence and better probabilities (`by_em`), and from these class-balanced moments. Where a class is rare, its own
    moments have shifted what the model sees, and the first estimate lies between the truth and the training sites'
    prevalence: it is made again under the new moments until it stays, at most 50 times. Labels are not looked at.

    Args:
        counts: training cases by class over all sites that train; ``None`` if the plan's model does not depend on them.

    Raises:
        WireError: the counts are needed, and the coordinator sent none.
    """
    plan, scaling = session.plan, session.scaling
    if scaling is None or session.site.name not in plan.hold_out or not estimates_prevalence(plan):
        return None
    prior = prior_of(plan, counts)
    scaling.estimated = None
    session.load(received)
    seen, untrained, shares = scaling.as_loaded, scaling.features, prior
    session.load(received)
    for _ in range(_PASSES):
        before, (shares, posteriors) = shares, by_em(_probabilities(scaling, seen), prior)
        scaling.estimated = balanced_by(untrained, posteriors)
        scaling.receive(received)
        if float((shares - before).abs().max()) < _NEAR:
            break
    session.load(received)
    return Prevalence(tuple(shares.tolist()), len(seen))


def _probabilities(scaling: Scaling, features: Tensor) -> Tensor:
    """The loaded head's probabilities ``(N, C)`` float64 of features ``(N, F)`` at the scale's present values."""
    head = scaling.model.network.head
    with torch.inference_mode():
        outputs: Tensor = head.eval()(scaling.apply(features).to(scaling.device)).cpu()
    return outputs.double().softmax(dim=1)
