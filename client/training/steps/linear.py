"""The backward pass of a linear head that is trained alone, without a graph through the head.

Of outputs ``x W^T + b`` with slopes ``s = dL/d(outputs)`` the gradients are ``s^T x`` and the sum of ``s`` over cases.
So autograd has the loss alone to go through, or nothing (`fedgraft.common.losses.slopes`), and whoever watches has the
slopes without asking for them. The same operations on the same numbers as in a backward pass through the head: bit for
bit what that gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.client.fence.units import UnitWatch
from fedgraft.common.heads.heads import Linear
from fedgraft.common.losses.slopes import knows_slopes

_PLAIN = (nn.Linear, Linear)
"""Not what derives from them, which may do other things to outputs."""


class LinearHead:
    """A linear head whose weight, and bias if it has one, are trained.

    Args:
        loss: ``(B, outputs) float32, B labels -> scalar``.
        watch: sees each step; ``None`` if nobody looks.
    """

    def __init__(self, head: nn.Linear, loss: Callable[[Tensor, Tensor], Tensor], watch: UnitWatch | None) -> None:
        self._head, self._loss, self._watch = head, loss, watch
        self._slopes = loss.with_slopes if knows_slopes(loss) else self._by_autograd
        self._inputs = head.inputs if isinstance(head, Linear) else None
        self._weight = head.weight.detach()  # the same numbers as the parameter's, also after steps
        self._bias = None if head.bias is None else head.bias.detach()

    def backward(self, cases: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
        """The loss of a step, a scalar; its gradients replace those that the parameters have.

        Args:
            cases: ``(B,)`` int64, their indices.
            inputs: ``(B, F)`` float32, on the head's device, as ``labels``.
            labels: B rows.
        """
        seen = inputs if self._inputs is None else self._inputs(inputs)
        outputs = functional.linear(seen, self._weight, self._bias)
        loss, slopes = self._slopes(outputs, labels)
        if self._watch is not None:
            slopes = self._watch.seen(cases, slopes)
        self._head.weight.grad = slopes.t().mm(seen)
        if self._bias is not None:
            self._head.bias.grad = slopes.sum(0)
        return loss.detach()

    def _by_autograd(self, outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        outputs.requires_grad_()
        loss = self._loss(outputs, labels)
        (slopes,) = torch.autograd.grad(loss, outputs)
        return loss, slopes


def is_linear(network: nn.Module, trained: Mapping[str, Tensor]) -> bool:
    """Whether a network is a linear head of which all is trained.

    Args:
        trained: by name in ``network``.
    """
    return type(network) in _PLAIN and {name for name, _ in network.named_parameters()} == set(trained)
