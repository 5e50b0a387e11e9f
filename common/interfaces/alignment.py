"""Alignment of features over sites: what a plan's ``alignment._target_`` must be.

All sites share a reference: means of some statistics of the features before the head, over all training cases. In each
round every site sends its own means, under the model that it received. The coordinator's mean, weighted by cases, is
that of the pooled cases (`fedgraft.server.aggregation.mean`). In the next round, a penalty draws every site's features
towards this reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

Means = dict[str, Tensor]


Penalty = Callable[[Tensor, int], Tensor]
"""``(features, group) -> scalar``: how far features ``(B, F)``, B at least 2, are from a group's reference."""


@runtime_checkable
class Alignment(Protocol):
    """A penalty on the features before the head that draws them towards statistics that all sites share."""

    def reference(self, width: int, groups: int) -> Reference:
        """Build the module that holds the shared means, all 0 until they are known.

        Its buffers are shared (``reference.*`` in the model's state). Its parameters are local, and the training loop
        does not train them.

        Args:
            width: number of features before the head.
            groups: the number of classes if each is aligned separately, else 1.
        """

    def sums(self, reference: Reference, features: Tensor) -> dict[str, Tensor]:
        """At a site: the sums over cases of the reference's statistics, by buffer name, float64.

        Args:
            features: ``(N, F)`` float32, the head's inputs.
        """

    def penalty(self, reference: Reference) -> Penalty:
        """The penalty for one round at one site, from the received reference.

        It must not read the reference's buffers later: these are filled anew while the penalty is in use.
        """


@runtime_checkable
class ComparesScanners(Protocol):
    """The further method of an alignment that can also align a site's own scanners (``alignment.column``)."""

    def between(self, reference: Reference, some: Tensor, others: Tensor) -> Tensor:
        """The penalty between two groups of cases ``(A, F)`` and ``(B, F)``, at least two each; a scalar."""


class Reference(nn.Module):
    """Means of statistics over cases, by group.

    Buffers, float32: ``share`` ``(G,)``, a group's share of all cases, 0 if nothing is known of it; and for each of
    ``shapes`` a buffer ``(G, *shape)``: the sum over the group's cases divided by the number of *all* cases. The mean
    of several sites' buffers, weighted by their cases, is therefore exactly that of the pooled cases.

    Args:
        groups: G: the number of classes, or 1.
        shapes: shapes of the statistics of one case, by name; a square ``second`` must be ``z z^T``: the coordinator
            checks its diagonal.
        space: maps features ``(N, F)`` to the space in which they are compared, ``(N, k)``; has no persistent buffers.
        discriminator: a site's own discriminator, or ``None``.
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
        """The statistics' means over a group's cases, float64, by the index of each group that is known."""
        held = {name: self.get_buffer(name).double() for name in self.statistics}
        shares = self.share.double().tolist()
        return {
            group: {name: values[group] / share for name, values in held.items()}
            for group, share in enumerate(shares)
            if share > 0
        }

    def fill(self, counts: Mapping[int, int], sums: Mapping[int, Mapping[str, Tensor]]) -> None:
        """Set all buffers from a site's own sums; groups that are not named become unknown.

        Args:
            counts: cases by group, each above 0; empty if the site releases nothing.
            sums: sums over these cases, by group and name.
        """
        cases = sum(counts.values())
        with torch.no_grad():
            for buffer in (self.share, *(self.get_buffer(name) for name in self.statistics)):
                buffer.zero_()
            for group, count in counts.items():
                self.share[group] = count / cases
                for name in self.statistics:
                    self.get_buffer(name)[group] = sums[group][name] / cases
