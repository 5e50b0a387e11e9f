"""Cross-entropy corrected for the prevalence of the classes: logit adjustment, or balanced softmax."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common.errors import PlanError


class LogitAdjusted(nn.Module):
    """Cross-entropy of ``logits + tau * log(prior)`` (Menon et al., ICLR 2021, equation 10).

    With ``tau`` 1 it is balanced softmax (Ren et al., NeurIPS 2020, equation 4). The network learns logits as if every
    class were equally common, and is evaluated without the prior. A class without cases has prior 0, so that its logit
    gets no gradient: with the site's own prior (``loss.prior=local``) a site does not unlearn the classes that it lacks
    (Zhang et al., ICML 2022).

    Args:
        class_counts: ``(C,)`` float32, cases by class.
        tau: factor of the log prior; above 0.

    Raises:
        PlanError: ``tau`` is not above 0.
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    leaves_out_absent: ClassVar[bool] = True

    def __init__(self, class_counts: Tensor, tau: float = 1.0) -> None:
        super().__init__()
        if not tau > 0:
            raise PlanError(f"loss.tau={tau} must be above 0; at 0 it is cross-entropy: use loss=cross_entropy")
        self.adjustment: Tensor
        self.register_buffer("adjustment", tau * (class_counts / class_counts.sum()).log())

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """``(B, C)`` float32 and ``(B,)`` int64 -> scalar."""
        return functional.cross_entropy(logits + self.adjustment.to(logits.device), labels)
