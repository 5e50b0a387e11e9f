"""A site that has only some of the classes does not unlearn the others (``loss.absent``).

``mask``: classes of which the site has no training case are left out of the softmax, so that no loss reaches their
logits (restricted softmax; Li & Zhan, IJCAI 2021). A finding of which the site has one side only counts as unknown.

``distil``: `mask`, and the model that the site received teaches what it knew of the absent classes. The classes that
the site has are taken as one event, so that learning among them stays free (as the background's in Cermelli et al.,
CVPR 2020): ``KL(received || own)`` over that event and each absent class. For findings, it is the mean over absent ones
of the KL between their two sides.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.client.training.loop import LossFunction, StepOutput, Term


class MaskedClasses(nn.Module):
    """A loss of classes, with the absent ones' logits at minus infinity.

    Args:
        loss: ``(B, C), (B,) -> scalar``; no label is an absent class.
        present: ``(C,)`` bool.
    """

    def __init__(self, loss: LossFunction, present: Tensor) -> None:
        super().__init__()
        self.loss = loss
        self.present: Tensor
        self.register_buffer("present", present)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """``(B, C)`` float32 and ``(B,)`` int64 -> scalar."""
        masked: Tensor = self.loss(logits.masked_fill(~self.present.to(logits.device), -torch.inf), labels)
        return masked


class MaskedFindings(nn.Module):
    """A loss of findings, with the absent ones' labels unknown.

    Args:
        loss: ``(B, C), (B, C) -> scalar``; it leaves out labels that are NaN.
        present: ``(C,)`` bool.
    """

    def __init__(self, loss: LossFunction, present: Tensor) -> None:
        super().__init__()
        self.loss = loss
        self.present: Tensor
        self.register_buffer("present", present)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """``(B, C)`` float32 and ``(B, C)`` float32 -> scalar."""
        masked: Tensor = self.loss(logits, labels.masked_fill(~self.present.to(labels.device), torch.nan))
        return masked


def distilled(received: Tensor, present: Tensor, divergence: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Term:
    """What a step adds to the loss.

    Args:
        received: ``(N, C)`` float32: the received model's outputs on the training cases.
        present: ``(C,)`` bool, not all of them.
        divergence: `class_divergence` or `finding_divergence`.
    """

    def term(seen: StepOutput) -> Tensor:
        device = seen.outputs.device
        return divergence(received[seen.cases].to(device), seen.outputs, present.to(device))

    return term


def class_divergence(teacher: Tensor, student: Tensor, present: Tensor) -> Tensor:
    """Mean over cases of ``KL(teacher || student)`` over the absent classes and all present ones as one, in nats.

    Args:
        teacher, student: logits ``(B, C)`` float32.
        present: ``(C,)`` bool.
    """
    old, new = _as_one(teacher, present), _as_one(student, present)
    return functional.kl_div(new, old, reduction="batchmean", log_target=True)


def finding_divergence(teacher: Tensor, student: Tensor, present: Tensor) -> Tensor:
    """Mean over cases and absent findings of the KL between a finding's two sides, in nats; arguments as above."""
    old, new = teacher[:, ~present], student[:, ~present]
    cross = functional.binary_cross_entropy_with_logits(new, old.sigmoid())
    return cross - functional.binary_cross_entropy_with_logits(old, old.sigmoid())


def _as_one(logits: Tensor, present: Tensor) -> Tensor:
    """``(B, 1 + absent)``: log probability of the present classes together, and of each absent one."""
    log_p = functional.log_softmax(logits, dim=1)
    return torch.cat([log_p[:, present].logsumexp(dim=1, keepdim=True), log_p[:, ~present]], dim=1)
