"""The YAML files of `conf/` for few, shifted and imbalanced cases: what they name can be built and used."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from fedgraft.client.features.examples import Examples
from fedgraft.client.training.loop import LocalTraining
from fedgraft.client.training.personalisation import NetworkTraining, train_round
from fedgraft.common.heads.start import build_initial
from fedgraft.common.interfaces.harmoniser import Harmoniser
from fedgraft.common.interfaces.head_start import StartsFromSums
from fedgraft.common.interfaces.personalisation import KeepsTensors
from fedgraft.common.interfaces.sampler import Synthesiser
from fedgraft.common.plan import parts
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import OURS

from .test_conf import FITTING, members

PlanOf = Callable[..., Plan]


@pytest.mark.parametrize("name", members("harmonise"))
def test_a_harmoniser_gives_an_image_of_the_same_shape(plan_of: PlanOf, name: str) -> None:
    plan = plan_of(f"harmonise={name}")
    assert (name == "none") == (plan.harmonise.target is None)
    if plan.harmonise.target is not None:
        part: Harmoniser = parts.build(plan.harmonise.target, "harmonise", plan.harmonise.options)
        image = torch.rand(3, 24, 24, generator=torch.Generator().manual_seed(0))
        other = part.apply(image, part.describe(image**2).tolist())
        assert other.shape == image.shape
        assert not torch.allclose(other, image, atol=0.05)


@pytest.mark.parametrize("name", members("initial"))
def test_a_start_gives_the_head_tensors_of_its_own_shapes(plan_of: PlanOf, name: str) -> None:
    choice = f"initial={name}"
    plan = plan_of(choice, *FITTING.get(choice, ()))
    if name in ("none", "embeddings"):  # the head as it is built; a file (tests/server/weights/test_embed_classes.py)
        return
    initial = build_initial(plan, OURS)
    head = parts.build(plan.head.target, "head", plan.head.options, width=5, classes=3)
    features, labels = torch.randn(9, 5), torch.arange(9) % 3
    sums = initial.sums(features, labels, 3) if isinstance(initial, StartsFromSums) else {}
    found = initial.head(sums, dict(head.named_parameters()))
    assert {name: tensor.shape for name, tensor in found.items()} == {"weight": (3, 5), "bias": (3,)}


@pytest.mark.parametrize("name", members("alignment"))
def test_an_alignment_has_a_penalty_between_features_and_the_reference(plan_of: PlanOf, name: str) -> None:
    chosen = plan_of(f"alignment={name}").alignment
    assert (name == "none") == (chosen.target is None)
    if chosen.target is not None:
        alignment = parts.build(chosen.target, "alignment", chosen.options)
        reference, features = alignment.reference(80, 1), torch.randn(40, 80)
        reference.fill({0: 40}, {0: alignment.sums(reference, features)})
        assert bool(torch.isfinite(alignment.penalty(reference)(features[:8], 0)))


@pytest.mark.parametrize("name", members("personal"))
def test_a_personalisation_trains(plan_of: PlanOf, name: str) -> None:
    plan = plan_of(f"personal={name}")
    personal = parts.chosen(plan.personal, "personal")
    assert (name == "none") == (personal is None)
    local = personal.local() if isinstance(personal, KeepsTensors) else ()
    assert local == {"fedper": ("head.",), "fedrep": ("head.",), "intercept": ("head.bias",)}.get(name, ())
    head = torch.nn.ModuleDict({"head": torch.nn.Linear(4, 2), "body": torch.nn.Linear(4, 4)})
    head.forward = lambda x: head["head"](head["body"](x))  # type: ignore[method-assign]
    examples = Examples(torch.eye(4), torch.tensor([0, 1, 0, 1]))
    loss = torch.nn.functional.cross_entropy
    task = LocalTraining(examples, loss, plan.train, plan.train.lr, torch.Generator().manual_seed(0))
    assert train_round(personal, NetworkTraining(head, task, torch.device("cpu"))) > 0


@pytest.mark.parametrize("name", members("adapt"))
def test_an_adaptation_of_a_new_site_is_one_callable_or_none(plan_of: PlanOf, name: str) -> None:
    adapt = plan_of(f"adapt={name}", *FITTING.get(f"adapt={name}", ())).adapt
    assert (name == "none") == (adapt.target is None)
    if adapt.target is not None:
        parts.build(adapt.target, "adapt", adapt.options).require_effect(torch.nn.BatchNorm1d(2))


@pytest.mark.parametrize("name", members("sampling"))
def test_a_sampling_shows_both_classes_more_evenly(plan_of: PlanOf, name: str) -> None:
    plan = plan_of(f"sampling={name}", "loss.weights=none")
    if plan.sampling.target is None:
        return
    part = parts.build(plan.sampling.target, "sampling", plan.sampling.options)
    generator = torch.Generator().manual_seed(0)
    labels = (torch.arange(60) % 4 == 0).long()
    if isinstance(part, Synthesiser):
        shown = torch.bincount(part.synthesise(torch.randn(60, 3, generator=generator), labels, 0)[1])
    else:
        shown = torch.bincount(labels[part.order(labels, generator)])
    assert 0.35 < float(shown[1] / shown.sum()) < 0.65
