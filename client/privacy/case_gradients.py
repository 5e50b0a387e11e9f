"""The gradient of each case by all that is trained, and their sum, to which each patient gives a bounded part.

For any graft whose outputs for a case depend on that case alone. The network is run once over all cases; each module
that owns trained parameters then takes its own inputs and the derivatives by its outputs, case by case (`torch.func`),
as Opacus does (Yousefpour et al. 2021). `benchmarks/case_gradients.py` measures both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.func import functional_call, grad, vjp, vmap

from fedgraft.client.privacy.clipping import Patients
from fedgraft.client.training.loop import LossFunction
from fedgraft.common.losses.suitability import total

_NUMBERS_AT_ONCE, _CASES_AT_ONCE = 16_000_000, 64


def case_gradients(
    network: nn.Module, trained: Mapping[str, Tensor], loss: LossFunction, inputs: Tensor, labels: Tensor
) -> Tensor:
    """The gradient of each case's loss by the trained parameters, one after another, ``(B, D)`` float32.

    Args:
        trained: by name in ``network``, which is in the mode in which it is trained.
        inputs: ``(B, *shape)`` float32.
        labels: B rows.
    """
    owners = _owners(network, trained)
    calls = _Calls(list(owners))
    with torch.enable_grad(), calls.noted():
        found = total(loss, network(inputs), labels)
    if not calls.are_known:
        return through_all(network, trained, loss, inputs, labels)
    made = [call for module in owners for call in calls.of[module]]
    slopes = torch.autograd.grad(found, [call.made for call in made], allow_unused=True)
    each = {name: torch.zeros(len(inputs), one.numel(), device=one.device) for name, one in trained.items()}
    for call, slope in zip(made, slopes, strict=True):
        if slope is not None:
            for own, rows in _by_case(call, slope).items():
                each[owners[call.module] + own] += rows.flatten(1)
    return torch.cat([each[name] for name in trained], dim=1)


def through_all(
    network: nn.Module, trained: Mapping[str, Tensor], loss: LossFunction, inputs: Tensor, labels: Tensor
) -> Tensor:
    """`case_gradients` of a network whose trained parameters are not all in modules of one input: the whole of it is
    run for each case, vectorised."""

    def of_one(parameters: dict[str, Tensor], case: Tensor, label: Tensor) -> Tensor:
        return total(loss, functional_call(network, parameters, (case[None],)), label[None])

    parameters = {name: tensor.detach() for name, tensor in trained.items()}
    each = vmap(grad(of_one), in_dims=(None, 0, 0), randomness="different")(parameters, inputs, labels)
    return torch.cat([each[name].flatten(1) for name in trained], dim=1)


@dataclass(frozen=True)
class _Call:
    """What a module took (its version then), and where derivatives by what it made arrive."""

    module: nn.Module
    took: Tensor
    version: int
    made: GradientEdge


@dataclass(frozen=True)
class _Calls:
    """The calls of some modules in a run of the network."""

    modules: Sequence[nn.Module]
    of: dict[nn.Module, list[_Call]] = field(default_factory=dict)
    strange: list[nn.Module] = field(default_factory=list)

    def noted(self) -> ExitStack:
        """Within this context, note them."""
        stack = ExitStack()
        for module in self.modules:
            self.of[module] = []
            stack.callback(module.register_forward_hook(self._note).remove)
        return stack

    def _note(self, module: nn.Module, took: tuple[object, ...], made: object) -> None:
        given = took[0] if len(took) == 1 else None
        if isinstance(given, Tensor) and isinstance(made, Tensor) and made.requires_grad:
            self.of[module].append(_Call(module, given, given._version, get_gradient_edge(made)))
        else:
            self.strange.append(module)

    @property
    def are_known(self) -> bool:
        """Whether each module was called with one tensor, which is still what it was."""
        kept = all(call.took._version == call.version for some in self.of.values() for call in some)
        return kept and not self.strange and all(self.of.values())


def _owners(network: nn.Module, trained: Mapping[str, Tensor]) -> dict[nn.Module, str]:
    """The modules that own trained parameters, with what their names begin with."""
    names = dict.fromkeys(name.rpartition(".")[0] for name in trained)
    return {network.get_submodule(name): f"{name}." if name else "" for name in names}


def _by_case(call: _Call, slope: Tensor) -> dict[str, Tensor]:
    """Derivatives by a module's own trained parameters for each case.

    Args:
        slope: derivatives by what it made.
    """
    module = call.module
    own = {name: one.detach() for name, one in module.named_parameters(recurse=False) if one.requires_grad}

    def of_one(took: Tensor, by: Tensor) -> dict[str, Tensor]:
        back = vjp(lambda parameters: functional_call(module, parameters, (took[None],)), own)[1]
        found: dict[str, Tensor] = back(by[None])[0]
        return found

    made: dict[str, Tensor] = vmap(of_one)(call.took.detach(), slope)
    return made


def cases_at_once(numbers: int) -> int:
    """Of how many cases gradients by so many numbers are held at the same time."""
    return max(1, min(_CASES_AT_ONCE, _NUMBERS_AT_ONCE // max(1, numbers)))


def bounded_sum(parts: Iterator[Tensor], patients: Sequence[int], bound: float, numbers: int) -> Tensor:
    """The sum of cases' vectors, of which each patient's, added up, is shortened to ``bound``, ``(D,)`` float64.

    Args:
        parts: the vectors of some cases after those of others, ``(B, D)``.
        patients: the patient of each case; a patient's cases follow one another.
        numbers: D.
    """
    summed, whose = torch.zeros(numbers, dtype=torch.float64), iter(patients)
    open_patient: int | None = None
    open_sum = torch.zeros(numbers)
    for part in parts:
        of = [next(whose) for _ in range(len(part))]
        order = list(dict.fromkeys(of))
        place = torch.tensor([order.index(one) for one in of])
        rows = torch.zeros(len(order), numbers).index_add_(0, place, part.cpu())
        if open_patient == order[0]:
            rows[0] += open_sum
        elif open_patient is not None:
            summed += shortened(open_sum[None], bound)
        summed += shortened(rows[:-1], bound)
        open_patient, open_sum = order[-1], rows[-1]
    return summed + shortened(open_sum[None], bound)


def shortened(rows: Tensor, bound: float) -> Tensor:
    """The sum of rows ``(P, D)``, each shortened to ``bound``, ``(D,)`` float64; one that is not finite is left out."""
    lengths = rows.norm(dim=1)
    known = torch.isfinite(lengths)
    by: Tensor = bound / lengths[known].clamp(min=bound)
    return (by @ rows[known]).double()


def in_order(chosen: Tensor, patients: Patients) -> Tensor:
    """The cases of chosen patients, a patient's one after another, int64.

    Args:
        chosen: by patient, ``(patients,)`` bool.
    """
    group = patients.group
    found: Tensor = torch.argsort(group, stable=True)
    return found[chosen[group[found]]]
