"""Mixed cases: mixup (Zhang et al., ICLR 2018) and CutMix (Yun et al., ICCV 2019)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fedgraft.common.plan import Plan


@dataclass(frozen=True)
class Mixed:
    """A batch whose case i is, to ``share``, itself, and for the rest case ``partner[i]`` of the batch.

    Attributes:
        inputs: ``(B, *shape)`` float32.
        partner: ``(B,)`` int64.
    """

    inputs: Tensor
    partner: Tensor
    share: float

    def loss(self, loss: Callable[[Tensor, Tensor], Tensor], outputs: Tensor, labels: Tensor) -> Tensor:
        """``share * loss(own labels) + (1 - share) * loss(the partners' labels)``."""
        own = loss(outputs, labels)
        return self.share * own + (1 - self.share) * loss(outputs, labels[self.partner.to(labels.device)])


@dataclass(frozen=True)
class Mixing:
    """How batches are mixed; each ``alpha`` is that of Beta(alpha, alpha), 0 for never."""

    mixup: float
    cutmix: float

    def mix(self, inputs: Tensor, generator: torch.Generator) -> Mixed:
        raise NotImplementedError


def mixing_of(plan: Plan) -> Mixing | None:
    """What the plan's ``augment`` says of mixing; ``None`` for nothing."""
    return None
