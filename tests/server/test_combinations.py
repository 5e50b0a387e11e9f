"""Every backbone family with every adaptation and three strategies: two rounds, or refused by name with a reason."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fedgraft.common import tensors
from fedgraft.common.errors import PlanError
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.server.rounds.loop import run

from .in_process import Tampered, context_over

Composer = Callable[..., Plan]
Sites = Callable[..., list[Path]]
STRATEGIES = ("fedavg", "fedprox", "fedadam")
ADAPTATIONS = sorted(Path(str(path)).stem for path in files("fedgraft.conf").joinpath("adaptation").iterdir())
IMAGES = {"cnn": "test_efficientnet", "vit": "test_vit"}
TABLES = {
    "mlp": ("backbone=mlp", "backbone.dropout=0", "backbone.freeze=all"),
    "resnet": ("backbone=resnet_table", "backbone.dropout1=0", "backbone.freeze=all", "backbone.batch_norm=eval"),
    "ft_transformer": (
        *("backbone=ft_transformer", "backbone.freeze=all"),
        *("backbone.attention_dropout=0", "backbone.ffn_dropout=0"),
    ),
    "identity": ("backbone=identity",),
}
STATISTICS = (
    *("table.statistics=plan", "table.min_count=1", "+table.vocabulary={sex: [f, m]}"),
    *("+table.means={age: 52.0, pressure: 130.0}", "+table.deviations={age: 10.0, pressure: 25.0}"),
)
NO_NORM = "local batch norm has no effect, the backbone has no batch norm"
NO_BLOCK = "bottleneck adapters have no effect, there is no transformer block"
NO_CONVOLUTION = "adaptation=residual has no effect: there is no convolution wider than its stride"
REFUSED = {
    **{(name, norm): NO_NORM for name in ("vit", "mlp", "ft_transformer", "identity") for norm in ("fedbn", "silobn")},
    **{
        (name, layers): NO_BLOCK
        for name in ("cnn", "mlp", "resnet", "identity")
        for layers in ("bottleneck", "adaptformer")
    },
    **{(name, "residual"): NO_CONVOLUTION for name in ("vit", "mlp", "resnet", "ft_transformer", "identity")},
    ("ft_transformer", "ssf"): "adaptation=ssf can't follow stage backbone.blocks.0: its output is not one tensor",
    ("identity", "ssf"): "adaptation=ssf has no effect: the backbone has no stage",
    ("identity", "lora"): "adaptation=lora has no effect: there is no linear layer or 1x1 convolution",
}
"""Why a backbone and an adaptation do not go together, whatever the strategy."""
PAIRS = [(name, adaptation) for name in (*IMAGES, *TABLES) for adaptation in ADAPTATIONS]
FITTING = [pair for pair in PAIRS if pair not in REFUSED]


@pytest.fixture
def plan_for(compose_plan: Composer, table_plan: Composer) -> Callable[..., Plan]:
    """``plan_for("cnn", "ssf")`` -> two rounds over two small hospitals."""

    def composed(name: str, adaptation: str, *more: str) -> Plan:
        rounds = (f"adaptation={adaptation}", "rounds=2", *more)
        if name in TABLES:
            return table_plan(*TABLES[name], *STATISTICS, *rounds)
        small = (
            "data.sites=2",
            "data.cases=24",
            "data.size=32",
            "loss.weights=local",
            "train.batch_size=8",
            "train.lr=0.1",
        )
        return compose_plan(f"backbone.name={IMAGES[name]}", *small, *rounds)

    return composed


@pytest.mark.parametrize(("name", "adaptation"), sorted(REFUSED))
def test_what_does_not_go_together_is_refused(plan_for: Callable[..., Plan], name: str, adaptation: str) -> None:
    with pytest.raises(PlanError, match=REFUSED[name, adaptation]):
        build(plan_for(name, adaptation), None)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("name", "adaptation"), FITTING)
def test_two_rounds_change_all_that_is_trained(
    plan_for: Callable[..., Plan],
    federate: Callable[..., Any],
    table_sites: Sites,
    name: str,
    adaptation: str,
    strategy: str,
) -> None:
    plan = plan_for(name, adaptation, f"strategy={strategy}")
    model = build(plan, None)
    shared = federated(plan, table_sites(2)) if name in TABLES else federate(plan).outcome.shared
    start = model.tensors(model.names("shared"))
    assert set(shared) == set(start)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in shared.values())
    assert [name for name in shared if torch.equal(shared[name], start[name])] == []


@pytest.mark.parametrize(
    ("name", "adaptation"), [("cnn", "residual"), ("vit", "bottleneck"), ("vit", "lora"), ("mlp", "ssf")]
)
def test_layers_that_stay_at_a_site_last_there_and_differ(
    plan_for: Callable[..., Plan], federate: Callable[..., Any], table_sites: Sites, name: str, adaptation: str
) -> None:
    plan = plan_for(name, adaptation, "adaptation.role=local")
    if name in TABLES:
        sites = table_sites(2)
        shared, folders = federated(plan, sites), [site.parent for site in sites]
    else:
        result = federate(plan, fresh=True)
        shared, folders = result.outcome.shared, sorted(result.folder.glob("*/"))
    assert all(key.startswith("head.") for key in shared)
    here, there = (tensors.load(next((folder / "state" / "local").glob("*.safetensors"))) for folder in folders)
    assert here.keys() == there.keys() == {key for key in build(plan, None).roles if key.startswith("adapters.")}
    assert all(not torch.equal(here[key], there[key]) for key in here)


def federated(plan: Plan, sites: list[Path]) -> dict[str, Tensor]:
    """The shared tensors after all rounds of a plan over the hospitals of these site files."""
    return run(context_over(plan, Tampered(sites))).shared
