"""The loss over all of a site's training cases, summed, and its gradient by the head's weights.

Outputs are computed in float32 or float64, as the plan says; losses are summed up in float64.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from fedgraft.client.features.examples import Examples
from fedgraft.client.training.before_head import HeadInputs, cases_at_once, head_of, inputs_to_use, parts_of
from fedgraft.client.training.loop import LossFunction
from fedgraft.common.errors import DivergenceError
from fedgraft.common.losses.suitability import total


class SummedLoss(NamedTuple):
    """A sum over cases, its gradient by name of the head's parameter, and its derivative by each case's outputs,
    ``(N, outputs)``, summed over views; float64 on the CPU."""

    loss: float
    gradient: dict[str, Tensor]
    residuals: Tensor


@dataclass(frozen=True)
class FullBatch:
    """A site's training cases as the head takes them.

    Several views of a case count as one: the loss is the mean over views.

    Attributes:
        head: a copy in the precision of the fit, which `summed_loss` overwrites.
        takes: what turns the kept inputs into outputs: the head, or its ``score``.
        views: for each view, the inputs of all cases, ``(N, F)`` float32, held or read again for each use.
        labels: N rows; floating-point ones as float64.
    """

    head: nn.Module
    takes: Callable[[Tensor], Tensor]
    views: tuple[HeadInputs, ...]
    labels: Tensor

    def summed_loss(self, weights: Mapping[str, Tensor], loss: LossFunction) -> SummedLoss:
        """The loss at these weights.

        Args:
            weights: by name in the head; the parameters by which to differentiate.
            loss: in float64 (`widened`).

        Raises:
            DivergenceError: it is not finite.
        """
        outputs = self.outputs(weights)
        return self.differentiated(self.mean_over_views(outputs, loss), outputs, weights)

    def outputs(self, weights: Mapping[str, Tensor]) -> list[Tensor]:
        """The outputs at these weights, ``(N, outputs)`` for each view; they can be differentiated."""
        parameters = dict(self.head.named_parameters())
        with torch.no_grad():
            for name, tensor in weights.items():
                parameters[name].copy_(tensor)
        dtype = next(iter(parameters.values())).dtype
        return [_outputs(self.takes, inputs, dtype) for inputs in self.views]

    @cached_property
    def lengths(self) -> Tensor:
        """The length of each case's inputs, view 0, ``(N,)`` float32 on the CPU."""
        return torch.cat([torch.linalg.vector_norm(part, dim=1) for part in parts_of(self.views[0])]).cpu()

    def mean_over_views(self, outputs: Sequence[Tensor], loss: LossFunction) -> Tensor:
        """The summed loss of these outputs, a scalar."""
        return torch.stack([total(loss, some, self.labels) for some in outputs]).mean()

    def differentiated(self, found: Tensor, outputs: Sequence[Tensor], weights: Iterable[str]) -> SummedLoss:
        """A summed loss of outputs with its gradient by the named parameters, at the weights that were last given.

        Raises:
            DivergenceError: it is not finite.
        """
        if not bool(torch.isfinite(found)):
            raise DivergenceError("the loss over all training cases is not finite at the weights that came")
        parameters, names = dict(self.head.named_parameters()), tuple(weights)
        # a parameter that the outputs do not depend on has no gradient: 0
        asked = [*(parameters[name] for name in names), *outputs]
        slopes = torch.autograd.grad(found, asked, allow_unused=True, materialize_grads=True)
        wide = {name: slope.double() for name, slope in zip(names, slopes[: len(names)], strict=True)}
        residuals = torch.stack(slopes[len(names) :]).sum(dim=0).double().cpu()
        return SummedLoss(float(found.detach()), wide, residuals)


def full_batch(network: nn.Module, examples: Examples, device: torch.device, dtype: torch.dtype) -> FullBatch:
    """The training cases (at least one) as the head of ``network``, in its present state, takes them.

    What a head with ``inputs`` and ``score`` (`fedgraft.common.heads.heads`) does before its weights is done here,
    once.

    Args:
        dtype: in which outputs are computed.
    """
    head = copy.deepcopy(head_of(network)).to(dtype).eval()
    split = hasattr(head, "inputs") and hasattr(head, "score")
    views = tuple(inputs_to_use(network, examples.of_view(view), device, split) for view in range(examples.views))
    labels = examples.labels.double() if examples.labels.is_floating_point() else examples.labels
    takes: Callable[[Tensor], Tensor] = head.score if split else head  # type: ignore[assignment]
    return FullBatch(head, takes, views, labels)


def widened(loss: LossFunction) -> LossFunction:
    """A copy of a loss whose buffers are float64."""
    return copy.deepcopy(loss).double() if isinstance(loss, nn.Module) else loss


def _outputs(takes: Callable[[Tensor], Tensor], inputs: HeadInputs, dtype: torch.dtype) -> Tensor:
    """Outputs of all cases, float64. Inputs that must be read or widened for that are, in parts if they are many, and
    again for the gradient."""
    if isinstance(inputs, Tensor) and dtype == inputs.dtype:
        return takes(inputs).double()
    size = cases_at_once(inputs)
    if len(inputs) <= size:
        return takes(inputs[:].to(dtype)).double()

    def part(start: int) -> Tensor:
        return takes(inputs[start : start + size].to(dtype)).double()

    return torch.cat([checkpoint(part, start, use_reentrant=False) for start in range(0, len(inputs), size)])
