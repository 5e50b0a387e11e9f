"""Heads: features ``(B, F)`` float32 -> outputs ``(B, C)`` float32.

FedGraft passes ``width`` = F, and ``classes`` = C: the number of class logits, of log odds of findings, or 1 for a log
hazard. A head's method ``inputs`` gives the features as its weights see them (normalised, for instance); a head without
it takes them as they are. With a method ``score`` too, the outputs are ``score(inputs(features))``: what does not
depend on the weights can then be computed once per case.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.types import Count, Fraction


class Linear(nn.Linear):
    """One linear layer that starts at zero: at first its outputs are 0 for all classes and cases.

    Args:
        normalise: give each case's features zero mean and unit variance first (layer norm without parameters, Ba et
            al. 2016), so that one learning rate suits features of any scale.
    """

    def __init__(self, width: int, classes: int, normalise: bool) -> None:
        super().__init__(width, classes)
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)
        self.normalise = normalise

    def inputs(self, features: Tensor) -> Tensor:
        """What the weights see, ``(B, F)`` float32: the features, normalised per case if the head does that."""
        return functional.layer_norm(features, (self.in_features,)) if self.normalise else features

    def score(self, inputs: Tensor) -> Tensor:
        """The outputs from what the weights see."""
        return super().forward(inputs)

    def forward(self, features: Tensor) -> Tensor:
        return self.score(self.inputs(features))


class Cosine(nn.Module):
    """``scale * cos(x, w_c)`` (Gidaris & Komodakis, CVPR 2018): the length of the features does not matter.

    Args:
        scale: the inverse temperature; fixed, above 0.
    """

    def __init__(self, width: int, classes: int, scale: float) -> None:
        super().__init__()
        if not isinstance(scale, int | float) or not scale > 0:
            raise PlanError(f"head.scale={scale} must be a number above 0")
        self.weight = nn.Parameter(torch.empty(classes, width))
        nn.init.normal_(self.weight, std=width**-0.5)
        self.scale = scale

    def inputs(self, features: Tensor) -> Tensor:
        """What the weights see, ``(B, F)`` float32: the features' directions, of length 1."""
        return functional.normalize(features)

    def score(self, inputs: Tensor) -> Tensor:
        """The outputs from what the weights see."""
        return self.scale * functional.linear(inputs, functional.normalize(self.weight))

    def forward(self, features: Tensor) -> Tensor:
        return self.score(self.inputs(features))


class MLP(nn.Module):
    """One hidden layer (GELU, Hendrycks & Gimpel 2016) and a linear one that starts at zero: at first the outputs are 0
    for all classes and cases.

    Args:
        hidden: units of the hidden layer.
        dropout: the share of hidden units that training drops (Srivastava et al., JMLR 2014); 0 for none.
        normalise: as for `Linear`.
    """

    def __init__(self, width: int, classes: int, hidden: Count, dropout: Fraction, normalise: bool) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, hidden)
        self.output = nn.Linear(hidden, classes)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.dropout = nn.Dropout(dropout)
        self.normalise = normalise

    def inputs(self, features: Tensor) -> Tensor:
        """What the weights see, ``(B, F)`` float32."""
        return functional.layer_norm(features, (self.hidden.in_features,)) if self.normalise else features

    def score(self, inputs: Tensor) -> Tensor:
        """The outputs from what the weights see."""
        outputs: Tensor = self.output(self.dropout(functional.gelu(self.hidden(inputs))))
        return outputs

    def forward(self, features: Tensor) -> Tensor:
        return self.score(self.inputs(features))


class ClassEmbedding(nn.Module):
    """``scale * cos(P x, e_c)``, as image-text models score a class (Radford et al., ICML 2021).

    Args:
        dims: dimensions of the embeddings ``e_c``; ``None`` for no projection ``P``: features lie in that space.
    """

    def __init__(self, width: int, classes: int, dims: int | None) -> None:
        super().__init__()
        if dims is not None and dims < 1:
            raise PlanError(f"head.dims={dims} must be 1 or more, or null for no projection")
        self.projection = None if dims is None else nn.Parameter(torch.randn(dims, width) * width**-0.5)
        across = width if dims is None else dims
        self.weight = nn.Parameter(torch.randn(classes, across) * across**-0.5)
        self.log_scale = nn.Parameter(torch.tensor(math.log(16.0)))

    def forward(self, features: Tensor) -> Tensor:
        """``(B, F)`` float32 -> ``(B, C)`` float32."""
        placed = features if self.projection is None else functional.linear(features, self.projection)
        cosines = functional.linear(functional.normalize(placed), functional.normalize(self.weight))
        return self.log_scale.exp() * cosines
