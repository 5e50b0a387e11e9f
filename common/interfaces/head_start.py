"""The start of a head: what a plan's ``initial._target_`` must be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor

Sums = dict[str, Tensor]
"""Float64 tensors by name: sums over cases, which can be added over sites."""

COUNTS = "counts"
"""The name of the tensor with the number of training cases of each class, ``(C,)``, which the coordinator checks."""


@runtime_checkable
class HeadStart(Protocol):
    """Computes a head's tensors before the first round.

    A class may have two further attributes. ``misfit``: a static method ``(head, options) -> str`` that says why the
    built head can't start in this way, and what to choose instead; empty if it can. ``tells_classes_apart``: false if
    the started head gives all classes the same score, so that interpolating with it makes no sense.
    """

    def head(self, sums: Sums, built: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """At the coordinator: the head's tensors, by name in its state.

        Args:
            sums: the sums over all sites, for a `StartsFromSums`; else empty.
            built: the built head's tensors.
        """


@runtime_checkable
class StartsFromSums(HeadStart, Protocol):
    """A `HeadStart` that is computed from sums over all sites' training cases.

    A class may have a further attribute ``every_site``: true if the sums of all sites are needed; the run then ends
    with an error if a site withholds its own.
    """

    def sums(self, features: Tensor, labels: Tensor, classes: int) -> Sums:
        """At a site: sums over its training cases.

        Args:
            features: the head's inputs after its own ``inputs`` (`fedgraft.common.heads.heads`), ``(N, F)`` float32; N
                may be 0.
            labels: ``(N,)`` int64.
        """


@runtime_checkable
class BearsNoise(StartsFromSums, Protocol):
    """A `StartsFromSums` whose sums may have noise for privacy: it knows how much a case gives to them."""

    def most(self) -> float:
        """How long a patient's part is at most, number by number divided by `units`."""

    def lengths(self, features: Tensor) -> Tensor:
        """How long each case's part is, ``(N,)`` float64."""

    def bounded(self, features: Tensor, labels: Tensor, classes: int, factors: Tensor) -> Sums:
        """The sums, with each case's part multiplied by its factor ``(N,)``."""

    def units(self, classes: int, width: int) -> Sums:
        """By what each number that gets noise is divided; the counts, which were told before, get none."""

    def bearing(self, noise: float) -> HeadStart:
        """The start from sums with noise of this deviation, in units of `most`."""


@runtime_checkable
class WeighsClasses(StartsFromSums, Protocol):
    """A `StartsFromSums` whose sums weigh cases by how common their class is over all sites."""

    def weighed(self, counts: tuple[int, ...]) -> StartsFromSums:
        """The start for these training cases by class over all sites."""


@runtime_checkable
class OffersHeads(HeadStart, Protocol):
    """A `HeadStart` that gives several heads, of which the sites' validation cases choose one."""

    def heads(self, sums: Sums, built: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        """The heads by what names each (``alpha=10``), the one to prefer of equal ones first; arguments as for
        `HeadStart.head`."""


def tells_classes_apart(start: object) -> bool:
    """Whether the started head gives classes different scores; ``start`` is a `HeadStart` or its class."""
    return bool(getattr(start, "tells_classes_apart", True))


def needs_every_site(start: object) -> bool:
    """Whether the sums of all sites are needed; ``start`` is a `HeadStart` or its class."""
    return bool(getattr(start, "every_site", False))
