"""A split that a data set brings with it, and what it lacks for a study."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fedgraft.client.cohort.case import Case
from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.federation.sites import Partitioned
from fedgraft.simulations.planning.options import Study, require_cases


def partitioned(*splits: str) -> Partitioned:
    return Partitioned({"a": tuple(Case(f"/{one}.png", "clear", one, split=one) for one in splits)}, ())


def test_both_that_are_missing_are_named_and_fractions_are_not_looked_at(compose_plan: Callable[..., Plan]) -> None:
    plan, study = compose_plan(), Study(lrs=(0.1, 1.0))
    given = replace(plan, data=replace(plan.data, test="given", val_fraction=0.0, test_fraction=0.0))
    require_cases(plan, study, partitioned("train"))
    require_cases(given, study, partitioned("train", "val", "test"))
    require_cases(given, Study(), partitioned("train", "test"))
    with pytest.raises(
        PlanError, match=r"2 problems(.|\n)*own split has no test cases(.|\n)*lrs needs validation cases"
    ):
        require_cases(given, study, partitioned("train"))
