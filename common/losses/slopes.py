"""Losses that know their own derivative."""

from __future__ import annotations

from typing import Protocol, TypeGuard

from torch import Tensor


class WithSlopes(Protocol):
    """A loss that knows its own derivative, which is faster than to look for it through a graph."""

    def with_slopes(self, outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The loss, a scalar, and its derivative by the outputs, ``(B, outputs)`` float32: bit for bit what a call and
        autograd give.

        Args:
            outputs: ``(B, outputs)`` float32, without a graph.
            labels: B rows.
        """


def knows_slopes(loss: object) -> TypeGuard[WithSlopes]:
    """Whether a loss gives its own derivative, and not that of a class whose loss it changes."""
    defining = (one for one in type(loss).__mro__ if {"forward", "with_slopes"} & vars(one).keys())
    return "with_slopes" in vars(next(defining, object))
