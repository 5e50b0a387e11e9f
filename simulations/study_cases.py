"""Whether a data set that brings its own split has the cases that a study chooses and compares by."""

from __future__ import annotations

from fedgraft.common.errors import PlanError
from fedgraft.common.plan import Plan
from fedgraft.simulations.federation import Dealt
from fedgraft.simulations.study_options import Study


def require_cases(plan: Plan, study: Study, dealt: Dealt) -> None:
    """Fractions are checked with the options (`fedgraft.simulations.study_options.contradictions`).

    Raises:
        PlanError: no case is a test case, or several ``lrs`` have no validation case to be chosen by.
    """
    if plan.data.test != "given":
        return
    splits = {case.split for cases in dealt.sites.values() for case in cases}
    problems = []
    if "test" not in splits:
        problems.append(
            "baselines, seeds and lrs compare test figures, and this data set's own split has no test cases; use a "
            "data set (or option of it) without a split, with data.test=sites data.test_fraction=0.2"
        )
    if len(study.lrs) > 1 and "val" not in splits:
        problems.append(
            "lrs needs validation cases to choose by, and this data set's own split has none; leave lrs out, or use a "
            "data set (or option of it) without a split, with data.test=sites data.val_fraction=0.15"
        )
    if problems:
        raise PlanError(problems)
