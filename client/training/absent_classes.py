"""A site that has only some of the classes does not unlearn the others (``loss.absent``).

``mask``: no loss reaches what the site lacks (`fedgraft.common.interfaces.task.Task.mask`).

``distil``: `mask`, and the model that the site received teaches what it knew of the absent classes
(`fedgraft.common.tasks.absent`).
"""

from __future__ import annotations

from torch import Tensor, nn

from fedgraft.client.training.loop import LossFunction, StepOutput, Term
from fedgraft.common.interfaces.task import AnyTask


class Masked(nn.Module):
    """A loss that teaches nothing of what the site lacks.

    Args:
        loss: ``outputs, labels -> scalar``; no label is an absent class.
        task: says how an output is left out.
        learnable: ``(outputs,)`` bool.
    """

    def __init__(self, loss: LossFunction, task: AnyTask, learnable: Tensor) -> None:
        super().__init__()
        self.loss = loss
        self.task = task
        self.learnable: Tensor
        self.register_buffer("learnable", learnable)

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """A batch's outputs and labels, as of the task -> scalar."""
        masked: Tensor = self.loss(*self.task.mask(outputs, labels, self.learnable))
        return masked


def distilled(received: Tensor, task: AnyTask, learnable: Tensor) -> Term:
    """What a step adds to the loss.

    Args:
        received: ``(N, outputs)`` float32: the received model's outputs on the training cases.
        task: says how far outputs are from these.
        learnable: ``(outputs,)`` bool, not all of them.
    """

    def term(seen: StepOutput) -> Tensor:
        device = seen.outputs.device
        return task.divergence(received[seen.cases].to(device), seen.outputs, learnable.to(device))

    return term
