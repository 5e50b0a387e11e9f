"""A simulation whose features are scaled: its model, its figures, and what is said of it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import fedgraft as fg
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.cohort.splits import split_as_planned
from fedgraft.common import tensors
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.federation.sites import Partitioned, partition_cases

SMALL = {
    "backbone": "timm",
    "backbone__name": "test_efficientnet",
    "backbone__pretrained": False,
    "features": "taps",
    "data": {"image_size": 32, "sites": 3, "cases": 40, "size": 64},
    "rounds": 1,
    "train__epochs": 1,
    "engine__threads": 1,
    "engine__workers": 0,
}
NETWORKS = [
    {"name": "test_efficientnet", "size": 32, "pretrained": False},
    {"name": "test_resnet", "size": 48, "pretrained": False},
]


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))


def run_of(folder: Path, **options: object) -> fg.Run:
    return fg.simulate(fg.plan(**{**SMALL, **options}), folder, quiet=True)


def figures_of(run: fg.Run, site: str, model: fg.TrainedModel) -> tuple[float, float]:
    """Loss and accuracy over a site's test cases, computed anew from its files by the whole network."""
    cases = read_manifest(run.out / "sites" / site / "manifest.csv")
    test = split_as_planned(cases, run.plan.data, run.plan.seed)["test"]
    logits = model(model.prepare([case.path for case in test]))
    labels = torch.tensor([model.classes.index(case.label) for case in test])
    loss = torch.nn.functional.cross_entropy(logits, labels)
    return loss.item(), (logits.argmax(1) == labels).float().mean().item()


def require_same_figures(run: fg.Run, site: str, model: fg.TrainedModel) -> None:
    told = run.summary["sites"][site]
    loss, accuracy = figures_of(run, site, model)
    assert loss == pytest.approx(told["loss"], rel=1e-3)
    assert accuracy == pytest.approx(told["accuracy"], abs=1e-4)


@pytest.mark.parametrize("freeze", ["all", "blocks.3"])
def test_the_whole_model_gives_the_figures_of_the_run(tmp_path: Path, freeze: str) -> None:
    """Common moments are in model.safetensors, and the network scales by them itself."""
    run = run_of(tmp_path, features__scale="common", backbone__freeze=freeze)
    held = tensors.load(run.out / "model" / "model.safetensors")
    assert {"scale.mean", "scale.deviation"} <= set(held) and bool((held["scale.mean"] != 0).any())
    model = run.model()
    for site in run.summary["sites"]:
        require_same_figures(run, site, model)


@pytest.mark.parametrize("scale", ["own", "centre", "auto"])
def test_a_site_s_own_scale_is_in_its_model_also_of_one_that_never_trained(tmp_path: Path, scale: str) -> None:
    run = run_of(tmp_path, features__scale=scale, hold_out=["cedar"], patience__quorum_sites=1, data__val_fraction=0.3)
    for site in ("alder", "cedar"):
        require_same_figures(run, site, run.model(site))
    here, there = (run.model(site).network.state_dict()["scale.mean"] for site in ("alder", "cedar"))
    assert torch.equal(here, there) == (
        scale == "auto" and tensors.load(run.out / "model" / "model.safetensors")["scale.own"].item() == 0
    )
    if torch.equal(here, there):  # the common moments, which come with the model
        assert torch.equal(run.model().network.state_dict()["scale.mean"], here)
        return
    words = (
        r"by moments of its own cases \(features.scale=.*\), which stay there; name one: model\(site=...\) with one of"
    )
    with pytest.raises(fg.ModelError, match=words):
        run.model()


def test_several_networks_are_one_model(tmp_path: Path) -> None:
    options = {key: value for key, value in SMALL.items() if not key.startswith("backbone")}
    data = {"image_size": None, "sites": 2, "cases": 24, "size": 64}
    plan = fg.plan(**{**options, "data": data, "features__networks": NETWORKS, "loss__weights": "none"})
    run = fg.simulate(plan, tmp_path, quiet=True)
    model = run.model()
    assert model.spec.shape == (3, 48, 48)
    for site in run.summary["sites"]:
        require_same_figures(run, site, model)


def test_one_exchange_is_a_whole_run(tmp_path: Path) -> None:
    run = run_of(tmp_path, rounds=0, initial="ridge", initial__alpha=[100.0, 1.0], data__val_fraction=0.3)
    assert [line["round"] for line in map(json.loads, (tmp_path / "rounds.jsonl").read_text().splitlines())] == [0]
    assert set(run.summary["choices"]["initial"]) == {"alpha=100", "alpha=1"}
    require_same_figures(run, "alder", run.model())


def at_the_coordinator(plan: Plan, environ: Mapping[str, str]) -> Partitioned:
    """The third hospital's cases are the coordinator's."""
    whole = partition_cases(replace(plan, data=replace(plan.data, test="sites")), environ)
    return Partitioned({site: whole.sites[site] for site in ("alder", "birch")}, whole.sites["cedar"])


@pytest.mark.parametrize("freeze", ["all", "blocks.3"])
def test_the_coordinators_own_test_cases_are_scaled_by_the_common_moments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, freeze: str
) -> None:
    monkeypatch.setattr("fedgraft.simulations.federation.sites.partition_cases", at_the_coordinator)
    data = {**SMALL["data"], "test": "coordinator", "test_fraction": 0.0}  # type: ignore[dict-item]
    run = run_of(tmp_path, data=data, features__scale="common", backbone__freeze=freeze)
    cases, model = at_the_coordinator(run.plan.plan, os.environ).test, run.model()
    logits = model(model.prepare([case.path for case in cases]))
    labels = torch.tensor([model.classes.index(case.label) for case in cases])
    told = run.summary["test"]
    assert (told["source"], told["cases"]) == ("coordinator", len(cases))
    assert torch.nn.functional.cross_entropy(logits, labels).item() == pytest.approx(told["loss"], rel=1e-3)


def test_the_coordinator_has_no_scale_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedgraft.simulations.federation.sites.partition_cases", at_the_coordinator)
    data = {**SMALL["data"], "test": "coordinator", "test_fraction": 0.0}  # type: ignore[dict-item]
    words = "data.test=coordinator can't score a model whose features each site scales by its own cases; use features"
    with pytest.raises(fg.PlanError, match=words):
        run_of(tmp_path, data=data, features__scale="own")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"features__scale": "common"}, "features are scaled: by mean and deviation over all sites' training cases"),
        ({"features__scale": "own"}, "features are scaled: by mean and deviation of each site's own training cases"),
        ({"features__scale": "common"}, "before the first round, mean and sum of squares of each feature over its"),
        ({"features__scale": "common"}, "once: mean and squares of each feature"),
        ({"features__scale": "auto"}, "once: sums for the head's start"),
        ({"initial": "ridge", "rounds": 0}, "once: sums for the head's start"),
    ],
)
def test_a_plan_says_how_features_are_scaled_and_what_that_costs(options: dict[str, object], said: str) -> None:
    text = " ".join(str(fg.plan(**{**SMALL, **options}).describe()).split())
    assert said in text
    told = "mean and sum of squares of each feature" in text
    assert told == (options.get("features__scale") not in ("own",))
