"""Choose the training cases of an epoch, or add synthesised ones; those are trained on, but not counted as cases."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from fedgraft.client.features.examples import Examples
from fedgraft.common.interfaces.sampler import Sampler, Synthesiser

Sampling = Sampler | Synthesiser | None
"""The part that a plan's ``sampling`` names; ``None`` for each case once."""


class EachOnce(Sampler):
    """All cases, given and synthesised, once per epoch. Views are drawn in this order, unlike without a sampler."""

    def order(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        return torch.randperm(len(labels), generator=generator)


def sampler_of(sampling: Sampling) -> Sampler | None:
    """The sampler that chooses the cases of an epoch; ``None`` for each case once."""
    return EachOnce() if isinstance(sampling, Synthesiser) else sampling


def with_synthesised(cases: Examples, sampling: Sampling, seed: int, site: str) -> Examples:
    """The cases, followed by those that a `Synthesiser` makes of their view 0; drawn once for a run.

    All views of a synthesised case are equal.

    Args:
        cases: vectors, if ``sampling`` is a `Synthesiser` (`fedgraft.common.models.effects.require_vectors`).
        seed: the plan's.
        site: the site's name, by which sites draw differently.
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
