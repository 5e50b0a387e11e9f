"""A site's scaling of its kept features: when its values are set, what they are of, and who shares them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from fedgraft.client.features.examples import Examples
from fedgraft.client.training.evaluation import evaluate_splits
from fedgraft.client.training.scaling import Scaling, scaled
from fedgraft.common import tasks
from fedgraft.common.models.build import build
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan

from ...plans import plan_of_words

CPU = torch.device("cpu")
SMALL = ("backbone=timm", "backbone.name=test_resnet", "backbone.pretrained=false", "data.image_size=32")
Given = Mapping[str, Tensor]


def plan_of(*overrides: str) -> Plan:
    return plan_of_words((*SMALL, *overrides))


def cases(model: Model, count: int = 12, seed: int = 0) -> dict[str, Examples]:
    """Kept rows of three splits in one source; the first third of the training cases are of class 0."""
    generator = torch.Generator().manual_seed(seed)
    rows = 3 + 2 * torch.randn(2 * count, *model.constant.shape, generator=generator)
    labels = (torch.arange(2 * count) >= count // 3).long()
    places = {
        "train": torch.arange(count),
        "val": torch.arange(count, 2 * count - 3),
        "test": torch.arange(2 * count - 3, 2 * count),
    }
    return {name: Examples(rows, labels[some], some[:, None]) for name, some in places.items()}


def initial_of(model: Model) -> dict[str, Tensor]:
    return model.tensors((*model.received, *model.names("local")))


def scaling_of(
    model: Model, plan: Plan, cohort: dict[str, Examples], trains: bool = True
) -> tuple[dict[str, Examples], Scaling]:
    found, scaling = scaled(cohort, model, initial_of(model), plan, trains, CPU)
    assert scaling is not None
    return found, scaling


def test_a_plan_that_does_not_scale_changes_nothing() -> None:
    plan = plan_of()
    model = build(plan, None)
    cohort = cases(model)
    assert scaled(cohort, model, initial_of(model), plan, True, CPU) == (cohort, None)


def test_before_anything_is_received_features_are_as_they_are() -> None:
    plan = plan_of("features.scale=common")
    model = build(plan, None)
    cohort, scaling = scaling_of(model, plan, cases(model))
    assert torch.equal(cohort["train"].inputs, cases(model)["train"].inputs)
    mean, deviation = torch.full((model.width,), 3.0), torch.full((model.width,), 2.0)
    scaling.receive({"scale.mean": mean, "scale.deviation": deviation})
    torch.testing.assert_close(cohort["test"].inputs, (cases(model)["test"].inputs - 3) / 2, rtol=1e-5, atol=1e-5)
    assert scaling.local == {}


@pytest.mark.parametrize("scale", ["own", "own_balanced"])
@pytest.mark.parametrize("trains", [True, False])
def test_own_moments_are_of_training_cases_and_of_classes_only_where_it_trains(scale: str, trains: bool) -> None:
    plan = plan_of(f"features.scale={scale}")
    model = build(plan, None)
    raw = cases(model)
    _, scaling = scaling_of(model, plan, raw, trains)
    scaling.receive({})
    rows, labels = raw["train"].inputs.double(), raw["train"].labels
    mean = rows.mean(0)
    if scale == "own_balanced" and trains:
        mean = torch.stack([rows[labels == c].mean(0) for c in (0, 1)]).mean(0)
    torch.testing.assert_close(scaling.local["scale.mean"].double(), mean, rtol=1e-5, atol=1e-6)
    assert set(scaling.local) == {"scale.mean", "scale.deviation"}


def test_kept_rows_are_never_changed_themselves() -> None:
    plan = plan_of("features.scale=own")
    model = build(plan, None)
    raw = cases(model)
    before = raw["train"].stored.clone()
    cohort, scaling = scaling_of(model, plan, raw)
    scaling.receive({})
    first = cohort["train"].inputs
    scaling.receive({})
    assert torch.equal(first, cohort["train"].inputs), "moments are those of rows as kept, not as scaled"
    assert torch.equal(raw["train"].stored, before)
    torch.testing.assert_close(first.mean(0), torch.zeros(model.width), rtol=0.0, atol=1e-5)
    torch.testing.assert_close(first.std(0, correction=0), torch.ones(model.width))


@pytest.mark.parametrize("freeze", ["all", "layer2"])
def test_own_moments_stay_those_of_the_model_before_training(freeze: str) -> None:
    """Stages below the head are trained and the features move; the scale does not."""
    plan = plan_of("features=taps", "features.scale=own", f"backbone.freeze={freeze}")
    model = build(plan, None)
    _, scaling = scaling_of(model, plan, cases(model))
    scaling.receive({})
    first = {name: tensor.clone() for name, tensor in scaling.local.items()}
    late = Scaling(plan.features, model, scaling.train, scaling.initial, True, CPU)
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.add_(parameter.requires_grad * 0.1)
    late.receive({})
    for name, tensor in first.items():
        torch.testing.assert_close(late.local[name], tensor, rtol=1e-5, atol=1e-6)


def test_a_network_that_trains_stages_scales_by_itself() -> None:
    """What is kept are no features: the cohort is as it was, and the network's own scale is loaded."""
    plan = plan_of("features=taps", "features.scale=own", "backbone.freeze=layer2")
    model = build(plan, None)
    raw = cases(model)
    cohort, scaling = scaling_of(model, plan, raw)
    assert cohort is raw
    scaling.receive({})
    model.load({**scaling.initial, **scaling.local})
    seen: list[Tensor] = []
    model.network.scale.register_forward_hook(lambda module, given, output: seen.append(output))
    with torch.no_grad():
        model.constant.trained(raw["train"].inputs)
    torch.testing.assert_close(seen[0].mean(0), torch.zeros(model.width), rtol=0.0, atol=1e-4)


