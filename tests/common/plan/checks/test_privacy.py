"""What a strategy for differential privacy can't protect or would spoil is refused by name."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
DP = (
    "strategy._target_=flwr.serverapp.strategy.DifferentialPrivacyServerSideFixedClipping",
    "+strategy.strategy._target_=flwr.serverapp.strategy.FedAvg",
    "+strategy.noise_multiplier=0.1",
    "+strategy.clipping_norm=1.0",
    "+strategy.num_sampled_clients=3",
)
NOR = " that a DifferentialPrivacy... strategy would neither clip nor add noise to; use another strategy, or "
SUMS = f"initial=prototypes and initial=ridge share sums of features by class{NOR}initial=none"
MOMENTS = f"features.scale shares moments of features{NOR}features.scale=case, or own with features.shrink=0"
MEANS = f"harmonise with reference=[] shares means over images{NOR}give harmonise.reference, or harmonise=none"
STATISTICS = (
    "backbone.batch_norm=train shares running statistics, and with the noise of a DifferentialPrivacy... strategy a "
    "variance can become negative; set backbone.batch_norm=eval, or adaptation=fedbn or silobn, which keep them at the "
    "site"
)


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (("alignment=coral",), f"alignment shares moments of features{NOR}alignment=none"),
        (("alignment=mmd",), f"alignment shares moments of features{NOR}alignment=none"),
        (("features.scale=common",), MOMENTS),
        (("features.scale=centre",), MOMENTS),
        (("features.scale=auto",), MOMENTS),
        (("features.scale=own", "features.shrink=5"), MOMENTS),
        (("features.keep=5",), f"features.keep shares sums of features by class{NOR}features.keep=null"),
        (("initial=prototypes",), SUMS),
        (("initial=ridge",), SUMS),
        (("harmonise=histogram",), MEANS),
        (("harmonise=fourier",), MEANS),
    ],
)
def test_what_sites_tell_besides_updates_is_refused(plan_of: PlanOf, overrides: tuple[str, ...], text: str) -> None:
    plan_of(*overrides)
    with pytest.raises(PlanError, match=re.escape(text)) as caught:
        plan_of(*overrides, *DP)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("features=taps", "features.scale=own"),
        ("features.scale=case",),
        ("initial=zeros",),
        ("harmonise=histogram", "harmonise.reference=[1.0]"),
    ],
)
def test_what_tells_nothing_besides_is_not(plan_of: PlanOf, overrides: tuple[str, ...]) -> None:
    assert plan_of(*overrides, *DP).strategy.options["noise_multiplier"] == 0.1


@pytest.mark.parametrize("freeze", ["layer3", "none"])
def test_noise_in_running_statistics_is_refused(small: PlanOf, freeze: str) -> None:
    trained = ("backbone.batch_norm=train", f"backbone.freeze={freeze}")
    build(small("test_resnet", *trained), None)
    with pytest.raises(PlanError, match=re.escape(STATISTICS)):
        build(small("test_resnet", *trained, *DP), None)


@pytest.mark.parametrize(
    "overrides",
    [
        ("backbone.freeze=layer3",),
        ("adaptation=fedbn",),
        ("adaptation=silobn",),
        ("adaptation=fedbn", "backbone.freeze=layer3", "backbone.batch_norm=train"),
    ],
)
def test_running_statistics_that_are_not_shared_get_no_noise(small: PlanOf, overrides: tuple[str, ...]) -> None:
    model = build(small("test_resnet", *overrides, *DP), None)
    assert not any(name.endswith(("running_mean", "running_var")) for name in model.names("shared"))
