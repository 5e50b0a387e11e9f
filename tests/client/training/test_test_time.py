"""What a held-out site hands to an adaptation."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from fedgraft.client.features.examples import Examples
from fedgraft.client.training.test_time import SIZE, Batches, adapted, model_at
from fedgraft.common.errors import DataError
from fedgraft.common.models.build import build
from fedgraft.common.models.frozen_part import FEATURES, INPUTS
from fedgraft.common.plan.plan import Plan

Composer = Callable[..., Plan]
CPU = torch.device("cpu")


def batches(count: int) -> Batches:
    return Batches(Examples(torch.arange(float(count))[:, None], torch.zeros(count, dtype=torch.int64)), CPU)


@pytest.mark.parametrize(
    ("count", "sizes"), [(2, [2]), (SIZE, [SIZE]), (SIZE + 1, [SIZE + 1]), (2 * SIZE + 2, [SIZE, SIZE, 2])]
)
def test_a_last_single_case_joins_the_batch_before(count: int, sizes: list[int]) -> None:
    assert [len(batch) for batch in batches(count)] == sizes


def test_each_pass_shows_every_case_once_in_one_mixed_order() -> None:
    given = batches(150)
    first, second = (torch.cat(list(given)).flatten().tolist() for _ in range(2))
    assert first == second
    assert sorted(first) == [float(case) for case in range(150)] != first


def test_only_the_site_that_adapts_runs_the_whole_network(compose_plan: Composer) -> None:
    plan = compose_plan("adapt=adabn", "hold_out=[birch]")
    backbone = build(plan, None).backbone_state()
    assert model_at("birch", plan, backbone, ("fedgraft",)).constant.what == INPUTS
    assert model_at("alder", plan, backbone, ("fedgraft",)).constant.what == FEATURES
    without = replace(plan, adapt=compose_plan().adapt)
    assert model_at("birch", without, backbone, ("fedgraft",)).constant.what == FEATURES


def test_a_site_with_one_training_case_is_told_so(compose_plan: Composer) -> None:
    plan = compose_plan("adapt=adabn", "hold_out=[birch]")
    session: Any = SimpleNamespace(plan=plan, cohort={"train": batches(1).examples})
    with pytest.raises(DataError, match="adapt needs two training cases or more"), adapted(session):
        pass


def test_another_adaptation_can_be_named(
    compose_plan: Composer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class of one's own with the two methods is an adaptation."""
    text = "class Nothing:\n    def require_effect(self, network): ...\n    def __call__(self, network, batches): ...\n"
    (tmp_path / "ours_adapt.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    plan = compose_plan("adapt._target_=ours_adapt.Nothing", "hold_out=[birch]", "engine.allow=[ours_adapt]")
    model: Any = build(plan, None, ("fedgraft", "ours_adapt"))
    assert json.loads(plan.to_json())["adapt"] == {"_target_": "ours_adapt.Nothing"}
    assert model.name == "test_efficientnet"
