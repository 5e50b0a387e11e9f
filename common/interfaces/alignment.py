"""Making features alike at all sites: what a plan's ``alignment._target_`` must be.

All sites share a reference: means of some statistics of the features before the head, over all training cases. Each
site fills in its own means under the model that it received; the coordinator's mean weighted by cases makes those of
the pooled cases of them (`fedgraft.server.aggregation.mean`), and in the next round every site's features are drawn to
these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

Means = dict[str, Tensor]


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


class Reference(nn.Module):
    """Means over cases, by group.

    Buffers, float32: ``share`` ``(G,)``, the part of all cases that a group has, 0 as long as nothing is known of it;
    and for each of ``shapes`` a buffer ``(G, *shape)``: the sum over the group's cases divided by *all* cases. A mean
    of several sites' buffers weighted by their cases is therefore exactly that of the pooled cases.

    Args:
        groups: G; the classes, or 1.
        shapes: of the statistics of one case, by name; a square ``second`` is of ``z z^T``, whose diagonal the
            coordinator checks.
        space: features ``(N, F)`` -> where they are compared ``(N, k)``. Its buffers are not persistent.
        discriminator: a site's own, or ``None``.
    """

    share: Tensor

    def __init__(
        self,
        groups: int,
        shapes: Mapping[str, tuple[int, ...]],
        space: nn.Module,
        discriminator: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("share", torch.zeros(groups))
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(groups, *shape))
        self.statistics = tuple(shapes)
        self.space = space
        self.discriminator = discriminator

    def means(self) -> dict[int, Means]:
        """By the number of each group of which something is known: its statistics' means over its cases, float64."""
        held = {name: self.get_buffer(name).double() for name in self.statistics}
        shares = self.share.double().tolist()
        return {
            group: {name: values[group] / share for name, values in held.items()}
            for group, share in enumerate(shares)
            if share > 0
        }

    def fill(self, counts: Mapping[int, int], sums: Mapping[int, Mapping[str, Tensor]]) -> None:
        """Put in a site's own, of all its cases; a group that is not named has none of them.

        Args:
            counts: cases by group, each above 0; empty if nothing is told, and all becomes unknown.
            sums: over these cases, by group and name.
        """
        cases = sum(counts.values())
        with torch.no_grad():
            for buffer in (self.share, *(self.get_buffer(name) for name in self.statistics)):
                buffer.zero_()
            for group, count in counts.items():
                self.share[group] = count / cases
                for name in self.statistics:
                    self.get_buffer(name)[group] = sums[group][name] / cases
