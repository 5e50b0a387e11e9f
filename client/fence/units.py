"""On how many patients each trained unit of an update rests.

A unit is a row of a trained matrix: an output of a linear layer, a channel of a convolution. What a case gives to the
gradient of a row is ``dL/d(output of the unit) * input``, and its length is at most ``a = |dL/d(output)| * |input|``,
norms over positions. ``a`` is summed up by patient over all of a round's training, not only its first epoch: weights
can be chosen so that a unit wakes up later. The effective number of patients behind a row is ``(sum a)^2 / sum a^2``
(Kish, Survey Sampling, 1965, section 11.7): their number if all give as much, 1 if one gives all.

Weights that isolate single patients ("trap weights": Boenisch et al., EuroS&P 2023; Fowl et al., ICLR 2022) make rows
that rest on one each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_GROUPS = 512
"""Rows of a sum. Of more patients several share a row, which can only lower the effective number."""
_KEPT = 1_000_000
"""Numbers that are kept before they are summed up."""


@dataclass(frozen=True)
class Watched:
    """A module that holds trained matrices.

    Attributes:
        names: of its trained tensors, in the network.
        sums: ``(groups, units)`` float32: what each group of patients gave to each unit; the last row is nobody's.
    """

    names: tuple[str, ...]
    sums: Tensor


class UnitWatch:
    """Watches one site's training in a round.

    Args:
        patients: of each training case; examples beyond them were made of others, and count for nobody.
        lengths: gives the length of each example as the head's weights see it, ``(examples,)`` float32; asked for only
            if the head alone is trained.
    """

    def __init__(self, patients: Sequence[str], lengths: Callable[[], Tensor]) -> None:
        number = {patient: place % _GROUPS for place, patient in enumerate(dict.fromkeys(patients))}
        self._patients, self._lengths = len(number), lengths
        self._nobody = min(len(number), _GROUPS)
        self._group = torch.tensor([number[patient] for patient in patients], dtype=torch.int64)
        self._cases, self._slopes, self._numbers = list[Tensor](), list[Tensor](), 0
        self._now = torch.empty(0, dtype=torch.int64)
        self._names: tuple[str, ...] = ()
        self._found: dict[str, Watched] = {}

    @property
    def found(self) -> dict[str, Watched]:
        """The watched modules by path, in the order of the first forward pass's gradients."""
        self._sum_up()
        return self._found

    @contextmanager
    def on(self, network: nn.Module, trained: Mapping[str, Tensor]) -> Iterator[None]:
        """Within the block, watch the modules that hold the tensors in ``trained`` (by name in ``network``)."""
        watched = {path: names for path, names in matrices(network) if names and not trained.keys().isdisjoint(names)}
        if [*watched] == [""]:  # the head alone: cheap
            self._names = watched[""]
            handles = [network.register_forward_hook(self._keep)]
        else:
            handles = [
                network.get_submodule(path).register_forward_hook(self._hook(path, names))
                for path, names in watched.items()
            ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def step(self, cases: Tensor) -> None:
        """The next forward pass is of these examples, ``(B,)`` int64."""
        self._now = cases

    def slopes(self, cases: Tensor, slope: Tensor, names: tuple[str, ...]) -> None:
        """Of these examples, the derivative of the loss by the head's outputs, ``(B, outputs)``.

        Args:
            names: of the head's trained tensors.
        """
        self._names = names
        self._cases.append(cases)
        self._slopes.append(slope)
        self._numbers += slope.numel()
        if self._numbers > _KEPT:
            self._sum_up()

    def _keep(self, module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        if output.requires_grad:
            cases = self._now
            output.register_hook(lambda slope: self.slopes(cases, slope, self._names))

    def _sum_up(self) -> None:
        """Sum up what was kept of a head's outputs."""
        if not self._slopes:
            return
        cases, slopes = torch.cat(self._cases), torch.cat(self._slopes)
        gave = slopes.abs().float() * self._lengths().to(slopes.device)[cases, None]
        self._add("", self._names, self._groups(cases).to(slopes.device), gave)
        self._cases, self._slopes, self._numbers = [], [], 0

    def _hook(self, path: str, names: tuple[str, ...]) -> Callable[..., None]:
        def passed(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
            if not (isinstance(output, Tensor) and output.requires_grad):
                return
            seen: Callable[[Tensor], Tensor] | None = getattr(module, "inputs", None)
            groups = self._groups(self._now).to(output.device)
            with torch.no_grad():
                inputs = given[0] if seen is None else seen(given[0])
                flat = inputs.reshape(len(groups), -1)
                lengths = torch.linalg.vector_norm(flat, dim=1, keepdim=True)
            channels = output.ndim > 3 and not isinstance(module, nn.Linear)
            output.register_hook(
                lambda slope: self._add(path, names, groups, _by_unit(slope, len(groups), channels) * lengths)
            )

        return passed

    def _groups(self, cases: Tensor) -> Tensor:
        real = cases < len(self._group)
        return torch.where(real, self._group[cases.clamp_max(len(self._group) - 1)], self._nobody)

    def _add(self, path: str, names: tuple[str, ...], groups: Tensor, gave: Tensor) -> None:
        if path not in self._found:
            zeros = torch.zeros(self._nobody + 1, gave.shape[1], device=gave.device)
            self._found[path] = Watched(names, zeros)
        self._found[path].sums.index_add_(0, groups, gave.float())


def matrices(network: nn.Module) -> Iterator[tuple[str, tuple[str, ...]]]:
    """By path of each module, the names (in ``network``) of its own parameters, if one of them is a matrix; else
    none."""
    for path, module in network.named_modules():
        own = {(f"{path}." if path else "") + name: p for name, p in module.named_parameters(recurse=False)}
        yield path, tuple(own) if any(p.ndim > 1 for p in own.values()) else ()


def _by_unit(slope: Tensor, cases: int, channels: bool) -> Tensor:
    """The length, over positions, of each case's derivative by each unit: ``(cases, units)``; a case may have several
    rows of a batch (windows).

    Args:
        channels: whether units are the second dimension (of images), not the last.
    """
    if slope.ndim == 2 and len(slope) == cases:
        return slope.abs()
    if channels and len(slope) == cases:
        return torch.linalg.vector_norm(slope.flatten(2), dim=2)
    last = slope.movedim(1, -1) if channels else slope
    return torch.linalg.vector_norm(last.reshape(cases, -1, last.shape[-1]), dim=1)


def effective(sums: Tensor) -> Tensor:
    """The effective number of patients behind each unit, ``(units,)`` float64; 0 of one without any gradient.

    Args:
        sums: ``(patients, units)``, what each patient gave to each unit, not negative.
    """
    wide = sums.double()
    wide = wide / wide.amax(dim=0).clamp_min(_TINY)  # squares of very small numbers would be 0
    return wide.sum(dim=0) ** 2 / (wide**2).sum(dim=0).clamp_min(_TINY)


_TINY = torch.finfo(torch.float64).tiny
