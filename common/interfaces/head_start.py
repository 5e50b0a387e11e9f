"""How a head starts: what a plan's ``initial._target_`` must be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor

Sums = dict[str, Tensor]
"""Float64 tensors by name; those of several sites add up to those of all their cases."""

COUNTS = "counts"
"""Under this name, sums hold the training cases of each class, ``(C,)``: the coordinator checks them."""


@runtime_checkable
class HeadStart(Protocol):
    """Head tensors before the first round.

    A class may have two attributes more. ``misfit``: a static method ``(head, options) -> str`` that says why a head as
    it was built can't start so, and what to choose instead; empty if it can. ``tells_classes_apart``: false if the head
    does not, so that there is nothing between it and the trained one to choose from.
    """

    def head(self, sums: Sums, built: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """At the coordinator: the head's tensors by name in its state.

        Args:
            sums: over all sites, if it `StartsFromSums`; else empty.
            built: the head as it was built.
        """


@runtime_checkable
class StartsFromSums(HeadStart, Protocol):
    """Head tensors from what all sites sum up over their training cases.

    A class may have one attribute more. ``every_site``: true if the head is right only with the sums of all sites; one
    that withholds its own then ends the run.
    """

    def sums(self, features: Tensor, labels: Tensor, classes: int) -> Sums:
        """At a site: sums over its training cases.

        Args:
            features: what the head's weights see (`fedgraft.common.heads.heads`), ``(N, F)`` float32; ``N`` may be 0.
            labels: ``(N,)`` int64.
        """


def tells_classes_apart(start: object) -> bool:
    """Whether a head that starts so prefers one class to another; ``start`` is a `HeadStart` or its class."""
    return bool(getattr(start, "tells_classes_apart", True))


def needs_every_site(start: object) -> bool:
    """Whether the sums of all sites are needed; ``start`` is a `HeadStart` or its class."""
    return bool(getattr(start, "every_site", False))
