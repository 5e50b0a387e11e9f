"""Class-balanced sampling: the classes' frequencies."""

from __future__ import annotations

import math

import pytest
import torch

from fedgraft.common.errors import PlanError
from fedgraft.common.sampling.balanced import Balanced

LABELS = torch.tensor([0] * 9000 + [1] * 1000 + [3] * 250)  # class 2 has no case


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_a_class_is_drawn_in_proportion_to_a_power_of_its_cases(power: float) -> None:
    order = Balanced(power).order(LABELS, torch.Generator().manual_seed(0))
    assert len(order) == len(LABELS)
    mass = [n**power if n else 0.0 for n in (9000, 1000, 0, 250)]
    found = (torch.bincount(LABELS[order]) / len(order)).tolist()
    assert found == pytest.approx([some / sum(mass) for some in mass], abs=4 * math.sqrt(0.25 / len(LABELS)))


def test_cases_of_a_class_are_equally_probable() -> None:
    times = torch.bincount(Balanced().order(LABELS, torch.Generator().manual_seed(0)), minlength=len(LABELS))
    rare = times[-250:].float()  # 10250 / 3 draws among 250: 13.7 each, Poisson
    assert float(rare.mean()) == pytest.approx(13.7, abs=1)
    assert float(rare.std()) == pytest.approx(math.sqrt(13.7), abs=0.8)


@pytest.mark.parametrize("power", [-0.1, 1.0, math.nan])
def test_a_power_that_balances_nothing_is_refused(power: float) -> None:
    with pytest.raises(PlanError, match=r"sampling\.power=.* must be 0 or more and below 1, where nothing would be"):
        Balanced(power)
