"""A federation over tables, end to end in this process: statistics, training, evaluation, pretraining."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from rich.console import Console
from torch import Tensor

from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Workspace
from fedgraft.client.cohort.accepted import accept_whole
from fedgraft.client.cohort.inputs import InputContext
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.features.extraction import FeatureExtractor
from fedgraft.client.site.machine import choose
from fedgraft.client.site.row_store import Store
from fedgraft.client.tables.factory import TableFactory
from fedgraft.common import tensors
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan, from_dict, load_plan
from fedgraft.common.plan.types import OURS
from fedgraft.server import app as server_app
from fedgraft.server.weights.export import export_backbone
from fedgraft.simulations.datasets.phantom import phantom
from fedgraft.simulations.datasets.source import Source
from fedgraft.simulations.engine.grid import InProcessGrid
from fedgraft.simulations.engine.run import simulate
from fedgraft.simulations.planning.description import describe

Sites = Callable[..., list[Path]]
PlanOf = Callable[..., Plan]
BACKBONES = ("identity", "mlp", "resnet_table", "ft_transformer")


def run(plan: Plan, sites: list[Path], out: Path) -> dict[str, Tensor]:
    """A run over these sites; the final shared tensors."""
    app = client_app.build(client_app.MessageHandler(Workspace(), sites))
    grid = InProcessGrid(app, [{"site-file": str(site)} for site in sites], {})
    return server_app.serve(grid, plan, out, None, lambda round_: None).shared


def same(one: dict[str, Tensor], other: dict[str, Tensor], tolerance: float = 0.0) -> bool:
    return one.keys() == other.keys() and all(torch.allclose(one[n], other[n], rtol=0, atol=tolerance) for n in one)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_each_backbone_learns(table_plan: PlanOf, table_sites: Sites, tmp_path: Path, backbone: str) -> None:
    plan = table_plan(f"backbone={backbone}", "rounds=8", "train.epochs=4")
    run(plan, table_sites(3), tmp_path / "run")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["test"]["auroc"] > 0.85
    assert summary["dropped"] == []
    assert summary["sites"]["site-0"]["examples"] == 24  # of 39 that can be used


def test_federated_statistics_give_the_run_of_a_plan_that_holds_them(
    table_plan: PlanOf, table_sites: Sites, tmp_path: Path
) -> None:
    federated = run(table_plan(), table_sites(3), tmp_path / "asked")
    written = load_plan(tmp_path / "asked" / "plan.yaml")
    assert written.table is not None
    assert written.table.statistics == "plan"
    given = run(written, table_sites(3, folder="again"), tmp_path / "given")
    assert same(federated, given)
    ledgers = [(tmp_path / name / "ledger.jsonl").read_text() for name in ("asked", "given")]
    assert ["describe" in ledger for ledger in ledgers] == [True, False]
    asked, given_numbers = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("asked", "given"))
    assert asked["plan_digest"] == written.digest
    assert asked["statistics_from"] == ["site-0", "site-1", "site-2"]
    assert given_numbers["statistics_from"] == []


@pytest.mark.parametrize("backbone", ["mlp", "resnet_table", "ft_transformer"])
@pytest.mark.parametrize("freeze", ["none", "stem"])
def test_kept_equals_not_kept(
    table_plan: PlanOf, table_sites: Sites, tmp_path: Path, backbone: str, freeze: str
) -> None:
    sites, shared = table_sites(2), []
    for keep in ("true", "false"):
        plan = table_plan(f"backbone={backbone}", f"backbone.freeze={freeze}", "rounds=2", f"engine.keep={keep}")
        shared.append(run(plan, sites, tmp_path / keep))
    assert same(*shared, tolerance=1e-5)


def test_a_run_repeats_to_the_bit_with_dropout(table_plan: PlanOf, table_sites: Sites, tmp_path: Path) -> None:
    plan, shared = table_plan("backbone=mlp", "backbone.dropout=0.5", "rounds=2"), []
    for name in ("one", "two"):
        torch.manual_seed(len(shared))  # as if another run had been here before
        shared.append(run(plan, table_sites(2, folder=name), tmp_path / f"run-{name}"))
    assert same(*shared)


def test_fedbn_of_a_resnet(table_plan: PlanOf, table_sites: Sites, tmp_path: Path) -> None:
    sites = table_sites(2)
    plan = table_plan("backbone=resnet_table", "backbone.batch_norm=eval", "adaptation=fedbn", "rounds=2")
    shared = run(plan, sites, tmp_path / "run")
    assert not any("normalization" in name for name in shared)
    local = [tensors.load(next((site.parent / "state" / "local").glob("*.safetensors"))) for site in sites]
    name = "backbone.blocks.0.normalization.running_mean"
    assert not torch.equal(local[0][name], local[1][name])


def test_a_second_start_computes_nothing_and_an_edit_one_row(
    table_plan: PlanOf, table_sites: Sites, tmp_path: Path
) -> None:
    (site,) = table_sites(1)
    run(table_plan("patience.quorum_sites=1"), [site], tmp_path / "run")
    plan = load_plan(tmp_path / "run" / "plan.yaml")
    model, cases = build(plan, None), read_manifest(site.parent / "manifest.csv")
    counted: list[int] = []
    digest = tensors.digest(model.backbone_state())
    store = Store(site.parent / "state" / "store" / "kept")
    inputs_now = TableFactory().inputs(InputContext(plan, OURS, store))
    extractor = FeatureExtractor(plan, model, digest, inputs_now, store, choose("cpu", 1, 0, None), counted.append)
    some = [case for case in cases if case.row != 1]
    extractor.examples(accept_whole(some, plan, inputs_now))
    assert counted == []
    table = site.parent / "table.csv"
    lines = table.read_text().splitlines()
    lines[-1] = "33.3,120,f"
    table.write_text("\n".join(lines) + "\n")
    inputs = extractor.examples(accept_whole(some, plan, inputs_now)).inputs
    assert counted == [1]
    assert plan.table is not None
    expected = (33.3 - plan.table.means["age"]) / plan.table.deviations["age"]
    assert inputs[-1][0].item() == pytest.approx(expected, abs=1e-5)


def test_a_backbone_pretrained_at_one_site_is_distributed_like_any(
    table_plan: PlanOf, table_sites: Sites, tmp_path: Path
) -> None:
    public, (first, *others) = tmp_path / "public", table_sites(3)
    run(table_plan("backbone=mlp", "patience.quorum_sites=1"), [first], public)
    file = tmp_path / "mlp.safetensors"
    export_backbone(public, file)
    trained_on = yaml.safe_load((public / "plan.yaml").read_text())["table"]
    plan = table_plan("backbone=mlp", "backbone.pretrained=true", f"backbone.weights={file}", "backbone.freeze=all",
                      "backbone.dropout=0")  # fmt: skip
    plan = from_dict({**plan.to_dict(), "table": trained_on})
    shared = run(plan, others, tmp_path / "grafted")
    assert sorted(shared) == ["head.bias", "head.weight"]
    held = [list((site.parent / "state" / "store" / "backbones").glob("*.safetensors")) for site in others]
    assert all(len(files) == 1 for files in held)
    assert tensors.digest(tensors.load(held[0][0])) == tensors.digest(tensors.load(file))


def table_data(sites: list[Path]) -> Callable[..., Source]:
    """A data set made of the sites' tables, as a function like those in `fedgraft.simulations`."""

    def data(*, held: int = 0) -> Source:
        cases = [case for site in sites for case in read_manifest(site.parent / "manifest.csv")]
        site_of = tuple(Path(case.path).parent.name for case in cases)
        return Source(tuple(cases[held:]), site_of[held:], tuple(cases[2:held]))

    data.__module__ = phantom.__name__
    return data


