"""Multi-kernel maximum mean discrepancy (Gretton et al., JMLR 2012; Long et al., ICML 2015).

Sites share the mean embedding of all cases, which must therefore be a finite vector: Gaussian kernels are approximated
by random Fourier features (Rahimi & Recht, NeurIPS 2007).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fedgraft.common.alignment.projection import SEED, normalised
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.alignment import Penalty, Reference

EMBEDDING = "embedding"


class Mmd:
    """The squared distance between mean embeddings, for the mean of Gaussian kernels
    ``exp(-|x - y|^2 / (2 F b^2))`` of ``F`` features.

    Args:
        bandwidths: each kernel's ``b``, a root mean square difference per feature; above 0.
        frequencies: random frequencies per kernel; a kernel's value has an error of about ``1 / sqrt(frequencies)``.
        normalise: apply layer norm first, so that a bandwidth does not depend on the backbone's scale.
    """

    def __init__(self, bandwidths: Sequence[float], frequencies: int, normalise: bool) -> None:
        numbers = [b for b in bandwidths if isinstance(b, int | float) and b > 0]
        if not numbers or len(numbers) < len(bandwidths):
            raise PlanError(f"alignment.bandwidths={list(bandwidths)} must be one number above 0 or more")
        if frequencies < 1:
            raise PlanError(f"alignment.frequencies={frequencies} must be 1 or more")
        self.bandwidths = tuple(map(float, bandwidths))
        self.frequencies = frequencies
        self.normalise = normalise

    def reference(self, width: int, groups: int) -> Reference:
        space = Fourier(width, self.bandwidths, self.frequencies, self.normalise)
        return Reference(groups, {EMBEDDING: (2 * len(self.bandwidths) * self.frequencies,)}, space)

    def sums(self, reference: Reference, features: Tensor) -> dict[str, Tensor]:
        return {EMBEDDING: reference.space(features).double().sum(dim=0)}

    def penalty(self, reference: Reference) -> Penalty:
        known = {group: means[EMBEDDING].float() for group, means in reference.means().items()}

        def against(features: Tensor, group: int) -> Tensor:
            own, target = reference.space(features), known[group]
            return within(own) - 2 * torch.dot(own.mean(dim=0), target) + torch.dot(target, target)

        return against

    def between(self, reference: Reference, some: Tensor, others: Tensor) -> Tensor:
        one, other = reference.space(some), reference.space(others)
        return within(one) + within(other) - 2 * torch.dot(one.mean(dim=0), other.mean(dim=0))


def within(embedded: Tensor) -> Tensor:
    """The mean kernel value over pairs of *different* cases, a scalar (Gretton et al. 2012, equation 3).

    Pairs of a case with itself would bias the estimate so that a site's cases are rewarded for collapsing.

    Args:
        embedded: ``(B, E)``, rows of length 1.
    """
    cases = len(embedded)
    return (embedded.sum(dim=0).square().sum() - cases) / (cases * (cases - 1))


class Fourier(nn.Module):
    """``(N, F)`` -> ``(N, 2 K m)``, rows of length 1: cosines and sines at ``m`` random frequencies of each kernel."""

    frequencies: Tensor

    def __init__(self, width: int, bandwidths: Sequence[float], count: int, normalise: bool) -> None:
        super().__init__()
        drawn = torch.randn(len(bandwidths), count, width, generator=torch.Generator().manual_seed(SEED))
        scaled = drawn / (torch.tensor(bandwidths)[:, None, None] * math.sqrt(width))
        self.register_buffer("frequencies", scaled.reshape(-1, width), persistent=False)
        self.normalise = normalise

    def forward(self, features: Tensor) -> Tensor:
        inputs = normalised(features) if self.normalise else features
        phase = nn.functional.linear(inputs, self.frequencies)
        return torch.cat([phase.cos(), phase.sin()], dim=1) / math.sqrt(len(self.frequencies))
