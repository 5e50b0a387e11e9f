"""Noisy steps of linear heads in closed form, of one site or of many at once.

The gradient of a case by a linear head's weight is an outer product ``r x^T`` of the derivatives by its outputs and of
its inputs, so that no case's gradient need be written out. A patient's cases add up to a vector whose square is the sum
of ``(r_i . r_j) (x_i . x_j + 1)`` over pairs of them (1 for the bias), and what is told is the sum of ``f r x^T`` with
a factor ``f`` for each patient: Goodfellow 2015, "Efficient per-example gradient computations", for patients with
several cases. The sums that `fedgraft.client.privacy.case_gradients` finds for any graft.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.client.privacy.clipping import Patients
from fedgraft.client.privacy.steps import NoisySteps, by_name, diverged, move
from fedgraft.client.training.loop import LocalTraining, LossFunction, build_optimizer
from fedgraft.common.errors import PlanError
from fedgraft.common.heads.heads import Linear
from fedgraft.common.heads.linear_shape import BIAS, WEIGHT
from fedgraft.common.heads.projected import Projected
from fedgraft.common.losses.suitability import total
from fedgraft.common.privacy.noise import drawn, with_noise

_LINEAR = (nn.Linear, Linear, Projected)
"""Not what derives from them, which may do other things to outputs."""
_MOST_NUMBERS, _MOST_PAIRS = 128_000_000, 4_000_000
"""Numbers of inputs that are held (512 MB), and pairs of cases of one patient."""
_AT_ONCE = 4096
Weights = dict[str, Tensor]


def in_closed_form(network: nn.Module, trained: Mapping[str, Tensor], how: Sequence[NoisySteps]) -> bool:
    """Whether a network is a linear head of which all is trained, and the sites' cases are few enough to be held.

    Args:
        trained: by name in ``network``.
    """
    if type(network) not in _LINEAR or {name for name, _ in network.named_parameters()} != set(trained):
        return False
    sizes = torch.cat([one.patients.group.bincount() for one in how])
    pairs = int((sizes * (sizes - 1)).sum()) // 2
    return int(sizes.sum()) * trained[WEIGHT].shape[1] <= _MOST_NUMBERS and pairs <= _MOST_PAIRS


def train_linear(
    head: nn.Module,
    start: Mapping[str, Tensor],
    tasks: Sequence[LocalTraining],
    how: Sequence[NoisySteps],
    device: torch.device,
) -> list[Weights | PlanError]:
    """Train a linear head at each of some sites, which take the same number of steps with the same noise and bound.

    Args:
        head: its own weights are not changed.
        start: its weights by name.

    Returns:
        each site's weights in the order of ``tasks``; an error for a site whose weights did not stay finite.

    Raises:
        BoundsError: the training took longer than one of the sites allows.
    """
    sites, first = _Sites.of(head, tasks, how, device), tasks[0]
    stacked = {name: torch.stack([value.to(device)] * len(tasks)).requires_grad_() for name, value in start.items()}
    optimizer = build_optimizer(stacked, first)
    centres = first.centres(stacked, device)
    for _ in range(how[0].steps):
        for task in tasks:
            task.require_time()
        move(optimizer, stacked, sites.noisy_means(stacked, how), first, centres)
    each = [{name: value[place].detach().clone() for name, value in stacked.items()} for place in range(len(tasks))]
    return [diverged(own.values(), task.lr) or own for own, task in zip(each, tasks, strict=True)]


def pairs_of(patients: Patients) -> Tensor:
    """The pairs of different cases of one patient, each once, ``(2, P)`` int64."""
    order = torch.argsort(patients.group, stable=True)
    ends = accumulate(patients.group.bincount().tolist(), initial=0)
    some = [order[a:b][torch.combinations(torch.arange(b - a)).T] for a, b in pairwise(ends) if b - a > 1]
    return torch.cat(some, dim=1) if some else torch.zeros(2, 0, dtype=torch.int64)


@dataclass(frozen=True)
class _Sites:
    """The cases of some sites, one site's after another's.

    Attributes:
        inputs: of each site, as the weights see them, ``(N, F)`` float32; of a case that is not finite zeros.
        labels: of all N cases.
        losses: and the places of the cases that each is for.
        group: the patient of each case, of all sites, ``(N,)`` int64.
        squares: of the cases' lengths, and 1 for the bias, ``(N,)`` float64; infinite for a case that is not finite.
        pairs: of cases of one patient, ``(2, P)``; ``products``: of their inputs, and 1 for the bias, ``(P,)`` float64.
    """

    inputs: tuple[Tensor, ...]
    labels: Tensor
    losses: tuple[tuple[LossFunction, Tensor], ...]
    group: Tensor
    squares: Tensor
    pairs: Tensor
    products: Tensor

    @classmethod
    def of(
        cls, head: nn.Module, tasks: Sequence[LocalTraining], how: Sequence[NoisySteps], device: torch.device
    ) -> _Sites:
        one = float(dict(head.named_parameters()).get(BIAS) is not None)
        inputs, squares, products = list[Tensor](), list[Tensor](), list[Tensor]()
        pairs = [pairs_of(site.patients) for site in how]
        for task, own in zip(tasks, pairs, strict=True):
            seen, known = _inputs(head, task, device)
            inputs.append(seen)
            squares.append(torch.where(known, seen.double().square().sum(dim=1) + one, torch.inf))
            some = own.to(device).split(_AT_ONCE, dim=1)
            products += [(seen[a].double() * seen[b].double()).sum(dim=1) + one for a, b in some]
        cases = list(accumulate((len(one) for one in inputs), initial=0))
        patients = accumulate((site.patients.count for site in how), initial=0)
        return cls(
            inputs=tuple(inputs),
            labels=torch.cat([task.examples.labels for task in tasks]).to(device),
            losses=_losses(tasks, cases),
            group=torch.cat([site.patients.group + k for site, k in zip(how, patients, strict=False)]).to(device),
            squares=torch.cat(squares),
            pairs=torch.cat([own + k for own, k in zip(pairs, cases, strict=False)], dim=1).to(device),
            products=torch.cat(products),
        )

    def noisy_means(self, weights: Mapping[str, Tensor], how: Sequence[NoisySteps]) -> dict[str, Tensor]:
        """Each site's noisy sum over the patients who are drawn, divided by the number that is expected, float64 on the
        CPU; of nobody it is noise alone.

        Args:
            weights: by name, of all sites, ``(S, ...)``.
        """
        there = torch.from_numpy(np.concatenate([drawn(one.patients.count, one.sampled) for one in how]))
        sums = self.bounded_sums(weights, there, how[0].bound)
        expected = np.array([[one.sampled * one.count] for one in how])
        told = with_noise(sums.numpy().reshape(-1), how[0].bound, how[0].noise).reshape(sums.shape) / expected
        return by_name(torch.from_numpy(told), weights)

    def bounded_sums(self, weights: Mapping[str, Tensor], there: Tensor, bound: float) -> Tensor:
        """Each site's sum of its patients' bounded gradients, ``(S, D)`` float64 on the CPU, in the order of
        ``weights``.

        Args:
            there: which patients of all sites count, bool.
        """
        slopes = self._slopes(weights)
        known = torch.isfinite(slopes).all(dim=1)
        wide = torch.where(known[:, None], slopes, 0.0).double()
        alone = torch.where(known, wide.square().sum(dim=1), torch.inf) * self.squares
        a, b = self.pairs
        both = 2 * (wide[a] * wide[b]).sum(dim=1) * self.products
        square = torch.zeros(len(there), dtype=torch.float64, device=wide.device)
        square = square.index_add(0, self.group, alone).index_add(0, self.group[a], both)
        factor = torch.where(torch.isfinite(square), bound / square.clamp(min=bound**2).sqrt(), 0.0)
        scaled = wide * (factor * there.to(factor.device))[self.group][:, None]
        found = []
        for rows, inputs in zip(scaled.split([len(one) for one in self.inputs]), self.inputs, strict=True):
            own = {WEIGHT: _product(rows, inputs), BIAS: rows.sum(dim=0)}
            found.append(torch.cat([own[name].reshape(-1) for name in weights]))
        return torch.stack(found).cpu()

    def _slopes(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The derivatives of each case's loss by its outputs, ``(N, C)`` float32."""
        bias = weights.get(BIAS, [None] * len(self.inputs))
        with torch.no_grad():
            each = zip(self.inputs, weights[WEIGHT], bias, strict=True)
            outputs = torch.cat([functional.linear(inputs, weight, own) for inputs, weight, own in each])
        outputs.requires_grad_()
        with torch.enable_grad():
            parts = [total(loss, outputs[places], self.labels[places]) for loss, places in self.losses]
            (slopes,) = torch.autograd.grad(torch.stack(parts).sum(), outputs)
        return slopes


