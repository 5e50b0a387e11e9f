"""Which plan a site is checked against."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from fedgraft.client.check.request import choose_plan
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan

Composer = Callable[..., Plan]


def site(folder: Path) -> SiteFile:
    return SiteFile("north", folder / "m.csv", folder / "state")


def send(folder: Path, plan: Plan, at: int, backbone: str = "b" * 64) -> None:
    """As `Workspace.accept_plan` keeps it; ``at`` is its time of change."""
    file = folder / "state" / "plans" / f"{plan.digest}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{backbone}\n{plan.to_json()}")
    os.utime(file, (at, at))


def test_none(tmp_path: Path) -> None:
    assert choose_plan(None, tmp_path / "site.yaml", site(tmp_path)) is None


def test_the_newest_that_was_sent(compose_plan: Composer, tmp_path: Path) -> None:
    old, new = compose_plan("seed=1"), compose_plan("seed=2")
    send(tmp_path, new, 2000)
    send(tmp_path, old, 1000)
    chosen = choose_plan(None, tmp_path / "site.yaml", site(tmp_path))
    assert chosen is not None and chosen.plan == new and chosen.backbone == "b" * 64
    assert chosen.origin == "the newest that the coordinator has sent"


def test_the_one_that_is_named_wins(compose_plan: Composer, tmp_path: Path) -> None:
    sent, named = compose_plan("seed=1"), compose_plan("seed=2")
    send(tmp_path, sent, 1000)
    file = tmp_path / "plan.yaml"
    file.write_text(yaml.safe_dump(named.to_dict()))
    chosen = choose_plan(file, tmp_path / "site.yaml", site(tmp_path))
    assert chosen is not None and (chosen.plan, chosen.backbone) == (named, None)
    send(tmp_path, named, 1000, "c" * 64)
    again = choose_plan(file, tmp_path / "site.yaml", site(tmp_path))
    assert again is not None and again.backbone == "c" * 64


def test_that_of_a_simulation(compose_plan: Composer, tmp_path: Path) -> None:
    plan, folder = compose_plan(), tmp_path / "sites" / "north"
    folder.mkdir(parents=True)
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan.to_dict()))
    chosen = choose_plan(None, folder / "site.yaml", site(folder))
    assert chosen is not None and chosen.plan == plan and chosen.origin.endswith("plan.yaml, of the simulation")
    elsewhere = tmp_path / "other" / "north"
    assert choose_plan(None, elsewhere / "site.yaml", site(elsewhere)) is None


def test_one_that_can_t_be_read(tmp_path: Path) -> None:
    file = tmp_path / "state" / "plans" / "x.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(PlanError, match="can't be read; remove it, and the coordinator sends the plan again"):
        choose_plan(None, tmp_path / "site.yaml", site(tmp_path))
    with pytest.raises(PlanError, match="does not exist"):
        choose_plan(tmp_path / "no.yaml", tmp_path / "site.yaml", site(tmp_path))
