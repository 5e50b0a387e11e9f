"""Making features alike at all sites: what a plan's ``alignment._target_`` must be.

All sites share a reference: means of some statistics of the features before the head, over all training cases. Each
site fills in its own means under the model that it received; the coordinator's mean weighted by cases makes those of
the pooled cases of them (`fedgraft.server.averaged`), and in the next round every site's features are drawn to these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from fedgraft.common.errors import PlanError
from fedgraft.common.reference import Reference
from fedgraft.common.roles import HEAD, REFERENCE

Penalty = Callable[[Tensor, int], Tensor]
"""How far some cases are from a group of the reference: features ``(B, F)``, two cases or more, and the group's number
-> a scalar."""


@runtime_checkable
class Alignment(Protocol):
    """A loss on the features before the head, against moments of them that all sites share."""

    def reference(self, width: int, groups: int) -> Reference:
        """What holds the shared means, all 0 until they are known.

        Its buffers are shared, ``reference.*`` in the model's state; its parameters are each site's own, and are not
        the local loop's to train.

        Args:
            width: features before the head.
            groups: classes if each is aligned by itself, else 1.
        """

    def sums(self, reference: Reference, features: Tensor) -> dict[str, Tensor]:
        """At a site: what the reference holds the means of, summed over some cases, by the buffers' names; float64.

        Args:
            features: ``(N, F)`` float32, what the head takes.
        """

    def penalty(self, reference: Reference) -> Penalty:
        """For one site's round, from the reference as it came; it may be filled anew while the penalty is in use."""


@runtime_checkable
class ComparesScanners(Protocol):
    """What an alignment has besides, if ``alignment.column`` may name a site's own scanners."""

    def between(self, reference: Reference, some: Tensor, others: Tensor) -> Tensor:
        """How far cases ``(A, F)`` and ``(B, F)`` are from each other, two or more of each; a scalar."""


def require_scanners(alignment: object, column: str | None) -> None:
    """Refuse ``alignment.column`` if the alignment can't compare a site's own scanners.

    Raises:
        PlanError: so.
    """
    if column is not None and not isinstance(alignment, ComparesScanners):
        raise PlanError(
            f"alignment.column={column} has no effect: {type(alignment).__name__} compares a site with the reference "
            "only; set it to null, or use alignment=coral or mmd"
        )


def require_movable(network: nn.Module) -> None:
    """Refuse an alignment of features that training does not move.

    Raises:
        PlanError: nothing before the head is trained.
    """
    trained = (name for name, parameter in network.named_parameters() if parameter.requires_grad)
    if all(name.startswith((HEAD, REFERENCE)) for name in trained):
        raise PlanError(
            "alignment has no effect: only the head is trained, and the features before it can't move; free a stage "
            "(backbone.freeze), choose an adaptation, or set alignment=none"
        )