@pytest.fixture
def with_data(table_sites: Sites, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table_plan: PlanOf) -> PlanOf:
    """Plans whose data set are three sites' tables."""
    monkeypatch.setattr(phantom, "tables", table_data(table_sites(3)), raising=False)
    monkeypatch.setenv("FEDGRAFT_CACHE", str(tmp_path / "cache"))
    gone = [f"~data.{name}" for name in ("sites", "cases", "size", "shift")]
    target = "data._target_=fedgraft.simulations.datasets.phantom.phantom.tables"
    return lambda *overrides: table_plan(target, *gone, *overrides)


def test_a_simulation_with_a_clock_and_a_central_test_set(with_data: PlanOf, tmp_path: Path) -> None:
    plan = with_data("clock=clinics", "data.test=coordinator", "data.test_fraction=0.0", "+data.held=20")
    summary = simulate(plan, tmp_path / "run", Console(quiet=True))
    assert summary["clock"]
    assert (summary["test"]["source"], summary["test"]["cases"]) == ("coordinator", 18)


def test_what_a_run_would_do_is_told_before(with_data: PlanOf) -> None:
    text = " ".join(str(describe(with_data("backbone=mlp"))).split())
    assert "before the first round, of each column of the table: count, mean and M2" in text
    assert "kept at the site: the encoded rows of the table; nothing behind them" in text
    assert "input: 5; 32 features; stages: stem, blocks.1" in text
