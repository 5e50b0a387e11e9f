"""How common each class is for a plan's model, and which plans must know it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.common.errors import PlanError, WireError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.prior import asks_prior, estimates_prevalence, prior_of

Composer = Callable[..., Plan]
HELD = ("features.scale=own_balanced", "hold_out=[birch]")


def test_only_class_balanced_moments_without_labels_need_an_estimate(compose_plan: Composer) -> None:
    assert estimates_prevalence(compose_plan(*HELD))
    assert not estimates_prevalence(compose_plan("features.scale=own", "hold_out=[birch]"))
    assert not estimates_prevalence(compose_plan("features.scale=own_balanced"))


@pytest.mark.parametrize(
    ("overrides", "prior"),
    [
        (("loss.weights=none",), [0.75, 0.25]),
        (("loss.weights=global",), [0.5, 0.5]),
        (("loss.weights=local",), [0.5, 0.5]),
        (("loss.weights=none", "sampling=balanced"), [0.5, 0.5]),
        (("loss=logit_adjusted",), [0.5, 0.5]),
        (("loss.scheme=square_root",), [3**0.5 / (1 + 3**0.5), 1 / (1 + 3**0.5)]),
        (("rounds=0", "initial=ridge", "loss.weights=none"), [0.5, 0.5]),
        (("rounds=0", "initial=ridge", "initial.balanced=false"), [0.75, 0.25]),
    ],
)
def test_the_prior_is_the_share_of_the_cases_times_their_weight(
    compose_plan: Composer, overrides: tuple[str, ...], prior: list[float]
) -> None:
    plan = compose_plan(*HELD, *overrides)
    assert prior_of(plan, (30, 10)).tolist() == pytest.approx(prior)
    assert asks_prior(plan) is (prior != [0.5, 0.5])


def test_counts_that_are_needed_and_did_not_come_are_an_error(compose_plan: Composer) -> None:
    plan = compose_plan(*HELD, "loss.weights=none")
    for counts in (None, (1, 2, 3)):
        with pytest.raises(WireError, match="own_balanced at a site of hold_out, but the coordinator sent no class"):
            prior_of(plan, counts)
    assert prior_of(compose_plan(*HELD), None).tolist() == [0.5, 0.5]


def test_a_plan_that_withholds_the_counts_is_refused(compose_plan: Composer) -> None:
    with pytest.raises(PlanError, match=r"own_balanced with hold_out needs release.class_counts=true.*weights=local"):
        compose_plan(*HELD, "loss.weights=none", "release.class_counts=false")
    compose_plan(*HELD, "loss.weights=local", "release.class_counts=false")
