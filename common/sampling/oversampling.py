"""Oversampling: cases of rare classes are shown several times an epoch."""

from __future__ import annotations

import torch
from torch import Tensor

from fedgraft.common.interfaces.sampler import Sampler
from fedgraft.common.sampling.classes import by_class, require_share, shuffled


class Oversampling(Sampler):
    """Every case at least once; of each class that the site has, as many as ``share`` of its commonest class.

    A case is repeated as often as the others of its class, or once more: which ones is drawn for each epoch.

    Args:
        share: above 0 and at most 1, where all classes are shown equally often.

    Raises:
        PlanError: ``share`` is out of range.
    """

    def __init__(self, share: float = 1.0) -> None:
        self._share = require_share(share)

    def order(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        """The cases of one epoch; see `fedgraft.common.interfaces.sampler.Sampler`."""
        classes = by_class(labels)
        wanted = round(self._share * max(len(cases) for cases in classes))
        return shuffled([_repeated(cases, wanted, generator) for cases in classes], generator)


def _repeated(cases: Tensor, wanted: int, generator: torch.Generator) -> Tensor:
    """``(max(wanted, n),)``: all cases as often as goes, and a draw of the rest."""
    times, rest = divmod(max(wanted, len(cases)), len(cases))
    drawn = torch.randperm(len(cases), generator=generator)[:rest]
    return torch.cat([cases.repeat(times), cases[drawn]])
