"""A data set's function of one's own: what it may ask for, and cases with an empty group."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.units import unit_names
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.federation.sites import partition_cases

SOURCE = """
from fedgraft.client.cohort.case import Case
from fedgraft.simulations.datasets.source import Source

def mine(*, classes, task, image_size, cases=4, groups=None):
    made = [Case(f"/{n}.png", classes[n % 2], f"p{n}", group="", split="") for n in range(cases)]
    assert (task, image_size) == ("classification", 32)
    return Source(tuple(made), tuple("ab"[n // 2 % 2] for n in range(cases)))
"""


def test_a_source_may_take_what_the_plan_says_of_the_data(
    compose_plan: Callable[..., Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`classes` was said to be required although it was given; and an empty group is none, so that nobody is at two."""
    (tmp_path / "mine.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    words = ("data=busi", "data.classes=[x,y]", "data._target_=mine.mine", "engine.allow=[mine]")
    words += ("partition=by_site",)
    dealt = partition_cases(compose_plan(*words, "+data.cases=8"), {})
    labels = {site: [case.label for case in cases] for site, cases in dealt.sites.items()}
    assert labels == {"a": ["x", "y", "x", "y"], "b": ["x", "y", "x", "y"]}
    found = partition_cases(compose_plan(*words, "data.classes=[u,v]"), {}).sites["a"]
    assert [case.label for case in found] == ["u", "v"]


def test_an_empty_group_or_split_is_none() -> None:
    case = Case("/1.png", "a", "p1", group="", split="")
    assert (case.group, case.split, case.unit) == (None, None, "p1")
    assert case == Case("/1.png", "a", "p1")
    assert unit_names([case, Case("/2.png", "a", "p2", group="")]) == ["p1", "p2"]
