"""New training cases that a sampling makes from a site's own: they are trained on, and counted nowhere."""

from __future__ import annotations

import hashlib

import torch

from fedgraft.client.features.examples import Examples
from fedgraft.common.interfaces.sampler import Sampler
from fedgraft.common.plan import parts
from fedgraft.common.plan.graft_sections import SamplingSection


def sampler_of(sampling: SamplingSection, allowed: tuple[str, ...]) -> Sampler | None:
    """What the plan's ``sampling`` names; ``None`` for each case once.

    Raises:
        PlanError: it is not allowed, or an option does not fit.
    """
    if sampling.target is None:
        return None
    sampler: Sampler = parts.build(sampling.target, "sampling", sampling.options, allowed)
    return sampler


def with_made(cases: Examples, sampler: Sampler | None, seed: int, site: str) -> Examples:
    """The cases, and after them those that ``sampler`` makes of them as they are; drawn once for a run.

    A made case is the same in every view.

    Args:
        cases: each kept as a vector, if the sampler makes new ones (`fedgraft.common.models.effects.require_vectors`).
    """
    if sampler is None or not sampler.makes():
        return cases
    drawn = hashlib.sha256(f"{seed}|{site}|made".encode()).digest()
    vectors, labels = sampler.made(cases.inputs, cases.labels, int.from_bytes(drawn[:4], "little"))
    number, made = len(cases), len(labels) - len(cases)
    bank = torch.cat([cases.batch(torch.arange(number), torch.full((number,), view)) for view in range(cases.views)])
    first = torch.arange(number)[:, None] + number * torch.arange(cases.views)
    last = (len(bank) + torch.arange(made))[:, None].expand(made, cases.views)
    return Examples(torch.cat([bank, vectors[number:]]), labels, torch.cat([first, last]))
