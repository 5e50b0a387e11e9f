"""What a plan switches on, in words."""

from __future__ import annotations

from collections.abc import Callable

from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.summary import summary_lines

PlanOf = Callable[..., Plan]


def test_the_default_plan_is_a_head_a_loss_and_a_strategy(plan_of: PlanOf) -> None:
    assert summary_lines(plan_of()) == (
        "head: linear, normalise=True",
        "loss: cross_entropy, weights=global",
        "strategy: fedavg",
    )


def test_every_part_and_every_option_that_is_not_off(plan_of: PlanOf) -> None:
    plan = plan_of(
        "adaptation=ssf",
        "augment=mild",
        "backbone.freeze=blocks.4",
        "train.layer_decay=0.5",
        "strategy=fedprox",
        "loss.weights=local",
        "compression=int8",
    )
    said = summary_lines(plan)
    assert said[:3] == (
        "head: linear, normalise=True",
        "loss: cross_entropy, weights=local",
        "strategy: fedprox, proximal_mu=0.1",
    )
    assert any(line.startswith("adaptation: ssf") for line in said)
    assert any(line.startswith("augment: views=6, rotate=10.0, shift=0.05") for line in said)
    assert {"train: layer_decay=0.5", "backbone: freeze=blocks.4"} <= set(said)
    assert any(line.startswith("compression: int8") for line in said)
    assert not any(line.startswith(("alignment", "personal", "sampling", "select", "hold_out")) for line in said)
