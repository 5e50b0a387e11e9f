"""What single patients gave is taken out of a trained head, as if each step had been made without it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from fedgraft.client.fence.patients import Patients
from fedgraft.client.fence.taken_out import taken_out, times_of
from fedgraft.client.fence.units import UnitWatch, rests_on_few
from fedgraft.common.plan.sections import TrainSection

TRAIN = TrainSection("sgd", 0.1, 0.9, 0.0, batch_size=4, epochs=3, schedule="constant")
CASES, WIDTH = 12, 5


def rows() -> Tensor:
    return torch.randn(CASES, WIDTH, generator=torch.Generator().manual_seed(0))


def trained(watch: UnitWatch, train: TrainSection) -> tuple[nn.Linear, list[tuple[Tensor, Tensor]]]:
    """A head after training, of which the last case gives far more than the others; and each step's cases with the
    derivatives by their outputs."""
    inputs, head, seen = rows(), nn.Linear(WIDTH, 2), list[tuple[Tensor, Tensor]]()
    nn.init.zeros_(head.weight), nn.init.zeros_(head.bias)
    optimizer = torch.optim.SGD(head.parameters(), train.lr, train.momentum)
    weight = torch.full((CASES,), 0.01).index_fill(0, torch.tensor([CASES - 1]), 1.0)
    order = torch.Generator().manual_seed(1)
    with watch.on(head, {"weight", "bias"}):
        for _ in range(train.epochs):
            for cases in torch.randperm(CASES, generator=order).split(train.batch_size):
                watch.step(cases)
                optimizer.zero_grad()
                outputs = head(inputs[cases])
                watch.outputs(outputs)
                (torch.log_softmax(outputs, 1)[:, 0] * -weight[cases]).sum().backward()
                optimizer.step()
                assert outputs.grad is not None
                seen.append((cases, outputs.grad.clone()))
    return head, seen


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_each_step_is_made_again_without_what_is_taken_out(momentum: float) -> None:
    train = replace(TRAIN, momentum=momentum)
    watch = UnitWatch(Patients([f"p{n}" for n in range(CASES)]), lambda: rows().norm(dim=1), times_of(train, 9))
    head, seen = trained(watch, train)
    assert rests_on_few(watch.found[""][:-1], 5).all()
    found = taken_out(watch, 5, train.lr, head.weight.detach(), head.bias.detach(), lambda cases: rows()[cases])
    assert found is not None and watch.shortened == 1
    left = torch.ones(CASES).index_fill(0, torch.tensor([CASES - 1]), float(watch.left_of_cases[-1]))
    assert 0 < float(left[-1]) < 0.2
    weight, bias, way = torch.zeros(2, WIDTH), torch.zeros(2), torch.zeros(2, WIDTH + 1)
    for cases, slopes in seen:
        parts = (slopes * left[cases, None]).T @ torch.cat([rows()[cases], torch.ones(len(cases), 1)], dim=1)
        way = train.momentum * way + parts
        weight, bias = weight - train.lr * way[:, :-1], bias - train.lr * way[:, -1]
    assert torch.allclose(found[0], weight, atol=1e-6) and torch.allclose(found[1], bias, atol=1e-6)
    assert not rests_on_few(watch.found[""][:-1], 5).any()


def test_nothing_is_taken_out_where_it_rests_on_enough() -> None:
    watch = UnitWatch(Patients([f"p{n}" for n in range(CASES)]), lambda: torch.ones(CASES), lambda step: 1.0)
    head = nn.Linear(WIDTH, 2)
    with watch.on(head, {"weight", "bias"}):
        watch.step(torch.arange(CASES))
        outputs = head(rows())
        watch.outputs(outputs)
        outputs.sum().backward()
    assert taken_out(watch, 5, 0.1, head.weight, head.bias, lambda cases: rows()[cases]) is None


def test_where_an_update_is_no_plain_sum_over_steps_it_can_t_be_said() -> None:
    assert times_of(replace(TRAIN, optimizer="adamw"), 9) is None
    assert times_of(replace(TRAIN, weight_decay=0.1), 9) is None
    times = times_of(TRAIN, 3)
    assert times is not None
    assert [times(step) for step in range(3)] == pytest.approx([1 + 0.9 + 0.81, 1.9, 1.0])
