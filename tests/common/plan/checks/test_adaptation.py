"""Contradictions of `alignment`, each named; and those that show when the model is built."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]
CORAL = "alignment=coral"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ((CORAL, "alignment.weight=0"), r"alignment.weight=0 has no effect"),
        (("alignment.weight=1",), r"have no effect with alignment=none"),
        (("alignment.per_class=true",), r"have no effect with alignment=none"),
        (("alignment.column=scanner",), r"have no effect with alignment=none"),
        ((CORAL, "rounds=1"), r"alignment has no effect with rounds=1: .*the round before"),
        ((CORAL, "train.batch_size=1"), r"train.batch_size=1 shows an alignment no two cases"),
        (
            (CORAL, "alignment.per_class=true", "data.task=multilabel", "loss=binary_cross_entropy"),
            r"alignment.per_class=true needs data.task=classification",
        ),
        (
            (CORAL, "alignment.per_class=true", "release.class_counts=false", "loss.weights=none"),
            r"alignment.per_class=true needs release.class_counts=true",
        ),
        ((CORAL, "augment=mild", "augment.mixup=0.2"), r"augment.mixup and cutmix train on mixed ones"),
        ((CORAL, "augment=mild", "augment.cutmix=0.2"), r"augment.mixup and cutmix train on mixed ones"),
    ],
)
def test_a_contradiction_is_named(plan_of: PlanOf, overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(PlanError, match=words) as caught:
        plan_of(*overrides)
    assert len(caught.value.problems) == 1


def test_one_round_is_enough_for_a_site_s_own_scanners(plan_of: PlanOf) -> None:
    assert plan_of(CORAL, "rounds=1", "alignment.column=scanner").alignment.column == "scanner"


def test_a_head_alone_can_not_move_the_features(small: PlanOf) -> None:
    with pytest.raises(PlanError, match=r"alignment has no effect: only the head is trained.*backbone.freeze"):
        build(small("test_resnet", CORAL), None)


def test_a_head_alone_with_a_discriminator_neither(small: PlanOf) -> None:
    with pytest.raises(PlanError, match=r"alignment has no effect: only the head is trained"):
        build(small("test_resnet", "alignment=adversarial", "engine.keep=false"), None)


def test_an_alignment_that_can_not_compare_scanners_says_so(small: PlanOf) -> None:
    plan = small("test_resnet", "alignment=adversarial", "backbone.freeze=layer3", "alignment.column=scanner")
    with pytest.raises(PlanError, match=r"column=scanner has no effect: alignment=adversarial .*=coral or mmd"):
        build(plan, None)


@pytest.mark.parametrize("name", ["coral", "mmd", "adversarial"])
@pytest.mark.parametrize("change", ["backbone.freeze=layer3", "adaptation=fedbn", "adaptation=ssf"])
def test_moments_are_shared_a_discriminator_is_local_and_neither_is_for_the_local_loop(
    small: PlanOf, name: str, change: str
) -> None:
    model = build(small("test_resnet", f"alignment={name}", change), None)
    plain = build(small("test_resnet", change), None)
    held = {n for n in model.roles if n.startswith("reference.")}
    buffers = {n for n in held if "discriminator" not in n}
    assert {model.roles[n] for n in buffers} == {"shared"}
    assert {model.roles[n] for n in held - buffers} == ({"local"} if name == "adversarial" else set())
    trained = {n for n, parameter in model.network.named_parameters() if parameter.requires_grad}
    assert trained == {n for n, parameter in plain.network.named_parameters() if parameter.requires_grad}
    assert model.needs_its_site == plain.needs_its_site
    assert model.constant.what == plain.constant.what


def test_by_class_there_is_a_group_for_each(small: PlanOf) -> None:
    free = "backbone.freeze=layer3"
    overall, by_class = (
        build(small("test_resnet", "alignment=coral", free, f"alignment.per_class={each}"), None).state[
            "reference.share"
        ]
        for each in ("false", "true")
    )
    assert (len(overall), len(by_class)) == (1, 2)
