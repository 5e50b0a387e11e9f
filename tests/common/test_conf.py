"""Every YAML file in `conf/` composes, and what it names can be built; a new file is tested without a new test."""

from __future__ import annotations

import csv
from collections.abc import Callable
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from flwr.serverapp.strategy import Strategy

from fedgraft.client.augmentation.views import Bank, views_of
from fedgraft.client.cohort.case import Case
from fedgraft.client.features.examples import Examples
from fedgraft.client.training.loop import LocalTraining, train_locally
from fedgraft.common import tasks
from fedgraft.common.compression.compression import up_codec
from fedgraft.common.errors import PlanError
from fedgraft.common.exact.suitability import path_of
from fedgraft.common.interfaces.adaptation import Adapted
from fedgraft.common.interfaces.features import Bag
from fedgraft.common.models.build import build
from fedgraft.common.plan import parts
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import OURS
from fedgraft.server.aggregation.strategies import build_strategy
from fedgraft.simulations.datasets.source import Source

PlanOf = Callable[..., Plan]
CONF = Path(str(files("fedgraft.conf")))
OWN = {"manifest", "folders"}
"""Data sets that need a file of one's own, and leave open what they find in it: tests/simulations/datasets."""
CHOICES = sorted(
    f"{path.parent.name}={path.stem}"
    for path in CONF.glob("*/*.yaml")
    if path.parent.name != "experiment" and (path.parent.name != "data" or path.stem not in OWN)
)
ASKED = {
    "data",
    "augment",
    "calibration",
    "partition",
    "backbone",
    "adaptation",
    "head",
    "initial",
    "loss",
    "train",
    "strategy",
    "compression",
    "engine",
    "tracking",
    "alignment",
    "personal",
    "adapt",
    "sampling",
    "harmonise",
}
FITTING = {
    "loss=binary_cross_entropy": ("data.task=multilabel",),
    "loss=cox": ("data.task=survival", "data.classes=[]"),
    **{f"adapt={path.stem}": ("hold_out=[alder]",) for path in CONF.glob("adapt/*.yaml") if path.stem != "none"},
    "initial=noisy_ridge": ("privacy=record_once",),
    **{f"sampling={path.stem}": ("loss.weights=none",) for path in CONF.glob("sampling/*.yaml")},
}
"""What a choice needs besides the defaults."""
OFFLINE = "backbone.pretrained=false"
TABLE = (
    "+table={numeric: [age], categorical: [sex], missing: [], indicate_missing: false, statistics: plan, min_count: 1, "
    "means: {age: 50.0}, deviations: {age: 10.0}, vocabulary: {sex: [f, m]}}",
    "data.image_size=null",
)
TEXTUAL = ("hashed_words", "wordllama", "transformer")
EXTRA = {"wordllama": ("wordllama",), "transformer": ("transformers", "all_minilm_l6_v2")}
"""The packages of a backbone that a plain installation lacks."""
NOTES = ("input=text", "data.image_size=null")
TABULAR = ("identity", "mlp", "resnet_table", "ft_transformer")

NEEDED = {
    **{f"backbone={name}": TABLE for name in TABULAR},
    **{f"backbone={name}": NOTES for name in TEXTUAL},
    "features=taps_hashed": NOTES,
    **{f"features={name}": (*NOTES, "head=attention") for name in ("windows", "windows_hashed")},
}
"""Words before a choice without which it is no valid one."""
LEFT_OUT = {"runtime": "auto", "address": None}
"""What ``engine`` does not say in a plan, so that older versions read it."""


def members(group: str) -> list[str]:
    return [choice.partition("=")[2] for choice in CHOICES if choice.startswith(f"{group}=")]


def test_the_groups_of_the_issue_are_there() -> None:
    assert {choice.partition("=")[0] for choice in CHOICES} >= ASKED
    assert {"iid", "dirichlet", "quantity", "by_site", "thinned"} <= set(members("partition"))
    assert {"phantom", "pneumoniamnist", "busi", "uci_heart", "tcga_brca", "eicu_demo", "nih_cxr1000"} <= set(
        members("data")
    )
    assert {"none", "fedbn", "silobn", "ssf", "lora", "residual", "bottleneck", "adaptformer"} <= set(
        members("adaptation")
    )
    assert {"radiograph", "ultrasound", "fundus", "histology", "ct", "mr"} <= set(members("augment"))
    assert {"none", "histogram", "fourier"} <= set(members("harmonise"))
    assert {"none", "zeros", "prototypes", "ridge"} <= set(members("initial"))
    assert {"none", "float16", "int8", "topk", "changed"} <= set(members("compression"))


