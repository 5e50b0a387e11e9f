"""Mixed cases: mixup (Zhang et al., ICLR 2018) and CutMix (Yun et al., ICCV 2019).

The inputs of training are mixed: normalised images, or the kept outputs of the constant part (manifold mixup, Verma et
al., ICML 2019). `fedgraft.common.models.effects` refuses plans whose inputs can't be mixed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fedgraft.common.plan.plan import Plan


@dataclass(frozen=True)
class Mixed:
    """A batch in which case i is mixed with case ``partner[i]``.

    Attributes:
        inputs: the mixed inputs, ``(B, *shape)`` float32.
        partner: ``(B,)`` int64, indices into the batch.
        share: of the case itself, 0 to 1; its partner has the rest.
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
    """How batches are mixed: ``mixup`` and ``cutmix`` are the alphas of Beta(alpha, alpha), 0 for never.

    With both, each batch is mixed in one of the two ways, with equal probability.
    """

    mixup: float
    cutmix: float

    def mix(self, inputs: Tensor, generator: torch.Generator) -> Mixed:
        """Mix one batch, ``(B, *shape)`` float32; for CutMix ``shape`` is ``(C, H, W)``. ``inputs`` is not changed."""
        seed = int(torch.randint(2**53, (), generator=generator))
        rng = np.random.default_rng(seed)  # torch draws from Beta only with its global generator
        partner = torch.from_numpy(rng.permutation(len(inputs)))
        cut = self.cutmix > 0 and (self.mixup == 0 or rng.random() < 0.5)
        share = float(rng.beta(*((self.cutmix if cut else self.mixup,) * 2)))
        return _pasted(inputs, partner, share, rng) if cut else _blended(inputs, partner, share)


def mixing_of(plan: Plan) -> Mixing | None:
    """The mixing of the plan's ``augment``; ``None`` if batches are not mixed."""
    chosen = plan.augment
    return Mixing(chosen.mixup, chosen.cutmix) if chosen.mixup or chosen.cutmix else None


def _blended(inputs: Tensor, partner: Tensor, share: float) -> Mixed:
    return Mixed(torch.lerp(inputs[partner.to(inputs.device)], inputs, share), partner, share)


def _pasted(inputs: Tensor, partner: Tensor, share: float, rng: np.random.Generator) -> Mixed:
    """CutMix: paste a rectangle of the partner with ``1 - share`` of the area and the image's aspect ratio.

    The rectangle is clipped at the border (equation 2 of the paper), and ``share`` is computed from what remains.
    """
    height, width = inputs.shape[-2:]
    rows = _interval(height, share, rng)
    columns = _interval(width, share, rng)
    mixed = inputs.clone()
    mixed[..., rows, columns] = inputs[partner.to(inputs.device)][..., rows, columns]
    pasted = (rows.stop - rows.start) * (columns.stop - columns.start)
    return Mixed(mixed, partner, 1 - pasted / (height * width))


def _interval(side: int, share: float, rng: np.random.Generator) -> slice:
    """The rectangle's rows or columns: ``sqrt(1 - share)`` of the side, around a uniformly drawn centre."""
    half, centre = side * (1 - share) ** 0.5 / 2, rng.uniform(0, side)
    return slice(max(0, round(centre - half)), min(side, round(centre + half)))
