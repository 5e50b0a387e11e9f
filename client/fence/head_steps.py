"""The steps of a head that is trained alone: kept while it trains, and summed up by patient only when asked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.fence.patients import Patients

MOST = 512
"""Steps that are kept before they are summed up."""


class HeadSteps:
    """What the examples of each step gave to a head's outputs.

    Args:
        lengths: gives the length of each example as the head's weights see it, ``(examples,)`` float32.
        times: how often the gradient of each step, from 0, is in the update; `by_case` is kept then.
    """

    def __init__(self, patients: Patients, lengths: Callable[[], Tensor], times: Callable[[int], float] | None) -> None:
        self._patients, self._lengths, self._times = patients, lengths, times
        self._kept = list[tuple[Tensor, Tensor]]()
        self._sums: Tensor | None = None
        self._steps, self._by_case = 0, torch.empty(0)
        self._pending = list[tuple[Tensor, Tensor, list[tuple[Tensor, Tensor]]]]()

    def add(self, cases: Tensor, slopes: Tensor) -> None:
        """A step.

        Args:
            cases: ``(B,)`` int64.
            slopes: ``(B, outputs)``, the derivative of the loss by their outputs; or outputs that will have it as their
                gradient.
        """
        if len(self._kept) == MOST:
            _ = self.by_case  # sums up
        self._kept.append((cases, slopes))

    @property
    def sums(self) -> Tensor | None:
        """What each group of patients gave to each output, ``(groups, outputs)`` float64 with its sign; the last row is
        nobody's. ``None`` if there was no step."""
        if self._kept:
            more = self._summed_up()
            self._sums = more if self._sums is None else self._sums + more
        return self._sums

    def scaled(self, factors: Tensor) -> Tensor:
        """`sums`, and from now on what each group of patients gave is multiplied by its factor, ``(groups,)``.

        Args:
            factors: nobody's is the last.
        """
        assert self.sums is not None
        self._sums = self.sums * factors[:, None]
        return self._sums

    def _summed_up(self) -> Tensor:
        """The sums over the steps that are kept, which are not kept any longer but for `by_case`."""
        each = [some if some.grad is None else some.grad for _, some in self._kept]
        slopes = (each[0] if len(each) == 1 else torch.cat(each)).detach().cpu()
        cases = self._kept[0][0] if len(each) == 1 else torch.cat([some for some, _ in self._kept])
        lengths, places = self._lengths().numpy(), cases.numpy()
        gave = slopes.numpy() * lengths.take(places)[:, None]
        number, units = self._patients.nobody + 1, slopes.shape[1]
        if len(lengths) == len(self._patients.names):
            rows = self._patients.places(units).take(places, axis=0)
        else:
            rows = self._patients.groups(cases).numpy()[:, None] + number * np.arange(units)
        sums = np.bincount(rows.ravel(), gave.ravel(), number * units)  # one for all: far faster
        if self._times is not None:
            self._pending.append((cases, slopes, self._kept))
        self._kept = []
        return torch.from_numpy(sums.reshape(units, number)).T  # a unit's numbers lie together: faster to sum up

    @property
    def by_case(self) -> Tensor:
        """The sum over the steps of each example's derivatives, each as often as it is in the
        update, ``(examples, outputs)`` float64; empty if that can't be said."""
        _ = self.sums
        for cases, slopes, each in self._pending:
            assert self._times is not None
            often = np.repeat(
                [self._times(self._steps + place) for place in range(len(each))], [len(some) for some, _ in each]
            )
            self._by_case = _with(self._by_case, self.examples, cases.numpy(), slopes.numpy() * often[:, None])
            self._steps += len(each)
        self._pending = []
        return self._by_case

    @property
    def knows_cases(self) -> bool:
        return self._times is not None

    @property
    def examples(self) -> int:
        return len(self._lengths())


def _with(sums: Tensor, rows: int, places: NDArray[np.int64], more: NDArray[np.float64]) -> Tensor:
    """Sums ``(rows, units)``, or none yet, to whose rows at ``places`` ``more`` was added, one after another."""
    units = more.shape[1]
    at, given = (places[:, None] * units + np.arange(units)).ravel(), more.ravel()
    if len(sums):
        at, given = np.concatenate([np.arange(sums.numel()), at]), np.concatenate([sums.numpy().ravel(), given])
    return torch.from_numpy(np.bincount(at, given, rows * units).reshape(rows, units))