@pytest.mark.parametrize("choice", CHOICES)
def test_it_composes_into_a_valid_plan_with_the_values_of_the_file(plan_of: PlanOf, choice: str) -> None:
    group, _, name = choice.partition("=")
    plan = plan_of(*NEEDED.get(choice, ()), choice, *FITTING.get(choice, ())).to_dict()
    plan["engine"] = LEFT_OUT | plan["engine"]
    text = (CONF / group / f"{name}.yaml").read_text(encoding="utf-8")
    expected = yaml.safe_load(text) if "@package _global_" in text else {group: values(group, name)}
    for section in {group, "rounds"} & set(expected):
        assert plan[section] == expected[section]
    if "table" in expected:
        assert plan["table"] == {"means": {}, "deviations": {}, "vocabulary": {}, **expected["table"]}


def values(group: str, name: str) -> dict[str, Any]:
    """What a choice sets: its own values, over those of the choice that it is a variant, or another name, of."""
    written = yaml.safe_load((CONF / group / f"{name}.yaml").read_text(encoding="utf-8"))
    bases = [values(group, base) for base in written.pop("defaults", [])]
    return {**{key: value for base in bases for key, value in base.items()}, **written}


@pytest.mark.parametrize("choice", CHOICES)
def test_it_says_at_the_top_what_it_is(choice: str) -> None:
    group, _, name = choice.partition("=")
    text = (CONF / group / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    comments = [line for line in text[:2] if line.startswith("#") and "@package" not in line]
    assert comments or all(" #" in line for line in text if ":" in line)


@pytest.mark.parametrize("name", [name for name in members("augment") if name != "notes"])
def test_an_augmentation_makes_its_views(plan_of: PlanOf, name: str) -> None:
    augment = plan_of(f"augment={name}").augment
    image = torch.rand(1, 24, 24, generator=torch.Generator().manual_seed(0))
    views = views_of(image, Bank(augment, 0), "a")
    assert views.shape == (augment.views, 1, 24, 24)
    assert (name == "none") == (augment.views == 1)
    assert torch.equal(views[0], image)
    assert not any(torch.equal(view, image) for view in views[1:])


@pytest.mark.parametrize("name", members("head"))
def test_a_head_gives_one_logit_per_class(plan_of: PlanOf, name: str) -> None:
    plan = plan_of(f"head={name}")
    head = parts.build(plan.head.target, "head", plan.head.options, width=5, classes=3, bag=Bag(2, (1,), beside=1))
    assert head(torch.rand(4, 5)).shape == (4, 3)
    assert {parameter.dtype for parameter in head.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", members("adaptation"))
def test_an_adaptation_fits_a_small_network(small: PlanOf, name: str) -> None:
    backbone = "test_vit" if name in ("bottleneck", "adaptformer") else "test_resnet"
    model = build(small(backbone, f"adaptation={name}"), None)
    images = torch.randn(2, 3, 64, 64)
    assert model.network(images).shape == (2, 2)
    assert set(model.roles) == set(model.network.state_dict())


@pytest.mark.parametrize("name", members("adaptation"))
def test_an_adaptation_is_one_callable_or_none(plan_of: PlanOf, name: str) -> None:
    plan = plan_of(f"adaptation={name}")
    assert (name == "none") == (plan.adaptation.target is None)
    if plan.adaptation.target is not None:
        assert callable(parts.build(plan.adaptation.target, "adaptation", plan.adaptation.options))
        assert Adapted().claims == {}


@pytest.mark.parametrize("name", members("loss"))
def test_a_loss_gives_a_finite_scalar(plan_of: PlanOf, name: str) -> None:
    plan = plan_of(f"loss={name}", *FITTING.get(f"loss={name}", ()))
    task = tasks.of(plan.data)
    given = torch.arange(1.0, 1 + len(task.counts))
    loss = parts.build(plan.loss.target, "loss", plan.loss.options, class_weights=given, class_counts=given)
    value = loss(torch.randn(4, plan.data.outputs), task.some_labels(4))
    assert value.ndim == 0
    assert bool(torch.isfinite(value))


def test_the_exact_strategy_has_a_path_of_ridges(plan_of: PlanOf) -> None:
    path = path_of(plan_of("strategy=exact", "rounds=4"), OURS)
    assert path is not None
    assert path.ridges(4) == pytest.approx((1.0, 0.1, 0.01, 0.001))


@pytest.mark.parametrize("data", ["breast_us", "mts_dialog", "tcga_path"])
def test_a_data_set_that_comes_with_a_strategy_can_be_trained_by_any_other(plan_of: PlanOf, data: str) -> None:
    assert plan_of(f"data={data}").strategy.options["weakest"] == 0.1
    assert plan_of(f"data={data}", "strategy=fedprox").strategy.options == {"proximal_mu": 0.1}


@pytest.mark.parametrize("name", sorted(one for one in members("strategy") if not one.startswith("exact")))
def test_a_strategy_is_one_of_flower_s(plan_of: PlanOf, name: str) -> None:
    plan = plan_of(f"strategy={name}")
    strategy = build_strategy(plan)
    assert isinstance(strategy, Strategy)
    assert type(strategy).__module__.startswith(
        ("flwr.serverapp.strategy", "fedgraft.common.robust", "fedgraft.common.fair")
    )
    assert all(getattr(strategy, key) == value for key, value in plan.strategy.options.items())


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("FedAvgM", ["server_momentum=0.9"]),
        ("FedTrimmedAvg", ["beta=0.2"]),
        ("FedYogi", ["eta=0.01"]),
        ("FedAdagrad", ["eta=0.1"]),
        ("Krum", ["num_malicious_nodes=1"]),
        ("QFedAvg", ["client_learning_rate=0.1", "q=0.1"]),
    ],
)
def test_any_other_strategy_of_flower_can_be_named(plan_of: PlanOf, target: str, options: list[str]) -> None:
    named = f"strategy._target_=flwr.serverapp.strategy.{target}"
    strategy = build_strategy(plan_of(named, *(f"+strategy.{option}" for option in options)))
    assert type(strategy).__name__ == target


