"""Mixed and harmonised cases in whole runs, in the dry run, under a clock, and in a site's check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from rich.console import Console

from fedgraft.client.check.check import check_site
from fedgraft.client.check.request import CheckRequest
from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.tensors import load
from fedgraft.simulations.engine.run import simulate
from fedgraft.simulations.federation.sites import lay_out
from fedgraft.simulations.planning.description import describe

PlanOf = Callable[..., Plan]
QUIET = Console(quiet=True)
CLOCK = (
    "clock=clinics",
    "clock.case_seconds.keep=0.01",
    "clock.case_seconds.train=0.01",
    "clock.case_seconds.evaluate=0.01",
)


@pytest.fixture(autouse=True)
def _cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))


def trained(plan: Plan, out: Path) -> dict[str, torch.Tensor]:
    simulate(plan, out, QUIET)
    return load(out / "model" / "model.safetensors")


def differ(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return any(not torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize(
    "overrides",
    [
        ("augment.mixup=0.4", "data.sites=7", "engine.together=true", "rounds=1"),
        ("augment.cutmix=1.0", "backbone.freeze=none", "rounds=1"),
        ("augment.mixup=0.4", "augment.cutmix=1.0", "backbone.freeze=blocks.1", "augment=radiograph", "rounds=1"),
    ],
    ids=("features of a crowd", "images", "a stage and views"),
)
def test_a_run_with_mixed_cases(compose_plan: PlanOf, tmp_path: Path, overrides: tuple[str, ...]) -> None:
    """It gives the same each time, and another model than without."""
    mixed = trained(compose_plan(*overrides), tmp_path / "mixed")
    assert all(bool(torch.isfinite(tensor.float()).all()) for tensor in mixed.values())
    assert not differ(mixed, trained(compose_plan(*overrides), tmp_path / "again"))
    plain = compose_plan(*overrides, "augment.mixup=0", "augment.cutmix=0")
    assert differ(mixed, trained(plain, tmp_path / "plain"))


def test_what_can_t_be_mixed_ends_a_run_before_round_1(compose_plan: PlanOf, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"augment\.cutmix cuts rectangles"):
        simulate(compose_plan("augment.cutmix=1"), tmp_path / "out", QUIET)
    assert not (tmp_path / "out" / "rounds.jsonl").exists()


def test_the_dry_run_says_what_harmonising_takes_from_a_site(compose_plan: PlanOf) -> None:
    text = " ".join(describe(compose_plan("harmonise=histogram")).sentences)
    assert "before the first round, means over its training images, for harmonising" in text


def test_a_clock_needs_no_numbers_of_the_sites(compose_plan: PlanOf, tmp_path: Path) -> None:
    summary = simulate(compose_plan("harmonise=fourier", *CLOCK, "rounds=1"), tmp_path / "out", QUIET)
    assert summary["statistics_from"] == sorted(summary["sites"])
    assert (tmp_path / "out" / "clock.jsonl").is_file()


def test_a_site_s_check_times_it_with_stand_ins(compose_plan: PlanOf, tmp_path: Path, cache: Path) -> None:
    plan = compose_plan("harmonise=histogram", "backbone.freeze=none")
    sites = lay_out(plan, tmp_path / "sites", {"FEDGRAFT_CACHE": str(cache)}).sites
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan.to_dict()))
    request = CheckRequest(tmp_path / "plan.yaml", None, None, pictures=False)
    sections = list(check_site(next(iter(sites.values())), request))
    assert "cost of a round" in [section.title for section in sections]
    assert not [one.text for section in sections for one in section.findings if one.grade == "problem"]