def _product(rows: Tensor, inputs: Tensor) -> Tensor:
    """``rows.T @ inputs``, float64; in float32 for some cases at a time, so that what one patient gives is not lost or
    made longer in the rounding of a large sum."""
    parts = zip(rows.to(inputs.dtype).split(_AT_ONCE), inputs.split(_AT_ONCE), strict=True)
    return torch.stack([(some.T @ seen).double() for some, seen in parts]).sum(dim=0)


def _inputs(head: nn.Module, task: LocalTraining, device: torch.device) -> tuple[Tensor, Tensor]:
    """A site's cases as the weights see them, with zeros for one that is not finite, and which are finite."""
    with torch.no_grad():
        given = task.examples.batch(torch.arange(len(task.examples))).to(device)
        seen: Tensor = getattr(head, "inputs", lambda features: features)(given)
        known = torch.isfinite(seen).all(dim=1)
        return torch.where(known[:, None], seen, 0.0), known


def _losses(tasks: Sequence[LocalTraining], cases: Sequence[int]) -> tuple[tuple[LossFunction, Tensor], ...]:
    """The different losses, and the places of the cases that each is for."""
    places: dict[int, list[Tensor]] = {}
    losses = {id(task.loss): task.loss for task in tasks}
    for task, (a, b) in zip(tasks, pairwise(cases), strict=True):
        places.setdefault(id(task.loss), []).append(torch.arange(a, b))
    return tuple((losses[key], torch.cat(some)) for key, some in places.items())