def test_what_is_not_a_strategy_is_refused(plan_of: PlanOf) -> None:
    with pytest.raises(PlanError, match=r"strategy\._target_=.*Result is not a flwr\.serverapp\.strategy\.Strategy"):
        build_strategy(plan_of("strategy._target_=flwr.serverapp.strategy.Result"))


@pytest.mark.parametrize("name", members("compression"))
def test_an_update_is_written_and_read_back(plan_of: PlanOf, name: str) -> None:
    codec = up_codec(plan_of(f"compression={name}").compression)
    received = {"head.weight": torch.zeros(2, 50), "head.bias": torch.zeros(2)}
    trained = {name: torch.full_like(tensor, 0.25) for name, tensor in received.items()}
    payload = codec.encode(trained, received, {}, torch.Generator()).payload
    back = codec.decode(payload, received)
    assert {name: (t.shape, t.dtype) for name, t in back.items()} == {
        name: (t.shape, t.dtype) for name, t in trained.items()
    }
    assert int((back["head.weight"] == 0.25).sum()) == (10 if name == "topk" else 100)


@pytest.mark.parametrize("name", members("train"))
def test_a_local_loop_learns(plan_of: PlanOf, name: str) -> None:
    train = plan_of(f"train={name}").train
    examples = Examples(torch.eye(4), torch.tensor([0, 1, 0, 1]))
    head = torch.nn.Linear(4, 2)
    before = float(torch.nn.functional.cross_entropy(head(examples.inputs), examples.labels).detach())
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        loss = torch.nn.functional.cross_entropy
        train_locally(head, LocalTraining(examples, loss, train, train.lr, generator), torch.device("cpu"))
    assert float(torch.nn.functional.cross_entropy(head(examples.inputs), examples.labels).detach()) < before


@pytest.mark.parametrize("name", members("backbone"))
def test_a_backbone_is_built(plan_of: PlanOf, name: str) -> None:
    for package in EXTRA.get(name, ()):
        if find_spec(package) is None:
            pytest.skip(f"{package} is an extra")
    choice = f"backbone={name}"
    model = build(plan_of(*NEEDED.get(choice, ("data.image_size=64",)), choice, OFFLINE), None)
    shape = (2,) if name in TABULAR else (128 * 64,) if name in TEXTUAL[1:] else (3, 64, 64)
    assert model.spec.shape == ((16384,) if name == "hashed_words" else shape)
    assert model.network(torch.zeros(1, *model.spec.shape)).shape == (1, 2)


@pytest.mark.parametrize("name", members("partition"))
def test_a_partition_deals_every_case_once_or_says_that_it_drops_some(plan_of: PlanOf, name: str) -> None:
    plan = plan_of(f"partition={name}")
    cases = tuple(Case(f"/{n}.png", "ab"[n % 2], f"p{n}") for n in range(400))
    source = Source(cases, tuple("north" if n < 150 else "south" for n in range(400)))
    partitioned = parts.build(plan.partition.target, "partition", plan.partition.options, source=source, seed=0)
    paths = [case.path for site in partitioned.values() for case in site]
    assert len(set(paths)) == len(paths)
    assert len(paths) == len(cases) or name == "thinned"
    assert all(len(site) > 0 for site in partitioned.values())


@pytest.mark.parametrize("name", members("data"))
def test_a_data_set_holds_cases_of_its_classes(
    plan_of: PlanOf, request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    small = ("data.cases=12", "data.size=32") if name == "phantom" else ()
    plan = plan_of(f"data={name}", *small)
    root = None if name == "phantom" else request.getfixturevalue("data_root")
    source = parts.build(plan.data.target, "data", plan.data.options, root=root, cache=tmp_path, seed=0)
    needed = {"classification": (), "multilabel": plan.data.classes, "survival": ("time", "event")}[plan.data.task]
    assert all(case.column(name) for case in source.cases for name in needed)
    if plan.data.task == "classification":
        assert {case.label for case in source.cases} == set(plan.data.classes)
    if plan.table is not None:
        with Path(source.cases[0].path).open(newline="", encoding="utf-8") as stream:
            assert {*plan.table.numeric, *plan.table.categorical} <= set(next(csv.reader(stream)))
    assert bool(source.test) == (plan.data.test == "coordinator")