@pytest.mark.parametrize(("scale", "alike"), [("common", True), ("case", True), ("own", False), ("centre", False)])
def test_sites_are_evaluated_together_only_if_they_scale_alike(scale: str, alike: bool) -> None:
    plan = plan_of(f"features.scale={scale}", "head=plain")
    model = build(plan, None)
    given = {"scale.mean": torch.ones(model.width), "scale.deviation": torch.full((model.width,), 4.0)}
    sites = []
    for seed in (0, 1):
        cohort, scaling = scaling_of(model, plan, cases(model, seed=seed))
        scaling.receive(given)
        sites.append((cohort, scaling))
    (first, one), (second, other) = sites
    assert (one.same_for == other.same_for) == alike
    with torch.no_grad():
        model.network.head.weight.copy_(torch.randn(2, model.width, generator=torch.Generator().manual_seed(5)))
    task = tasks.of(plan.data)
    together = evaluate_splits(model.constant.trained, [first["test"], second["test"]], CPU, task)
    alone = [evaluate_splits(model.constant.trained, [one["test"]], CPU, task)[0] for one in (first, second)]
    for each, expected in zip(together, alone, strict=True):
        assert each is not None and expected is not None
        assert each.figures()["loss"] == pytest.approx(expected.figures()["loss"], rel=1e-5)


def test_views_of_a_case_are_scaled_as_the_case_is() -> None:
    """Moments are of view 0; every view is scaled by them."""
    plan = plan_of("features.scale=own")
    model = build(plan, None)
    rows = torch.randn(6, model.width)
    train = Examples(rows, torch.tensor([0, 1]), torch.tensor([[0, 1, 2], [3, 4, 5]]))
    cohort, scaling = scaling_of(model, plan, {"train": train})
    scaling.receive({})
    mean, half = (rows[0] + rows[3]) / 2, (rows[0] - rows[3]).abs() / 2
    third = cohort["train"].batch(torch.tensor([0, 1]), torch.tensor([2, 2]))
    torch.testing.assert_close(third, (rows[[2, 5]] - mean) / half, rtol=1e-3, atol=1e-4)
