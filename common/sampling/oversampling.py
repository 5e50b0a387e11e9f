"""Oversampling: an epoch repeats cases of rare classes."""

from __future__ import annotations

import torch
from torch import Tensor

from fedgraft.common.interfaces.sampler import Sampler
from fedgraft.common.sampling.classes import by_class, require_share, shuffled


class Oversampling(Sampler):
    """Shows every case at least once, and each class of the site at least ``share`` times as often as the commonest.

    Within a class, all cases are repeated equally often, some once more; these are drawn anew for each epoch.

    Args:
        share: above 0 and at most 1; at 1 all classes are shown equally often.

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
    """``(max(wanted, n),)``: the ``n`` cases repeated as often as fits, and a random draw of the remainder."""
    times, rest = divmod(max(wanted, len(cases)), len(cases))
    drawn = torch.randperm(len(cases), generator=generator)[:rest]
    return torch.cat([cases.repeat(times), cases[drawn]])
