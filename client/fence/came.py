"""Whether the tensors that came with a message stay within the site's ``bounds``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from fedgraft.client.site.bounds import Bounds
from fedgraft.common.errors import BoundsError


def require_norms_within(received: Mapping[str, Tensor], trained: Iterable[str], bounds: Bounds) -> None:
    """Check the Euclidean norm of each tensor that came to be trained; running statistics and scales are none of them.

    Args:
        received: by name.
        trained: names of the tensors that are trained.

    Raises:
        BoundsError: names every tensor whose norm is above the bound.
    """
    norms = {name: float(torch.linalg.vector_norm(received[name].double())) for name in trained if name in received}
    large = [f"{name} came with norm {norm:.4g}" for name, norm in sorted(norms.items()) if norm > bounds.norm]
    if large:
        raise BoundsError([f"{one}, bounds.norm={bounds.norm:g}" for one in large])
