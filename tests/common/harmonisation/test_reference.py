"""A plan's harmonising: what it is built from, which numbers it needs, what is refused when a model is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from fedgraft.common.errors import PlanError
from fedgraft.common.harmonisation import reference as harmony
from fedgraft.common.harmonisation.reference import (
    Harmony,
    harmony_of,
    reference_problems,
    wants_reference,
    with_reference,
    with_stand_in,
)
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan, from_dict

PlanOf = Callable[..., Plan]
PARTS = ("histogram", "fourier")


class Mean:
    """Adds what is missing to the shared mean."""

    def describe(self, image: Tensor) -> Tensor:
        return image.double().mean()[None]

    def apply(self, image: Tensor, reference: Sequence[float]) -> Tensor:
        return image + (reference[0] - image.mean())


def made(plan: Plan) -> Harmony:
    found = harmony_of(plan)
    assert found is not None
    return found


def test_a_plan_without_it_has_none(plan_of: PlanOf) -> None:
    plan = plan_of()
    assert harmony_of(plan) is None
    assert not wants_reference(plan)


@pytest.mark.parametrize("name", PARTS)
def test_it_needs_as_many_numbers_as_describe_an_image(plan_of: PlanOf, name: str) -> None:
    """11 landmarks, or (2 b + 1) (b + 1) amplitudes with b = floor(0.03 * 64) = 1; of three planes."""
    plan = plan_of(f"harmonise={name}")
    assert wants_reference(plan)
    numbers = made(plan).numbers(64)
    assert numbers == {"histogram": 33, "fourier": 18}[name]
    known = with_reference(plan, [0.5] * numbers)
    assert not wants_reference(known)
    assert known.digest != plan.digest
    assert from_dict(known.to_dict()) == known
    assert reference_problems(made(known), 64) == []


def test_it_applies_the_part_with_the_plan_s_numbers() -> None:
    given = Harmony(Mean(), (0.5,), "").apply(torch.tensor([[[0.0, 0.2]]]))
    torch.testing.assert_close(given, torch.tensor([[[0.4, 0.6]]]))


@pytest.mark.parametrize("name", PARTS)
def test_the_wrong_number_of_numbers_is_refused_with_the_model(small: PlanOf, name: str) -> None:
    with pytest.raises(PlanError, match=r"harmonise\.reference has 2 numbers, and images of 64 x 64 pixels need"):
        build(small("test_resnet", f"harmonise={name}", "harmonise.reference=[0.1,0.2]"), None)
    build(small("test_resnet", f"harmonise={name}"), None)  # the sites are yet to be asked


def test_a_bad_option_of_the_part_is_refused_with_the_model(small: PlanOf) -> None:
    with pytest.raises(PlanError, match=r"harmonise\.share=0 must be above 0"):
        build(small("test_resnet", "harmonise=fourier", "harmonise.share=0.0"), None)


def test_more_numbers_than_travel_are_refused(plan_of: PlanOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harmony, "MOST_NUMBERS", 17)
    (problem,) = reference_problems(made(plan_of("harmonise=fourier")), 64)
    assert "by 18 numbers, more than the 17 that travel with a plan; lower harmonise.band" in problem


def test_unknown_numbers_are_not_taken_for_no_harmonising(plan_of: PlanOf) -> None:
    with pytest.raises(PlanError, match=r"harmonise\.reference=\[\]: the numbers that all sites share are not known"):
        made(plan_of("harmonise=histogram")).apply(torch.zeros(1, 8, 8))


def test_the_fingerprint_changes_with_part_options_and_numbers(plan_of: PlanOf) -> None:
    plans = [plan_of(f"harmonise={name}") for name in PARTS]
    plans += [plan_of("harmonise=fourier", "harmonise.share=0.5"), with_reference(plans[0], [0.5] * 33)]
    assert len({made(plan).fingerprint for plan in plans}) == 4
    assert made(plans[0]).fingerprint == made(plan_of("harmonise=histogram", "seed=9")).fingerprint


@pytest.mark.parametrize("name", PARTS)
def test_a_stand_in_has_the_right_numbers(plan_of: PlanOf, name: str) -> None:
    plan = with_stand_in(plan_of(f"harmonise={name}"), 64)
    assert reference_problems(made(plan), 64) == []
    assert made(plan).apply(torch.rand(3, 64, 64)).shape == (3, 64, 64)


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (("harmonise.reference=[0.5]",), "harmonise.reference has no effect with harmonise=none; choose harmonise="),
        (
            ("data=uci_heart", "harmonise=histogram"),
            "harmonise is for images and has no effect on a table, whose columns table.statistics scales; use",
        ),
    ],
)
def test_what_has_no_effect_is_refused(plan_of: PlanOf, overrides: tuple[str, ...], text: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan_of(*overrides)
    (problem,) = caught.value.problems
    assert problem.startswith(text)
