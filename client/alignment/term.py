"""What an alignment adds to the loss of a site's round."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fedgraft.client.alignment.contribution import contribute, features_before_head, group_members
from fedgraft.client.alignment.groups import UNKNOWN
from fedgraft.client.training import Seen
from fedgraft.common import parts, wire
from fedgraft.common.alignment import Alignment, ComparesScanners, Penalty
from fedgraft.common.errors import PlanError
from fedgraft.common.reference import Reference

if TYPE_CHECKING:
    from fedgraft.client.session import Session

FEWEST = 2
"""Cases that a covariance, or a pair of different ones, needs."""


@dataclass(frozen=True)
class Aligned:
    """``weight`` times the mean penalty of a step's groups, and the mean of that between scanners.

    Attributes:
        known: whether the reference knows a group, for each.
        between: compares a site's own scanners; ``None`` if they are not compared.
        scanners: ``(N,)`` int64 of the training cases, with ``between``.
    """

    weight: float
    known: tuple[bool, ...]
    penalty: Penalty
    between: Callable[[Tensor, Tensor], Tensor] | None = None
    scanners: Tensor | None = None

    def __call__(self, seen: Seen) -> Tensor:
        members = group_members(seen.labels, len(self.known))
        against = [
            self.penalty(seen.features[some], group)
            for group, some in enumerate(members)
            if self.known[group] and len(some) >= FEWEST
        ]
        apart = [penalty for some in members for penalty in self._between(seen, some)]
        means = [torch.stack(each).mean() for each in (against, apart) if each]
        return self.weight * sum(means, seen.features.new_zeros(()))

    def _between(self, seen: Seen, some: Tensor) -> Iterator[Tensor]:
        """Each scanner's cases against those of the others, among some cases of a step."""
        if self.between is None or self.scanners is None:
            return
        scanners = self.scanners[seen.cases].to(some.device)[some]
        for scanner in scanners[scanners != UNKNOWN].unique():
            own, rest = some[scanners == scanner], some[(scanners != scanner) & (scanners != UNKNOWN)]
            if min(len(own), len(rest)) >= FEWEST:
                yield self.between(seen.features[own], seen.features[rest])


def alignment_term(session: Session, order: wire.Order) -> Aligned | None:
    """The term against the reference that came; then the network's reference is filled with the site's own means."""
    chosen, examples = session.plan.alignment, session.cohort["train"]
    if chosen.target is None:
        return None
    alignment: Alignment = parts.build(chosen.target, "alignment", chosen.options, session.allowed)
    reference = session.model.network.reference
    if not isinstance(reference, Reference):
        raise PlanError(f"alignment._target_={chosen.target}: what its `reference` gives is no Reference")
    known = tuple((reference.share > 0).tolist())
    penalty = alignment.penalty(reference)
    features = features_before_head(session.model.constant.trained, examples, session.device)
    contribute(alignment, reference, features, examples, session.site.release)
    if chosen.column is None or not isinstance(alignment, ComparesScanners):
        return Aligned(chosen.weight, known, penalty) if any(known) else None
    compares = alignment

    def between(some: Tensor, others: Tensor) -> Tensor:
        return compares.between(reference, some, others)

    return Aligned(chosen.weight, known, penalty, between, examples.scanners)
