"""Which training cases an epoch shows; new ones made from a site's own are trained on, and counted nowhere."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from fedgraft.client.features.examples import Examples
from fedgraft.common.interfaces.sampler import Sampler, Synthesiser

Sampling = Sampler | Synthesiser | None
"""What a plan's ``sampling`` names; ``None``: each case once."""


class EachOnce(Sampler):
    """All cases, given and synthesised, once an epoch; unlike without a sampling, views are drawn in that order."""

    def order(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        return torch.randperm(len(labels), generator=generator)


def sampler_of(sampling: Sampling) -> Sampler | None:
    """What chooses the cases of an epoch; ``None`` for each case once."""
    return EachOnce() if isinstance(sampling, Synthesiser) else sampling


def with_synthesised(cases: Examples, sampling: Sampling, seed: int, site: str) -> Examples:
    """The cases, and after them those that a `Synthesiser` makes of them as they are; drawn once for a run.

    A synthesised case is the same in every view.

    Args:
        cases: each kept as a vector, if new ones are made (`fedgraft.common.models.effects.require_vectors`).
    """
    if not isinstance(sampling, Synthesiser):
        return cases
    drawn = hashlib.sha256(f"{seed}|{site}|made".encode()).digest()
    vectors, labels = sampling.synthesise(cases.inputs, cases.labels, int.from_bytes(drawn[:4], "little"))
    number, made = len(cases), len(labels) - len(cases)
    bank = torch.cat([cases.batch(torch.arange(number), torch.full((number,), view)) for view in range(cases.views)])
    first = torch.arange(number)[:, None] + number * torch.arange(cases.views)
    last = (len(bank) + torch.arange(made))[:, None].expand(made, cases.views)
    return Examples(torch.cat([bank, vectors[number:]]), labels, torch.cat([first, last]))
