"""What ``privacy=record_trained`` (DP-SGD) refuses by name, and what it allows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.protection.privacy_section import without_later
from fedgraft.common.privacy.budget import by_steps, meets_once


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("strategy=fedadam",), "set strategy=fedavg or fedprox, or strategy=exact"),
        (("rounds=3",), r"set privacy\.steps to a multiple of rounds"),
        (
            ("privacy.rate=2",),
            r"jitter, most_rate and momentum have an effect with strategy=exact only: leave them out",
        ),
        (("privacy.evaluation=1", "release.evaluation=true"), r"set privacy\.evaluation=0"),
        (("privacy.sampled=0",), r"privacy\.sampled=0"),
        (("sampling=over",), r"set sampling=none, and loss\.weights=global"),
        (("augment.mixup=0.2",), r"set augment\.mixup and augment\.cutmix to 0"),
        (("alignment=coral",), "set alignment=none"),
        (("loss.absent=mask",), r"set loss\.absent=keep"),
        (("backbone.batch_norm=train", "backbone.freeze=none"), r"set backbone\.batch_norm=eval"),
        (("adaptation=ssf", "adaptation.batch_norm=fedbn"), r"set adaptation\.batch_norm=none"),
        (("adaptation=ssf", "adaptation.role=local"), r"set adaptation\.role=shared"),
        (("compression=int8",), "set compression=none"),
        (("bounds.clip=2",), "leave bounds out"),
        (("strategy.fraction=0.5",), r"set strategy\.fraction=1"),
        (("features.scale=own",), r"set features\.scale=case_common, or case"),
        (("release.train_loss=true",), r"set release\.train_loss and release\.quarantine to false"),
        (("personal=ditto",), "set personal=none"),
        (("strategy=exact", "privacy.sampled=0.5"), r"privacy\.sampled has no effect with strategy=exact"),
    ],
)
def test_what_is_not_one_patient_s_is_refused(
    compose_plan: Callable[..., Plan], words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(PlanError, match=said):
        compose_plan("privacy=record_trained", *words)


@pytest.mark.parametrize("adaptation", ["fedbn", "silobn"])
def test_statistics_of_a_site_are_refused(compose_plan: Callable[..., Plan], adaptation: str) -> None:
    plan = compose_plan("privacy=record_trained", f"adaptation={adaptation}")
    with pytest.raises(
        PlanError, match=r"a site keeps what follows all of its cases \(.*set adaptation=ssf, lora or none"
    ):
        build(plan, None)


@pytest.mark.parametrize(
    "words", [(), ("adaptation=ssf",), ("adaptation=lora", "strategy=fedprox", "strategy.proximal_mu=0.1")]
)
def test_heads_and_layers_are_trained(compose_plan: Callable[..., Plan], words: tuple[str, ...]) -> None:
    plan = compose_plan("privacy=record_trained", "privacy.sampled=0.25", *words)
    assert by_steps(plan) and "sampled" in without_later(plan.to_dict()["privacy"])
    assert not by_steps(compose_plan("privacy=record")) and not by_steps(compose_plan("privacy=site"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("privacy=record_once", "initial=none", "rounds=0"),
            r"set rounds, or initial=noisy_ridge \(privacy=record_once\)",
        ),
        (("privacy=record_once", "rounds=4"), "where hospitals meet once; set initial=ridge or none"),
        (("initial=noisy_ridge", "rounds=0"), "where hospitals meet once; set initial=ridge or none"),
        (
            ("privacy=record_once", "initial=ridge", "rounds=0"),
            r"set initial=none, or initial=noisy_ridge with rounds=0",
        ),
    ],
)
def test_who_meets_once_tells_noisy_sums(compose_plan: Callable[..., Plan], words: tuple[str, ...], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        compose_plan(*words)
    once = compose_plan("privacy=record_once", "rounds=0")
    assert meets_once(once) and not by_steps(once)
