"""Baselines of a plan whose features are scaled: a site alone has its own moments, all together have common ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from fedgraft.client.cohort.case import Case
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.federation.sites import Partitioned
from fedgraft.simulations.planning.options import Study
from fedgraft.simulations.study.baselines import Arrangement, alone, arrangements
from fedgraft.simulations.study.study import run_study

Composer = Callable[..., Plan]
ALL = Study(("local", "pooled", "leave_one_site_out"))


def arranged(plan: Plan, tmp_path: Path) -> dict[str, Arrangement]:
    sites = {
        name: tuple(Case(f"/{name}/{n}.png", ("clear", "lesion")[n % 2], f"{name}-{n}") for n in range(40))
        for name in ("a", "b")
    }
    found = arrangements(plan, ALL, Partitioned(sites, ()), {"FEDGRAFT_CACHE": str(tmp_path)})
    return {one.name: one for one in found}


@pytest.mark.parametrize(
    ("scale", "local", "pooled"),
    [
        ("none", "none", "none"),
        ("case", "case", "case"),
        ("common", "own", "common"),
        ("own", "own", "common"),
        ("own_balanced", "own", "common"),
        ("centre", "own", "common"),
        ("auto", "own", "common"),
    ],
)
def test_which_moments(compose_plan: Composer, tmp_path: Path, scale: str, local: str, pooled: str) -> None:
    plan = compose_plan("features=taps", f"features.scale={scale}")
    found = arranged(plan, tmp_path)
    assert found["local-a"].plan.features.scale == local
    assert found["pooled"].plan.features.scale == pooled
    assert found["leave_one_site_out-b"].plan.features == plan.features


def test_a_site_alone_has_all_features_and_all_together_choose(compose_plan: Composer, tmp_path: Path) -> None:
    found = arranged(compose_plan("features=taps", "features.keep=9"), tmp_path)
    kept = {name: one.plan.features.keep for name, one in found.items()}
    assert kept["local-a"] is None
    assert (kept["pooled"], kept["leave_one_site_out-b"]) == (9, 9)


def test_alone_nothing_is_drawn_to_others(compose_plan: Composer) -> None:
    plan = compose_plan("features.scale=own", "features.shrink=5")
    assert (alone(plan).features.scale, alone(plan).features.shrink) == ("common", 0.0)


@pytest.mark.parametrize("scale", ["own", "auto"])
def test_a_study_over_scaled_taps(
    compose_plan: Composer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scale: str
) -> None:
    """Every method has figures at both sites; the pooled model scales by the moments of all training cases, and only
    those who have something to share are asked."""
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    small = ("data.sites=2", "data.cases=60", "data.val_fraction=0.25", "rounds=1", "loss.weights=none")
    plan = compose_plan("features=taps", f"features.scale={scale}", *small)
    found = run_study(plan, ALL, tmp_path, Console(file=StringIO()))
    assert found["failed"] == [] and found["methods"] == ["federated", "local", "pooled", "leave_one_site_out"]
    for method in found["methods"]:
        assert set(found["figures"][method][0]) >= {"alder", "birch"}, method
    asked = {
        path.parents[1].name: {
            line["site"] for line in map(json.loads, path.read_text().splitlines()) if line["what"] == "moments"
        }
        for path in tmp_path.rglob("ledger.jsonl")
    }
    everyone = {"alder", "birch"} if scale == "auto" else set()
    assert asked["federated"] == everyone
    assert asked["pooled"] == {"pooled"} and asked["local-alder"] == set()
    assert asked["leave_one_site_out-alder"] == everyone - {"alder"}
