"""What all sites share of their features: means of statistics of them, by group of cases."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

Means = dict[str, Tensor]


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
