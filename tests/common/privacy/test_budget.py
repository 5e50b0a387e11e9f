"""How a promise is dealt over what a site tells."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.accountant import accounting_module, epsilon
from fedgraft.common.privacy.budget import Budget, budget_of


def test_shares_are_of_squared_signal_to_noise_ratios(compose_plan: Callable[..., Plan]) -> None:
    plan = compose_plan("privacy=record", "privacy.counts=0.1", "privacy.moments=0.4", "privacy.steps=50")
    found = budget_of(plan)
    assert found.moments is not None
    squares = [1 / found.counts**2, 2 / found.moments**2, 50 / found.gradients**2]
    assert [one / sum(squares) for one in squares] == pytest.approx([0.1, 0.4, 0.5])
    assert epsilon(found.releases, 1e-5) == pytest.approx(3.0, abs=2e-3)
    assert Budget.of(found.releases) == found


def test_without_moments_gradients_get_their_share(compose_plan: Callable[..., Plan]) -> None:
    with_them = budget_of(compose_plan("privacy=record"))
    without = budget_of(compose_plan("privacy=record", "features.scale=case"))
    assert without.moments is None and without.gradients < with_them.gradients
    assert epsilon(without.releases, 1e-5) == pytest.approx(3.0, abs=2e-3)


def test_figures_cost_training_patients_nothing_and_others_no_more_than_those(
    compose_plan: Callable[..., Plan],
) -> None:
    """No patient is in two parts: one Gaussian with the noise of the figures has at most training's epsilon."""
    for secure in ((), ("aggregation=secure", "strategy.precision=float64")):
        plain, told = (
            budget_of(compose_plan(name, *secure)) for name in ("privacy=record", "privacy=record_evaluated")
        )
        assert told.releases == plain.releases and plain.apart == ()
        assert epsilon(told.apart, 1e-5) == pytest.approx(epsilon(told.releases, 1e-5), rel=1e-3)
        assert Budget.of(told.releases, told.apart) == told
    half = budget_of(compose_plan("privacy=record_evaluated", "privacy.evaluation=0.25"))
    told = budget_of(compose_plan("privacy=record_evaluated"))
    assert (half.evaluation or 0) == pytest.approx(2 * (told.evaluation or 0))


@pytest.mark.parametrize("words", [(), ("aggregation=secure", "features=taps", "features.scale=case_common")])
def test_noisy_steps_over_drawn_patients_keep_the_promise(
    compose_plan: Callable[..., Plan], words: tuple[str, ...]
) -> None:
    """By dp-accounting: Poisson-sampled Gaussians, each site's own; counts and (in secure sums) moments beside them."""
    drawn = ("privacy.sampled=0.1", "privacy.steps=12", "privacy.epsilon=2")
    budget = budget_of(compose_plan("privacy=record_trained", *drawn, *words))
    assert budget.alone == bool(words) and Budget.of(budget.releases) == budget
    events, rdp, pld = (accounting_module(f"dp_accounting.{name}") for name in ("dp_event", "rdp", "pld"))
    step = events.PoissonSampledDpEvent(0.1, events.GaussianDpEvent(budget.gradients))
    told = [events.GaussianDpEvent(budget.counts), events.SelfComposedDpEvent(step, 12)]
    if budget.moments is not None:
        told.append(events.SelfComposedDpEvent(events.ZCDpEvent(0.5 / budget.moments**2), 2))
    accountant = rdp.RdpAccountant() if words else pld.PLDAccountant()
    accountant.compose(events.ComposedDpEvent(told))
    assert 1.95 <= accountant.get_epsilon(1e-5) <= 2.0 + 1e-6
    assert (budget.moments is not None) == bool(words) and 0.3 < budget.gradients < 2
