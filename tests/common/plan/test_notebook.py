"""Classes of a notebook: lent to plans of this process, and to no other."""

from __future__ import annotations

import pytest
from torch import Tensor, nn

from fedgraft.common.errors import PlanError
from fedgraft.common.plan import notebook
from fedgraft.common.plan.parts import build, resolve


class Mine(nn.Module):
    def __init__(self, class_weights: Tensor | None, power: float = 1.0) -> None:
        super().__init__()
        self.power = power


def test_a_part_is_found_while_it_is_lent() -> None:
    target = notebook.target_of("loss", Mine)
    assert target == "__notebook__.loss.Mine"
    with notebook.lent({target: Mine}):
        with notebook.lent({"__notebook__.head.Mine": nn.Linear}):
            assert resolve("__notebook__.head.Mine", "head") is nn.Linear
        assert build(target, "loss", {"power": 2.0}, class_weights=None).power == 2.0
    with pytest.raises(PlanError, match=r"loss._target_=__notebook__.loss.Mine is a class of a notebook"):
        resolve(target, "loss", ("fedgraft", "__notebook__"))


def test_it_must_be_of_the_right_kind() -> None:
    with notebook.lent({"__notebook__.loss.int": int}), pytest.raises(PlanError, match=r"loss.int is not a Module"):
        resolve("__notebook__.loss.int", "loss")


def test_the_sections_of_a_plan_that_name_one_are_found() -> None:
    class Section:
        target = "__notebook__.loss.Mine"

    assert notebook.targets_of_notebooks({"loss": Section(), "seed": 0}) == ["loss._target_=__notebook__.loss.Mine"]
