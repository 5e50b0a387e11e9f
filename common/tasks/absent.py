"""The distillation loss for classes that a site lacks (``loss.absent=distil``).

For classes: ``KL(received || own)`` over the absent classes and one event "any present class", so that the loss does
not constrain learning among the present ones (as for the background class in Cermelli et al., CVPR 2020). For findings:
the mean over absent findings of the KL divergence between Bernoulli distributions.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def class_divergence(teacher: Tensor, student: Tensor, present: Tensor) -> Tensor:
    """Mean over cases of ``KL(teacher || student)`` over the absent classes and all present ones as one, in nats.

    Args:
        teacher, student: logits ``(B, C)`` float32.
        present: ``(C,)`` bool.
    """
    old, new = _as_one(teacher, present), _as_one(student, present)
    return functional.kl_div(new, old, reduction="batchmean", log_target=True)


def finding_divergence(teacher: Tensor, student: Tensor, present: Tensor) -> Tensor:
    """Mean over cases and absent findings of the KL divergence between Bernoulli distributions, in nats.

    Args:
        teacher, student: log odds ``(B, C)`` float32.
        present: ``(C,)`` bool.
    """
    old, new = teacher[:, ~present], student[:, ~present]
    cross = functional.binary_cross_entropy_with_logits(new, old.sigmoid())
    return cross - functional.binary_cross_entropy_with_logits(old, old.sigmoid())


def _as_one(logits: Tensor, present: Tensor) -> Tensor:
    """``(B, 1 + absent)``: log probability of the present classes together, and of each absent one."""
    log_p = functional.log_softmax(logits, dim=1)
    return torch.cat([log_p[:, present].logsumexp(dim=1, keepdim=True), log_p[:, ~present]], dim=1)
