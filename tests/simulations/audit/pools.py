"""Cases that a program drew, as an audit sees those of a run."""

from __future__ import annotations

import torch

from fedgraft.simulations.audit.cases import Pool
from fedgraft.simulations.audit.kept_like import kept_like


def drawn_pool(cases: int, width: int, sites: int = 2, seed: int = 0) -> Pool:
    """Cases of two classes, one a patient, four of five of them members."""
    inputs, labels, _ = kept_like(cases, width, 2, torch.Generator().manual_seed(seed))
    names, at = tuple(f"site-{place}" for place in range(sites)), torch.arange(cases)
    return Pool(inputs, labels, at % sites, at, at % 5 != 0, names)
