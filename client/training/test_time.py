"""Test-time adaptation: at a site that never trains, adapt the model to its unlabelled cases before evaluating it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fedgraft.client.features.examples import Examples
from fedgraft.client.training.session import Session
from fedgraft.common.errors import DataError
from fedgraft.common.interfaces.test_time import Adapting
from fedgraft.common.models.build import build
from fedgraft.common.models.frozen_part import nothing
from fedgraft.common.models.model import Model
from fedgraft.common.plan import parts
from fedgraft.common.plan.plan import Plan

SIZE = 64
"""Cases per batch: the same on every machine, since batch statistics depend on it."""


@dataclass(frozen=True)
class Batches:
    """A site's inputs in batches ``(B, *shape)`` float32; can be iterated several times.

    Always in the same random order, since a manifest may list one class after the other. A single last case is added to
    the batch before it.
    """

    examples: Examples
    device: torch.device

    def __iter__(self) -> Iterator[Tensor]:
        count = len(self.examples)
        order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
        starts = [start for start in range(0, count, SIZE) if start == 0 or count - start > 1]
        for start, end in zip(starts, [*starts[1:], count], strict=True):
            yield self.examples.batch(order[start:end]).to(self.device)


def adapts(plan: Plan, site: str) -> bool:
    """Whether a site, by name, adapts the model."""
    return plan.adapt.target is not None and site in plan.hold_out


def model_at(site: str, plan: Plan, backbone: Mapping[str, Tensor], allowed: Iterable[str]) -> Model:
    """The plan's model for a site; where it is adapted it has no constant part, since all of it may change."""
    model = build(plan, backbone, allowed)
    return replace(model, constant=nothing(model.network, model.spec)) if adapts(plan, site) else model


@contextmanager
def adapted(session: Session) -> Iterator[None]:
    """Within the block the network is adapted to the site's training inputs; afterwards its tensors are restored.

    Raises:
        DataError: the site has a single training case.
    """
    examples, chosen = session.cohort["train"], session.plan.adapt
    if len(examples) < 2:
        raise DataError("adapt needs two training cases or more: one has no variance")
    adapting: Adapting = parts.build(str(chosen.target), "adapt", chosen.options, session.site.trusted)
    before = session.model.tensors(session.model.state)
    try:
        adapting(session.model.network, Batches(examples, session.device))
        yield
    finally:
        session.model.load(before)
