"""What is added to a step's loss, counted by hand."""

from __future__ import annotations

import torch

from fedgraft.client.training.alignment import Aligned
from fedgraft.client.training.loop import StepOutput

FEATURES = torch.tensor([[1.0], [2.0], [4.0], [8.0], [16.0]])


def seen(labels: list[int], cases: list[int] | None = None) -> StepOutput:
    given = torch.arange(5) if cases is None else torch.tensor(cases)
    return StepOutput(given, torch.tensor(labels), torch.zeros(5, 2), FEATURES)


def total(features: torch.Tensor, group: int) -> torch.Tensor:
    return features.sum() + 100 * group


def apart(some: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    return 1000 * some.sum() + others.sum()


def test_overall_all_cases_are_one_group() -> None:
    assert float(Aligned(0.5, (True,), total)(seen([0, 1, 0, 1, 0]))) == 0.5 * 31


def test_by_class_it_is_the_mean_over_known_classes_of_two_cases_or_more() -> None:
    """Class 0: 1 + 4; class 1: 2 + 8 + 100; class 2 has one case; class 3 none, and class 4 is unknown."""
    assert float(Aligned(2.0, (True, True, True, True), total)(seen([0, 1, 0, 1, 2]))) == 2 * (5 + 110) / 2
    assert float(Aligned(2.0, (False, True, True, True), total)(seen([0, 1, 0, 1, 2]))) == 2 * 110


def test_nothing_to_compare_adds_nothing() -> None:
    assert float(Aligned(1.0, (False, True), total)(seen([0, 0, 0, 0, 1]))) == 0


def test_each_scanner_is_compared_with_the_site_s_others() -> None:
    """Scanner 7 took cases 0 and 2, scanner 8 cases 1 and 3; of case 4 nothing is known."""
    scanners = torch.tensor([7, 8, 7, 8, -1])
    term = Aligned(1.0, (False,), total, apart, scanners)
    assert float(term(seen([0] * 5))) == (1000 * 5 + 10 + 1000 * 10 + 5) / 2
    turned = term(seen([0] * 5, [4, 3, 2, 1, 0]))  # features 2 and 8 are of scanner 8; 4 and 16 of scanner 7
    assert float(turned) == (1000 * 20 + 10 + 1000 * 10 + 20) / 2
    both = Aligned(1.0, (True,), total, apart, scanners)
    assert float(both(seen([0] * 5))) == 31 + (1000 * 5 + 10 + 1000 * 10 + 5) / 2


def test_scanners_are_compared_within_a_class() -> None:
    scanners = torch.tensor([7, 7, 8, 8, 8])
    term = Aligned(1.0, (False, False), total, apart, scanners)
    assert float(term(seen([0, 0, 1, 1, 1]))) == 0
    assert float(term(seen([0, 0, 0, 0, 1]))) == (1000 * 3 + 12 + 1000 * 12 + 3) / 2
