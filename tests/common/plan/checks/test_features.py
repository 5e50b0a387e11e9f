"""Options of `features`, and of a plan without rounds, that contradict others or have no effect: each text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.models.build import build
from fedgraft.common.plan.checks.privacy import require_nothing_told
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.summary import summary_lines

PlanOf = Callable[..., Plan]
MULTILABEL = ("data.task=multilabel", "loss=binary_cross_entropy")
NETWORKS = ("features.networks=[{name: test_resnet, size: 32}, {name: test_vit}]", "data.image_size=null")
RIDGE = ("rounds=0", "initial=ridge")
TRAINED_BY_NOTHING = (
    "rounds=0 trains nothing, so that adaptation, alignment, personal, sampling, compression, initial.interpolate, "
    "select=best and backbone.freeze have no effect; leave them out, or set rounds to 1 or more"
)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        *(
            (
                (f"features.scale={scale}", "features.shrink=5"),
                "features.shrink has no effect unless a site's own moments are used (features.scale=own, own_balanced, "
                "centre, early or auto); set it to 0",
            )
            for scale in ("none", "case", "common")
        ),
        *(
            (
                (f"features.scale={scale}", *MULTILABEL),
                "features.scale=auto and own_balanced look at the class of each case, and need "
                "data.task=classification; use common or own",
            )
            for scale in ("auto", "own_balanced")
        ),
        *(
            (
                ("features.scale=auto", "loss.weights=local", f"release.{what}=false"),
                "features.scale=auto needs release.evaluation=true and release.class_counts=true: it compares ridge",
            )
            for what in ("evaluation", "class_counts")
        ),
        (
            ("features.scale=auto", "data.val_fraction=0"),
            "features.scale=auto needs validation cases to compare by; set data.val_fraction above 0, or use common or",
        ),
        (
            ("features.scale=auto", "initial=zeros"),
            "features.scale=auto compares the heads that `initial` makes, and this one tells no classes apart; set "
            "initial=none (auto then compares ridge heads), ridge or prototypes, or features.scale to common or own",
        ),
        (
            ("features.keep=5", *MULTILABEL),
            "features.keep ranks features by the one class of each case, and needs data.task=classification; set it to",
        ),
        (
            ("features.keep=5", "loss.weights=local", "release.class_counts=false"),
            "features.keep needs release.class_counts=true: it ranks features by their sums in each class; set it to",
        ),
        (
            ("features=last", "features.scale=early"),
            "features.scale=early tells early depths from late ones, and features=last reads one only; read all",
        ),
        (("features.keep=0",), "features.keep=0: input should be greater than or equal to 1"),
        (
            (*NETWORKS, "backbone.freeze=layer3"),
            "features.networks are frozen: with backbone.freeze other than all they would not be; set "
            "backbone.freeze=all, or train one network (features.networks=[])",
        ),
        (
            (*NETWORKS, "adaptation=ssf"),
            "features.networks are read as they are, and an adaptation changes one network; set adaptation=none, or",
        ),
        (
            (*NETWORKS, "adapt=adabn", "hold_out=[alder]"),
            "features.networks are read as they are, and `adapt` changes one network; set adapt=none",
        ),
        (
            (*NETWORKS, "data.image_size=64"),
            "data.image_size has no effect with features.networks, each of which has its own `size`; set it to null",
        ),
        (
            (*NETWORKS, "backbone.pretrained=false"),
            "backbone.pretrained=false would leave all features.networks random; set it to true, and",
        ),
        (
            ("rounds=0",),
            "rounds=0 trains nothing: it needs an initial head that tells classes apart (initial=ridge, prototypes or "
            "embeddings), or rounds of 1 or more",
        ),
        (
            (*RIDGE, "augment.views=2", "augment.mirror=true"),
            "rounds=0 trains nothing, so that augment.views (without augment.average), mixup and cutmix have no effect",
        ),
        (
            ("features.scale=own", "adapt=adabn", "hold_out=[alder]"),
            "a site's own scale is that of the network before any training, and `adapt` changes the network afterwards",
        ),
        (
            ("features.networks=[{name:test_efficientnet}]", "data.image_size=null", "backbone.weights=b.safetensors"),
            "backbone.weights has no effect with features.networks, each of which has its own `weights`",
        ),
        (("rounds=0", "initial=zeros"), "rounds=0 trains nothing: it needs an initial head that tells classes apart"),
        ((*RIDGE, "adaptation=ssf"), TRAINED_BY_NOTHING),
        ((*RIDGE, "personal=ditto"), TRAINED_BY_NOTHING),
        ((*RIDGE, "sampling=over", "loss.weights=none"), TRAINED_BY_NOTHING),
        ((*RIDGE, "compression=int8"), TRAINED_BY_NOTHING),
        ((*RIDGE, "select=best"), TRAINED_BY_NOTHING),
        ((*RIDGE, "backbone.freeze=blocks.4"), TRAINED_BY_NOTHING),
        ((*RIDGE, "initial.interpolate=[0.5]"), TRAINED_BY_NOTHING),
        (
            ("initial=ridge", "release.evaluation=false"),
            "initial.alpha of several numbers needs release.evaluation=true: the sites' validation cases choose one",
        ),
        (
            ("initial=ridge", "data.val_fraction=0"),
            "initial.alpha of several numbers needs validation cases to choose one by; set data.val_fraction above 0",
        ),
    ],
)
def test_a_contradiction_is_named(plan_of: PlanOf, overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan_of(*overrides)
    (problem,) = caught.value.problems
    assert problem.startswith(words)


@pytest.mark.parametrize(
    "overrides",
    [
        RIDGE,
        (*RIDGE, "features=taps", "features.scale=auto"),
        ("rounds=0", "initial=prototypes"),
        ("initial=ridge", "initial.alpha=10", "release.evaluation=false"),
        ("initial=ridge", "initial.alpha=[10]", "data.val_fraction=0"),
        ("features.scale=own", "features.shrink=5", *MULTILABEL),
        ("features.scale=auto", "data.test=given", "data.val_fraction=0", "data.test_fraction=0"),
        ("features=taps", "features.scale=common", "adaptation=ssf"),
        (*NETWORKS, "features=taps"),
    ],
)
def test_these_go_together(plan_of: PlanOf, overrides: tuple[str, ...]) -> None:
    plan_of(*overrides)


def test_networks_are_no_tables(table_plan: PlanOf) -> None:
    with pytest.raises(PlanError) as caught:
        table_plan("features.networks=[{name: test_vit}]")
    words = "features.networks are image networks, and this plan is for tables; set it to []"
    assert words in caught.value.problems


def test_rounds_are_not_negative(plan_of: PlanOf) -> None:
    with pytest.raises(PlanError, match="rounds=-1: input should be greater than or equal to 0"):
        plan_of("rounds=-1")


@pytest.mark.parametrize("head", ["cosine", "mlp"])
def test_auto_needs_a_head_that_ridge_regression_can_solve(small: PlanOf, head: str) -> None:
    words = (
        f"features.scale=auto compares ridge heads that all sites share, and head={head} is no linear layer with a "
        "bias: nothing solves it; use head=linear; or set features.scale to common or own"
    )
    with pytest.raises(PlanError) as caught:
        build(small("test_resnet", "features.scale=auto", f"head={head}"), None)
    assert caught.value.problems == (words,)
    for scale in ("common", "own"):
        build(small("test_resnet", f"features.scale={scale}", f"head={head}"), None)


def test_auto_needs_a_head_that_is_shared(small: PlanOf) -> None:
    words = "features.scale=auto compares ridge heads that all sites share, and personal keeps the head at each site"
    with pytest.raises(PlanError, match=words):
        build(small("test_resnet", "features.scale=auto", "personal=fedper", "backbone.freeze=layer3"), None)


def test_a_strategy_that_turns_out_to_be_private_refuses_moments_too(plan_of: PlanOf) -> None:
    with pytest.raises(PlanError, match=r"features\.scale shares moments of features that a DifferentialPrivacy"):
        require_nothing_told(plan_of("features.scale=common"))
    require_nothing_told(plan_of("features.scale=own"))


def test_what_is_switched_on_is_listed(plan_of: PlanOf) -> None:
    taps = summary_lines(plan_of("features=taps", "features.scale=own", "features.shrink=5"))
    assert "features: taps, scale=own, shrink=5.0, stages=blocks, statistics=['mean', 'deviation']" in taps
    assert "features: networks=[test_resnet at 32, test_vit]" in summary_lines(plan_of(*NETWORKS))
    assert not any(line.startswith("features") for line in summary_lines(plan_of()))


def test_a_list_of_parts_for_a_group_is_refused(plan_of: PlanOf) -> None:
    with pytest.raises(PlanError) as caught:
        plan_of("features=[taps,last]")
    assert any("features" in problem for problem in caught.value.problems)
