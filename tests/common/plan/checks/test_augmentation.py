"""Options of ``augment`` that contradict others or have no effect: each is refused with the way out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.kinds.choice import kind_of
from fedgraft.common.plan.checks.augmentation import STRENGTHS
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]


def refusals(plan_of: PlanOf, *overrides: str) -> tuple[str, ...]:
    with pytest.raises(PlanError) as caught:
        plan_of(*overrides)
    return caught.value.problems


@pytest.mark.parametrize("name", STRENGTHS)
def test_a_strength_without_views_has_no_effect(plan_of: PlanOf, name: str) -> None:
    value = "true" if name in ("flip", "mirror") else "0.1"
    assert refusals(plan_of, f"augment.{name}={value}") == (
        f"augment.{name} has no effect with augment.views=1, the case as it is; set augment.views to 2 or more",
    )
    assert plan_of(f"augment.{name}={value}", "augment.views=2").augment.views == 2


def test_views_without_a_strength_have_no_effect(plan_of: PlanOf) -> None:
    (problem,) = refusals(plan_of, "augment.views=4", "augment.mixup=0.2")
    assert problem.startswith("augment.views above 1 has no effect with every strength at 0; set one of augment.rotate")
    assert all(f"augment.{name}" in problem for name in STRENGTHS)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ("augment.views=1",),
            "augment.notes has no effect with augment.views=1, the note as it is; set augment.views",
        ),
        (
            ("augment.rotate=5",),
            "augment.notes changes notes, and the other strengths of augment change images; set one",
        ),
        (
            ("augment.notes.synonyms=0", "augment.notes.guard=false", "augment.views=1"),
            "augment.notes.guard=false has no effect without copies of notes; set it to true",
        ),
        (
            ("augment.notes.synonyms=0", "augment.notes.swap=0.1", "augment.notes.senses=every"),
            "augment.notes.senses=every has no effect with augment.notes.synonyms=0; set it to shared",
        ),
    ],
)
def test_copies_of_notes(plan_of: PlanOf, overrides: tuple[str, ...], said: str) -> None:
    (problem,) = refusals(plan_of, "augment=notes", *overrides)
    assert problem.startswith(said)
    assert plan_of("augment=notes").augment.views == 4


def test_copies_of_notes_are_not_for_images(plan_of: PlanOf) -> None:
    (problem,) = kind_of(plan_of("augment=notes"), ()).problems()
    assert problem == "augment.notes changes notes, and this plan is for images; choose another augment"


def test_mirror_images_are_pairs_of_views(plan_of: PlanOf) -> None:
    assert refusals(plan_of, "augment.mirror=true", "augment.views=3") == (
        "augment.mirror makes pairs of views: set augment.views to an even number",
    )
    assert refusals(plan_of, "augment.mirror=true", "augment.flip=true", "augment.views=4") == (
        "augment.flip has no effect beside augment.mirror, by which every view is there both ways; set it to false",
    )


def test_a_blur_is_in_parts_of_the_side(plan_of: PlanOf) -> None:
    (problem,) = refusals(plan_of, "augment=mild", "augment.blur=2")
    assert problem.startswith("augment.blur is in parts of the image's side, of which more than 0.2 leaves nothing")


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (("train.batch_size=1",), "has no effect with train.batch_size=1: cases of one batch are mixed; use 2 or more"),
        (("data.task=survival", "data.classes=[]", "loss=cox"), "has no meaning with data.task=survival: a partial"),
        (("engine.keep=false",), "mixes what is kept of the cases; with engine.keep=false it would mix images"),
        (
            ("loss.absent=distil",),
            "would compare outputs of mixed cases to the received model's outputs of whole ones with loss.absent",
        ),
    ],
)
def test_what_can_t_be_mixed(plan_of: PlanOf, name: str, overrides: tuple[str, ...], text: str) -> None:
    found = refusals(plan_of, f"augment.{name}=0.4", *overrides)
    assert any(problem.startswith(f"augment.{name} {text}") for problem in found), found


def test_mixing_needs_no_views(plan_of: PlanOf) -> None:
    assert plan_of("augment.mixup=0.2").augment.views == 1
    assert plan_of("augment=mild", "augment.mixup=0.2", "augment.cutmix=1").augment.cutmix == 1
