"""The partial likelihood: by hand, against lifelines, and where it could go wrong."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lifelines import CoxPHFitter
from torch import Tensor

from fedgraft.common.errors import PlanError
from fedgraft.common.losses.cox import CoxPartialLikelihood
from fedgraft.common.plan.parts import build
from fedgraft.common.tasks.survival import partial_likelihood

TIES: Any = pytest.mark.parametrize("ties", ["breslow", "efron"])


def draw(cases: int, seed: int, ties: bool) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    hazard = rng.normal(size=(cases, 1))
    time = rng.exponential(np.exp(-hazard[:, 0])) + 0.01
    labels = np.stack([np.ceil(time * 4) if ties else time, rng.random(cases) < 0.7], axis=1)
    return torch.from_numpy(hazard).float(), torch.from_numpy(labels).float()


@TIES
def test_three_cases_by_hand(ties: Any) -> None:
    # censored at 2, events at 1 and 3; no ties
    hazard, labels = torch.tensor([[1.0], [0.0], [2.0]]), torch.tensor([[1.0, 1], [3, 1], [2, 0]])
    loss = CoxPartialLikelihood(ties, "events")(hazard, labels)
    assert float(loss) == pytest.approx((math.log(math.e + 1 + math.e**2) - 1) / 2)


@pytest.mark.parametrize(("ties", "risks"), [("breslow", (6, 6)), ("efron", (6, 6 - 3 / 2))])
def test_two_events_at_one_time_by_hand(ties: Any, risks: tuple[float, float]) -> None:
    """exp(h) = 1, 2 at the events, 3 at one censored at the same time."""
    hazard, labels = torch.tensor([[1.0], [2], [3]]).log(), torch.tensor([[5.0, 1], [5, 1], [5, 0]])
    expected = (math.log(risks[0]) + math.log(risks[1]) - math.log(1) - math.log(2)) / 2
    assert float(CoxPartialLikelihood(ties, "events")(hazard, labels)) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_efron_s_is_that_of_lifelines_with_many_ties(seed: int) -> None:
    hazard, labels = draw(150, seed, ties=True)
    table = pd.DataFrame({"x": hazard[:, 0], "time": labels[:, 0], "event": labels[:, 1]}).astype(float)
    fitted = CoxPHFitter().fit(table, "time", "event")
    loss = CoxPartialLikelihood("efron", "events")(hazard.double() * fitted.params_["x"], labels.double())
    assert float(loss) == pytest.approx(-fitted.log_likelihood_ / float(labels[:, 1].sum()), rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_breslow_s_is_that_of_the_evaluation(seed: int) -> None:
    hazard, labels = draw(150, seed, ties=True)
    time, event = labels.double().numpy().T
    expected = partial_likelihood(hazard[:, 0].double().numpy(), time, event == 1) / event.sum()
    assert float(CoxPartialLikelihood("breslow", "events")(hazard, labels)) == pytest.approx(expected, rel=1e-5)


@TIES
def test_the_gradient_is_right(ties: Any) -> None:
    hazard, labels = draw(12, 0, ties=True)
    wide = hazard.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda h: CoxPartialLikelihood(ties, "events")(h, labels.double()), wide)


@TIES
@pytest.mark.parametrize("cases", [1, 5])
def test_a_batch_without_an_event_is_0_with_a_gradient_of_0(ties: Any, cases: int) -> None:
    hazard = torch.randn(cases, 1, requires_grad=True)
    loss = CoxPartialLikelihood(ties, "events")(hazard, torch.tensor([[2.0, 0.0]] * cases))
    loss.backward()
    assert float(loss.detach()) == 0
    assert hazard.grad is not None and not hazard.grad.any()


@TIES
@pytest.mark.parametrize("size", [100.0, 1e4])
def test_large_hazards_stay_finite(ties: Any, size: float) -> None:
    hazard, labels = draw(40, 0, ties=True)
    large = (hazard * size).requires_grad_()
    loss = CoxPartialLikelihood(ties, "events")(large, labels)
    loss.backward()
    assert large.grad is not None
    assert bool(torch.isfinite(loss)) and bool(torch.isfinite(large.grad).all())


@TIES
def test_the_order_of_cases_and_a_shift_do_not_matter(ties: Any) -> None:
    hazard, labels = draw(30, 5, ties=True)
    loss = CoxPartialLikelihood(ties, "events")
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(loss(hazard[order] + 7, labels[order]), loss(hazard, labels))


def test_another_rule_for_ties_is_refused() -> None:
    with pytest.raises(PlanError, match=r"loss\.ties='exact'"):
        build("fedgraft.common.losses.cox.CoxPartialLikelihood", "loss", {"ties": "exact"})


def test_the_mean_over_cases_makes_two_sites_sum_as_fedavg_weighs_them() -> None:
    """Weighed by cases, two sites' losses are the sum of their partial likelihoods over all cases."""
    generator = torch.Generator().manual_seed(1)
    sites = [torch.rand(cases, 2, generator=generator) for cases in (5, 9)]
    labels = [torch.stack([one[:, 0] + 0.1, (one[:, 1] > 0.4).float()], dim=1) for one in sites]
    hazards = [torch.randn(len(one), 1, generator=generator) for one in sites]
    means = [float(CoxPartialLikelihood("efron", "cases")(h, y)) for h, y in zip(hazards, labels, strict=True)]
    events = [float(y[:, 1].sum()) for y in labels]
    sums = [
        float(CoxPartialLikelihood("efron", "events")(h, y)) * n
        for h, y, n in zip(hazards, labels, events, strict=True)
    ]
    assert (5 * means[0] + 9 * means[1]) / 14 == pytest.approx(sum(sums) / 14, rel=1e-5)
