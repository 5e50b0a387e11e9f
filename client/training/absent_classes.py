"""``loss.absent``: keep a site that has only some of the classes from unlearning the others.

``mask``: outputs for absent classes get no gradient (`fedgraft.common.interfaces.task.Task.mask`).

``distil``: also distil the received model's outputs for the absent classes (`fedgraft.common.tasks.absent`).
"""

from __future__ import annotations

from torch import Tensor, nn

from fedgraft.client.training.loop import LossFunction, StepOutput, Term
from fedgraft.common.interfaces.task import AnyTask


class Masked(nn.Module):
    """A loss whose gradient does not reach outputs that the site can't learn.

    Args:
        loss: ``(outputs, labels) -> scalar``; no label is an absent class.
        task: decides how outputs are masked.
        learnable: ``(outputs,)`` bool: whether the site has the cases to learn an output from.
    """

    def __init__(self, loss: LossFunction, task: AnyTask, learnable: Tensor) -> None:
        super().__init__()
        self.loss = loss
        self.task = task
        self.learnable: Tensor
        self.register_buffer("learnable", learnable)

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """``outputs (B, outputs)`` and ``B`` labels -> scalar."""
        masked: Tensor = self.loss(*self.task.mask(outputs, labels, self.learnable))
        return masked


def distilled(received: Tensor, task: AnyTask, learnable: Tensor) -> Term:
    """The distillation term of the loss, for outputs that the site can't learn.

    Args:
        received: ``(N, outputs)`` float32: the received model's outputs on the training cases.
        task: measures how far outputs are from these.
        learnable: ``(outputs,)`` bool, not all true.
    """

    def term(seen: StepOutput) -> Tensor:
        device = seen.outputs.device
        return task.divergence(received[seen.cases].to(device), seen.outputs, learnable.to(device))

    return term
