"""What an alignment adds to the loss of a site's round."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fedgraft.client.cohort.groups import UNKNOWN
from fedgraft.client.features.examples import Examples
from fedgraft.client.site.release import may_release_moments
from fedgraft.client.site.site_file import ReleasePolicy as Permission
from fedgraft.client.training.before_head import features_before_head
from fedgraft.client.training.loop import StepOutput
from fedgraft.client.training.session import Session
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.alignment import Alignment, ComparesScanners, Penalty, Reference
from fedgraft.common.plan import parts
from fedgraft.common.wire import messages

FEWEST = 2
"""The fewest cases from which a covariance, or a mean over pairs of different cases, can be computed."""


@dataclass(frozen=True)
class Aligned:
    """The alignment term: ``weight`` times (mean penalty over a step's groups + mean penalty between scanners).

    Attributes:
        known: for each group, whether the reference has its moments.
        penalty: from a group's cases to the reference.
        between: the penalty between a site's own scanners; ``None`` if they are not compared.
        scanners: ``(N,)`` int64, of the training cases; needed with ``between``.
    """

    weight: float
    known: tuple[bool, ...]
    penalty: Penalty
    between: Callable[[Tensor, Tensor], Tensor] | None = None
    scanners: Tensor | None = None

    def __call__(self, seen: StepOutput) -> Tensor:
        members = group_members(seen.labels, len(self.known))
        against = [
            self.penalty(seen.features[some], group)
            for group, some in enumerate(members)
            if self.known[group] and len(some) >= FEWEST
        ]
        apart = [penalty for some in members for penalty in self._between(seen, some)]
        means = [torch.stack(each).mean() for each in (against, apart) if each]
        return self.weight * sum(means, seen.features.new_zeros(()))

    def _between(self, seen: StepOutput, some: Tensor) -> Iterator[Tensor]:
        """Penalties between each scanner's cases and those of the others, among the cases ``some`` of a step."""
        if self.between is None or self.scanners is None:
            return
        scanners = self.scanners[seen.cases].to(some.device)[some]
        for scanner in scanners[scanners != UNKNOWN].unique():
            own, rest = some[scanners == scanner], some[(scanners != scanner) & (scanners != UNKNOWN)]
            if min(len(own), len(rest)) >= FEWEST:
                yield self.between(seen.features[own], seen.features[rest])


def alignment_term(session: Session, order: messages.Instruction) -> Aligned | None:
    """The alignment term for the received reference, which the network holds; ``None`` if there is nothing to align to.

    Raises:
        PlanError: the alignment's ``reference`` is not a `Reference`.
    """
    chosen = session.plan.alignment
    alignment: Alignment | None = parts.chosen(chosen, "alignment", session.site.trusted)
    if alignment is None:
        return None
    reference = _reference(session)
    known = tuple((reference.share > 0).tolist())
    penalty = alignment.penalty(reference)
    if chosen.column is None or not isinstance(alignment, ComparesScanners):
        return Aligned(chosen.weight, known, penalty) if any(known) else None
    compares = alignment

    def between(some: Tensor, others: Tensor) -> Tensor:
        return compares.between(reference, some, others)

    return Aligned(chosen.weight, known, penalty, between, session.cohort["train"].scanners)


def fill_reference(session: Session) -> None:
    """Replace the received reference by the site's own means of the received model's features."""
    alignment: Alignment | None = parts.chosen(session.plan.alignment, "alignment", session.site.trusted)
    if alignment is None:
        return
    examples = session.cohort["train"]
    features = features_before_head(session.model.constant.trained, examples, session.device)
    reference = _reference(session)
    told = session.accepted.may_tell_of_training("alignment", by_label=len(reference.share) > 1)
    permission = session.site.release if told else replace(session.site.release, statistics=False)
    contribute(alignment, reference, features, examples, permission)


def _reference(session: Session) -> Reference:
    reference = session.model.network.reference
    if not isinstance(reference, Reference):
        target = session.plan.alignment.target
        raise PlanError(f"alignment._target_={target}: what its `reference` gives is no Reference")
    return reference


def contribute(
    alignment: Alignment, reference: Reference, features: Tensor, examples: Examples, permission: Permission
) -> None:
    """Fill the reference with a site's own means, of all groups or of none.

    All shares are 0 if the site file forbids releasing them, or if a group has 1 to ``min_count - 1`` patients: its own
    could be computed from the other groups' shares and sums and the number of cases.

    Args:
        features: ``(N, F)`` float32, of the cases of ``examples`` in their order.
    """
    members = group_members(examples.labels, len(reference.share))
    assert examples.patients is not None
    patients = [len(examples.patients[some].unique()) for some in members]
    released = members if may_release_moments(patients, permission) else []
    chosen = {group: some for group, some in enumerate(released) if len(some) > 0}
    where = reference.share.device
    sums = {group: alignment.sums(reference, features[some].to(where)) for group, some in chosen.items()}
    reference.fill({group: len(some) for group, some in chosen.items()}, sums)


def group_members(labels: Tensor, groups: int) -> list[Tensor]:
    """Indices of each group's cases, int64: one group per class, or a single group of all cases."""
    if groups == 1:
        return [torch.arange(len(labels), device=labels.device)]
    return [(labels == group).nonzero().flatten() for group in range(groups)]
