"""What a promise costs, tried on features of nobody."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from fedgraft.common.cli import main
from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.audit import trial as module
from fedgraft.simulations.audit.finding import NotTriedError, require_known
from fedgraft.simulations.audit.kept_like import FIRST, REST, kept_like
from fedgraft.simulations.audit.trial import DRAWS, trial

PlanOf = Callable[..., Plan]


def test_features_are_spread_as_measured_and_tell_classes_apart() -> None:
    inputs, labels, apart = kept_like(20_000, 300, 2, torch.Generator().manual_seed(0))
    assert float(inputs.square().mean()) == pytest.approx(1, abs=0.3)
    falls = inputs[labels == 0].var(dim=0)
    assert float(falls[0] / falls[9]) == pytest.approx(10, rel=0.1)
    between = (apart[1] - apart[0]).abs()
    assert float(between[0]) == pytest.approx(FIRST) and float(between[1:].norm()) == pytest.approx(REST, rel=1e-4)
    again, _, same = kept_like(10, 300, 2, torch.Generator(), apart)
    assert torch.equal(same, apart) and again.shape == (10, 300)
    assert kept_like(10, 8, 4, torch.Generator())[2].shape == (4, 8)


def test_more_patients_and_shared_noise_cost_less(compose_plan: PlanOf) -> None:
    plan, seen = compose_plan("privacy=record", "privacy.steps=30"), list[int]()
    few, many = trial(plan, 200, 4, 64, seen.append), trial(plan, 3000, 4, 64)
    assert seen == list(range(1, DRAWS + 1))
    assert few.noisy < many.noisy - 0.01 and 0 < many.without - many.noisy < 0.05
    assert 0.8 < few.without < many.without < 0.99
    assert "200 training cases at 4 hospitals, 64 numbers a case" in few.sentence


def test_noisy_steps_of_each_site_are_not_imitated(compose_plan: PlanOf) -> None:
    plan = compose_plan("privacy=record_trained")
    with pytest.raises(
        PlanError, match=r"tries the noisy gradients of strategy=exact only; simulate with data=phantom"
    ):
        trial(plan, 200, 4, 64)
    with pytest.raises(
        NotTriedError, match=r"sites trained by noisy steps of their own \(privacy=record_trained\), or told"
    ):
        require_known(plan)
    require_known(compose_plan("privacy=record"))


def test_of_many_cases_fewer_are_drawn_with_as_much_less_noise(
    compose_plan: PlanOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = compose_plan("privacy=record", "privacy.steps=30")
    whole = trial(plan, 2000, 4, 64)
    monkeypatch.setattr(module, "_MOST_NUMBERS", 1000 * 64)
    assert trial(plan, 2000, 4, 64).noisy == pytest.approx(whole.noisy, abs=0.02)


def test_the_command_says_what_it_costs(
    compose_plan: PlanOf, capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    words = ("backbone.name=test_efficientnet", "backbone.pretrained=false", "data.image_size=32")
    small = ("backbone=timm", *words, "data.sites=3", "data.cases=60", "data.size=64", "privacy.steps=5")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDGRAFT_CACHE", str(tmp_path_factory.mktemp("cache")))
        assert main(["plan", *small, "privacy=record", "rounds=2", "--trial"]) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert "this promise costs" in said and "at 3 hospitals" in said
        assert main(["plan", *small[:-1], "--trial"]) == 2
    assert "--trial has no effect with privacy=none" in capsys.readouterr().err
    with pytest.raises(PlanError, match="add privacy=record"):
        trial(compose_plan(), 10, 1, 4)
