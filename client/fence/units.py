"""On how many patients each trained unit of an update rests.

A unit is a row of a trained matrix: an output of a linear layer, a channel of a convolution. What a case gives to the
gradient of a row is ``dL/d(output of the unit) * input``, of length ``a = dL/d(output) * |input|`` with its sign; of a
layer with positions it is at most the product of the norms over positions. ``a`` is summed up by patient over all of a
round's training, not only its first epoch: weights can be chosen so that a unit wakes up later. The effective number of
patients behind a row is ``(sum |a|)^2 / sum a^2`` (Kish, Survey Sampling, 1965, section 11.7): their number if all give
as much, 1 if one gives all.

Weights that isolate single patients ("trap weights": Boenisch et al., EuroS&P 2023; Fowl et al., ICLR 2022) make rows
that rest on one each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from fedgraft.client.fence.head_steps import HeadSteps
from fedgraft.client.fence.patients import Patients

_TINY = torch.finfo(torch.float64).tiny
NEARLY_ALL, ALL = 0.8, 0.999
"""Shares of the squares: at the first, the correlation to one patient's inputs is about 0.9; the second does not happen
without being made."""


class UnitWatch:
    """Watches one site's training in a round.

    Args:
        lengths: gives the length of each example as the head's weights see it, ``(examples,)`` float32; asked for only
            if the head alone is trained.
        times: how often the gradient of each step, from 0, is in the update; asked for if the head alone is trained,
            and `by_case` is kept then.
    """

    def __init__(
        self, patients: Patients, lengths: Callable[[], Tensor], times: Callable[[int], float] | None = None
    ) -> None:
        self._fresh = partial(HeadSteps, patients, lengths, times)
        self._patients, self._head = patients, self._fresh()
        self._now = torch.empty(0, dtype=torch.int64)
        self._alone = False
        self._found: dict[str, Tensor] = {}
        self._factors: Tensor | None = None
        self._few: dict[tuple[str, int], Tensor] = {}
        self.vectors: set[str] = set()
        """Paths of those modules whose outputs are one vector a case."""

    @property
    def found(self) -> dict[str, Tensor]:
        """By path of each watched module (``""``: the network itself), ``(groups, units)`` float32, of a head that is
        trained alone float64: what each group of patients gave to each unit, with its sign if outputs are vectors; the
        last row is nobody's. The last module of the network comes first, as gradients reach them."""
        sums = self._head.sums
        if sums is not None and sums is not self._found.get(""):
            self._found[""] = sums
            self.vectors.add("")
            self._few.clear()
        return self._found

    def on_few(self, path: str, least: int) -> Tensor:
        """Of a module's units, those that rest on fewer than ``least`` patients (`rests_on_few`), ``(units,)`` bool."""
        found = self.found[path]
        if (path, least) not in self._few:
            self._few[path, least] = rests_on_few(found[:-1], least)
        return self._few[path, least]

    @contextmanager
    def on(self, network: nn.Module, trained: Collection[str]) -> Iterator[None]:
        """Within the block, watch the modules that hold the tensors in ``trained`` (by name in ``network``)."""
        watched = holders(network, trained)
        self._alone = watched == [""]  # the head alone: `outputs` are all that there is to see
        seen = [] if self._alone else watched
        handles = [network.get_submodule(path).register_forward_hook(self._hook(path)) for path in seen]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def forget(self) -> None:
        """Forget what was seen: the training begins anew."""
        self._head = self._fresh()
        self._found.clear()
        self._few.clear()
        self.vectors.clear()

    @property
    def shortened(self) -> int:
        """How many groups of patients are shortened."""
        return 0 if self._factors is None else int((self._factors < 1).sum())

    @property
    def by_case(self) -> Tensor:
        """Of a head that is trained alone, the sum over steps of the derivative by the outputs of each example, each as
        often as it is in the update, ``(examples, outputs)`` float64; empty if that can't be said."""
        return self._head.by_case

    @property
    def knows_cases(self) -> bool:  # whether `by_case` can be said
        return self._head.knows_cases and [*self.found] == [""]

    @property
    def left_of_cases(self) -> Tensor:
        """What is left of each example's part, by the factors of its patient, ``(examples,)`` float32."""
        groups = self._patients.groups(torch.arange(self._head.examples))
        return torch.ones(len(groups)) if self._factors is None else self._factors[groups]

    def scale(self, factors: Tensor) -> None:
        """What each group of patients gave is multiplied by its factor, ``(groups,)``; of a head that was trained
        alone."""
        whole = torch.cat([factors, torch.ones(1)])
        self._factors = whole if self._factors is None else self._factors * whole
        self._found[""] = self._head.scaled(whole)
        self._few.clear()

    def shorten(self, factors: Tensor) -> None:
        """From now on, of a head that is trained alone, what each group of patients gives is multiplied by its factor,
        ``(groups,)``; what was seen is forgotten."""
        before = torch.ones(self._patients.nobody) if self._factors is None else self._factors[:-1]
        self._factors = torch.cat([before * factors, torch.ones(1)])
        self.forget()

    def step(self, cases: Tensor) -> None:
        """The next forward pass is of these examples, ``(B,)`` int64."""
        self._now = cases

    def outputs(self, outputs: Tensor) -> None:
        """The network's outputs in this step, ``(B, outputs)``, before the backward pass."""
        if self._alone and outputs.requires_grad:
            if self._factors is not None:
                factors = self._factors[self._patients.groups(self._now)][:, None].to(outputs.device)
                outputs.register_hook(lambda slope: slope * factors)
            outputs.retain_grad()
            self.slopes(self._now, outputs)

    def seen(self, cases: Tensor, slopes: Tensor) -> Tensor:
        """`slopes` of a head in whose gradient some patients may be shortened (`shorten`): of what the gradient is to
        be made, ``(B, outputs)``."""
        if self._factors is not None:
            slopes = slopes * self._factors[self._patients.groups(cases)][:, None].to(slopes.device)
        self._head.add(cases, slopes)
        return slopes

    def slopes(self, cases: Tensor, slopes: Tensor) -> None:
        """The derivative of the loss by the outputs of these examples, ``(B, outputs)``, of a head that is trained in
        another place; or outputs that will have it as their gradient."""
        self._head.add(cases, slopes)

    def _hook(self, path: str) -> Callable[..., None]:
        def passed(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
            if not (isinstance(output, Tensor) and output.requires_grad):
                return
            seen: Callable[[Tensor], Tensor] | None = getattr(module, "inputs", None)
            groups = self._patients.groups(self._now).to(output.device)
            with torch.no_grad():
                inputs = given[0] if seen is None else seen(given[0])
                rows = torch.linalg.vector_norm(inputs, dim=tuple(range(1, inputs.ndim)))
                lengths = torch.linalg.vector_norm(rows.reshape(len(groups), -1), dim=1, keepdim=True)
            if output.ndim == 2 and len(output) == len(groups):
                self.vectors.add(path)
            channels = output.ndim > 3 and not isinstance(module, nn.Linear)
            output.register_hook(
                lambda slope: self._add(path, groups, _by_unit(slope, len(groups), channels) * lengths)
            )

        return passed

    def _add(self, path: str, groups: Tensor, gave: Tensor) -> None:
        if path not in self._found:
            self._found[path] = torch.zeros(self._patients.nobody + 1, gave.shape[1], device=gave.device)
        self._found[path].index_add_(0, groups, gave.float())
        self._few.clear()


def holders(network: nn.Module, trained: Collection[str]) -> list[str]:
    """Paths of the modules that themselves hold a trained matrix.

    Args:
        trained: names in ``network``.
    """
    found = []
    for path, module in network.named_modules():
        own = module.named_parameters(prefix=path, recurse=False)
        if any(tensor.ndim > 1 and name in trained for name, tensor in own):
            found.append(path)
    return found


def _by_unit(slope: Tensor, cases: int, channels: bool) -> Tensor:
    """Each case's derivative by each unit, ``(cases, units)``: with its sign, or its length over positions; a case may
    have several rows of a batch (windows).

    Args:
        channels: whether units are the second dimension (of images), not the last.
    """
    if slope.ndim == 2 and len(slope) == cases:
        return slope
    unit = 1 if channels else slope.ndim - 1
    positions = [at for at in range(1, slope.ndim) if at != unit]
    squares = slope.square()  # in memory's own order: a norm over the last dimensions takes fifty times as long
    rows = squares.sum(dim=positions) if positions else squares
    return rows.reshape(cases, -1, rows.shape[1]).sum(dim=1).sqrt()


def effective(sums: Tensor) -> Tensor:
    """The effective number of patients behind each unit, ``(units,)`` float64; 0 of one without any gradient.

    Args:
        sums: ``(patients, units)``, what each patient gave to each unit.
    """
    wide = _scaled(sums)
    return wide.sum(dim=0).square() / wide.square().sum(dim=0).clamp_min(_TINY)


def rests_on_few(sums: Tensor, least: int) -> Tensor:
    """Which units have a gradient that rests on fewer than ``least`` patients, or nearly all on one (`is_of_one`),
    ``(units,)`` bool."""
    if least <= 1:
        return torch.zeros(sums.shape[1], dtype=torch.bool)
    sizes = np.abs(sums.cpu().numpy().T, dtype=np.float64)
    squares, whole, most = np.vecdot(sizes, sizes), np.add.reduce(sizes, axis=1), np.maximum.reduce(sizes, axis=1)
    few = (whole * whole < least * squares) | (most * most > NEARLY_ALL * squares)  # neither of a unit without squares
    return torch.from_numpy(few)


def is_of_one(sums: Tensor, share: float = NEARLY_ALL) -> Tensor:
    """Which units are so much of one patient that they can be read as that one's inputs, ``(units,)`` bool.

    ``share`` of the squares are that one's. What many give adds up to the root of their squares unless their inputs
    are alike, so that one who gives much can be read though the effective number is large: with four fifths at a
    correlation of 0.89.
    """
    squares = _scaled(sums) ** 2
    most = squares.amax(dim=0)
    return (most > 0) & (most > share * squares.sum(dim=0))


def _scaled(sums: Tensor) -> Tensor:
    """Sizes, of which each unit's largest is 1 (squares of very small numbers would be 0)."""
    wide = sums.double().abs()
    return wide / wide.amax(dim=0).clamp_min(_TINY)
