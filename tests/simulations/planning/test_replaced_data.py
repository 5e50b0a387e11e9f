"""Own cases in place of a plan's data set: what stays of the plan, and what is said to have no effect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedgraft.simulations.api import plan
from fedgraft.simulations.planning.frame import FrameSource
from fedgraft.simulations.planning.replaced_data import with_source

FRAME = {"age": list(range(40)), "ill": [0, 1] * 20, "hospital": list("aabb") * 10}
LOST = "the source takes the place of the plan's data set, so that these have no effect: "


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(tmp_path / "cache"))


def own(**changes: Any) -> FrameSource:
    return FrameSource.from_frame(FRAME, **{"label": "ill", "site": "hospital", "numeric": ["age"], **changes})


def test_a_public_data_set_is_replaced_and_all_else_stays() -> None:
    asked = plan("data=busi", "partition.sites=5", "data.val_fraction=0.3", loss="focal", rounds=3)
    made = with_source(asked, own())
    assert made.plan == plan("data.val_fraction=0.3", loss="focal", rounds=3, source=own()).plan
    assert made.plan.partition is not None and made.plan.partition.target.endswith(".by_site")
    assert made.found[0] == f"{LOST}data=busi, partition.sites=5"
    assert made.words == asked.words


def test_without_a_data_set_nothing_is_lost() -> None:
    made = with_source(plan(loss="focal", rounds=3), own())
    assert made.plan == plan(loss="focal", rounds=3, source=own()).plan
    assert not any(sentence.startswith(LOST) for sentence in made.found)


def test_options_of_the_replaced_data_set_are_named() -> None:
    made = with_source(plan("data.sites=2", data={"cases": 48, "test_fraction": 0.4}), own())
    assert made.found[0] == f"{LOST}data.sites=2, data.cases=48"
    assert made.plan.data.test_fraction == 0.4


def test_a_chosen_partition_stays() -> None:
    made = with_source(plan("data=busi", "partition=dirichlet", "partition.min_cases=3", partition__sites=2), own())
    assert made.plan.partition.target.endswith(".dirichlet")
    assert (made.plan.partition.options["sites"], made.plan.partition.options["min_cases"]) == (2, 3)
    assert made.found[0] == f"{LOST}data=busi"


def test_without_a_column_site_the_plan_s_partition_stays() -> None:
    made = with_source(plan("data=busi", "partition.sites=4"), own(site=None))
    assert made.plan.partition.target.endswith(".iid") and made.plan.partition.options == {"sites": 4}
    assert made.found[0] == f"{LOST}data=busi"


def test_one_source_replaces_another() -> None:
    first = FrameSource.from_frame({**FRAME, "sex": list("fm") * 20}, label="hospital", categorical=["sex"])
    made = with_source(plan("partition=iid", "partition.sites=2", source=first, rounds=3), own())
    assert made.plan == plan("partition=iid", "partition.sites=2", source=own(), rounds=3).plan
    assert not any(sentence.startswith(LOST) for sentence in made.found)
