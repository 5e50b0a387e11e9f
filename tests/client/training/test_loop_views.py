"""Which view of a case a step shows, with a sampler that repeats cases and without one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from fedgraft.client.features.examples import Examples
from fedgraft.client.training.loop import LocalTraining
from fedgraft.common.interfaces.sampler import Sampler
from fedgraft.common.plan.sections import TrainSection

SGD = TrainSection("sgd", lr=0.1, momentum=0.0, weight_decay=0.0, batch_size=32, epochs=1, schedule="constant")


class InOrder(Sampler):
    """Case 0 five hundred times, then case 1 once."""

    def order(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        return torch.tensor([0] * 500 + [1])


def banked(sampler: Sampler | None) -> LocalTraining:
    """Two cases in three views; the input is the number of its row."""
    places = torch.tensor([[0, 1, 2], [3, 4, 5]])
    examples = Examples(torch.arange(6.0)[:, None], torch.tensor([0, 1]), places)
    return LocalTraining(
        examples, functional.cross_entropy, SGD, SGD.lr, torch.Generator().manual_seed(0), sampler=sampler
    )


def test_a_case_that_an_epoch_repeats_shows_all_its_views() -> None:
    steps = list(banked(InOrder()).steps())
    rows = torch.cat([step.inputs[:, 0] for step in steps])
    assert torch.cat([step.cases for step in steps]).tolist() == [0] * 500 + [1]
    shown = torch.bincount(rows[:500].long(), minlength=3)
    assert len(shown) == 3
    assert int(shown.min()) > 130  # of 500; 167 are expected
    assert float(rows[500]) >= 3


def test_without_a_sampler_the_views_are_drawn_by_case() -> None:
    """After the order, one for each case: what earlier runs drew."""
    (step,) = banked(None).steps()
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(2, generator=generator)
    views = torch.randint(3, (2,), generator=generator)
    assert step.inputs[:, 0].tolist() == [3 * int(case) + int(views[case]) for case in order]
