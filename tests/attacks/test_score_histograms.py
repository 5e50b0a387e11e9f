"""A coordinator sends a head that hands one feature through as the score, and reads it in the histograms."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from flwr.app import RecordDict
from numpy.typing import NDArray
from scipy.stats import norm

from fedgraft.client.app.handlers import evaluate
from fedgraft.client.app.workspace import Workspace
from fedgraft.client.site.site_file import ReleasePolicy, read_site_file, write_site_file
from fedgraft.client.training.before_head import features_before_head
from fedgraft.common import tasks
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.common.tasks.metrics import centre, places
from fedgraft.common.wire import messages
from fedgraft.simulations.federation.sites import lay_out

FEATURE = 3
Bins = NDArray[np.int64]


@pytest.fixture
def read(
    compose_plan: Callable[..., Plan], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], tuple[Bins, Bins]]:
    """``read(scores)``: the bins that the attack reads at a site with this ``release.scores``, and the true ones."""
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    plan = compose_plan("data.cases=120", "data.val_fraction=0.1", "data.test_fraction=0.5", "head=plain")

    def go(scores: str) -> tuple[Bins, Bins]:
        site = next(iter(lay_out(plan, tmp_path / scores, os.environ).sites.values()))
        write_site_file(site, replace(read_site_file(site), release=ReleasePolicy(scores=scores)))  # type: ignore[arg-type]
        workspace, model = Workspace(), build(plan, None)
        workspace.accept_plan(workspace.site(site), plan.to_json(), plan.digest, model.backbone_name)
        workspace.accept_backbone(workspace.site(site), model.backbone_name, model.backbone_states())
        chosen = {name: torch.zeros_like(tensor) for name, tensor in model.tensors(model.received).items()}
        weight = next(name for name in chosen if name.endswith("weight") and chosen[name].shape[-1] > FEATURE)
        chosen[weight][1, FEATURE] = 1.0
        config = messages.pack_config(plan.digest, (10, 10))
        config["server-round"] = 1
        content = RecordDict({messages.ARRAYS: messages.pack_tensors(chosen), messages.CONFIG: config})
        answer = evaluate(content, workspace, site, 7)
        session = workspace.open(site, plan.digest, 7)
        *_, evaluations = messages.unpack_answer(answer, tasks.of(plan.data))
        told = evaluations["test"].score_counts()[0]
        found = np.repeat(told.scores, told.negatives + told.positives)
        session.load(chosen)
        features = features_before_head(session.model.constant.trained, session.cohort["test"], session.device)
        true = features[:, FEATURE].numpy().astype(np.float64)
        return bins_of(found), bins_of(true)

    return go


def bins_of(scores: NDArray[np.float64]) -> Bins:
    return np.sort(places(scores[:, None], np.zeros((len(scores), 1), bool))[:, 0])


def hits(told: Bins, true: Bins) -> float:
    """The share of the true values that are told to a quarter of a percent."""
    return (Counter(told.tolist()) & Counter(true.tolist())).total() / len(true)


def guessed(true: Bins) -> Bins:
    """What anyone would say who knows mean and deviation: the quantiles of a normal distribution."""
    values = centre(true)
    return bins_of(norm.ppf((np.arange(len(true)) + 0.5) / len(true), values.mean(), values.std()))


def test_a_site_that_tells_each_score_tells_each_case_s_feature(read: Callable[[str], tuple[Bins, Bins]]) -> None:
    told, true = read("fine")
    assert hits(told, true) == 1.0


def test_by_default_the_histograms_tell_hardly_more_than_a_guess(read: Callable[[str], tuple[Bins, Bins]]) -> None:
    told, true = read("merged")
    assert len(true) >= 50
    assert hits(told, true) <= hits(guessed(true), true) + 0.05
