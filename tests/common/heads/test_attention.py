"""Gated attention by hand, its gradients by case and by many sites at once, and what it can't be combined with."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn import functional

from fedgraft.client.features.examples import Examples
from fedgraft.client.privacy.case_gradients import case_gradients, through_all
from fedgraft.client.training.loop import LocalTraining, train_locally
from fedgraft.client.training.vectorised import can_be_stacked, train_together
from fedgraft.common.errors import PlanError
from fedgraft.common.features.bags import opened
from fedgraft.common.heads.attention import GatedAttention
from fedgraft.common.interfaces.features import Bag
from fedgraft.common.losses.cross_entropy import CrossEntropy
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.sections import TrainSection

PlanOf = Callable[..., Plan]
Words = Callable[..., tuple[str, ...]]
BAG = Bag(3, (2, 1), beside=1)
CPU = torch.device("cpu")
ADAMW = TrainSection("adamw", lr=0.01, momentum=0.0, weight_decay=0.01, batch_size=8, epochs=2, schedule="constant")


def drawn(cases: int, seed: int = 0) -> torch.Tensor:
    """Bags of one to three instances."""
    generator = torch.Generator().manual_seed(seed)
    found = torch.randn(cases, 13, generator=generator)
    found[:, 10:] = (torch.arange(3) < torch.randint(1, 4, (cases, 1), generator=generator)).float()
    return found


def head(hidden: int = 4, seed: int = 0) -> GatedAttention:
    """With weights that are not 0."""
    torch.manual_seed(seed)
    made = GatedAttention(13, 2, BAG, hidden)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)
    return made


def test_equation_9_by_hand() -> None:
    """One row of V and U: instances 0, 1 and 2 of a number each, of which the third is not there."""
    made = GatedAttention(6, 1, Bag(3, (1,)), 1)
    with torch.no_grad():
        for module, value in ((made.tanh, 1.0), (made.gate, 2.0), (made.weigh, 3.0), (made.output, 5.0)):
            module.weight.fill_(value)
    case = torch.tensor([[0.0, 1, 2, 1, 1, 0]])
    second = math.exp(3 * math.tanh(1) / (1 + math.exp(-2)))
    share = second / (1 + second)
    torch.testing.assert_close(made.weights(opened(case, made.bag)), torch.tensor([[1 - share, share, 0]]))
    assert made(case).item() == pytest.approx(5 * share, rel=1e-6)


def test_it_equals_a_loop_over_cases_and_instances() -> None:
    made, cases = head(), drawn(5)
    v, u, w = (module.weight.detach().double().numpy() for module in (made.tanh, made.gate, made.weigh))
    last, bias = made.output.weight.detach().double().numpy(), made.output.bias.detach().double().numpy()
    for row, found in zip(cases.double().numpy(), made(cases).detach().numpy(), strict=True):
        there = [at for at in range(3) if row[10 + at]]
        instances = [np.array([row[2 * at], row[2 * at + 1], row[6 + at]]) for at in there]
        scores = [float((w @ (np.tanh(v @ h) / (1 + np.exp(-(u @ h)))))[0]) for h in instances]
        shares = np.exp(scores) / np.exp(scores).sum()
        summed = sum(share * h for share, h in zip(shares, instances, strict=True))
        np.testing.assert_allclose(found, last @ np.append(summed, row[9]) + bias, rtol=1e-4, atol=1e-5)


def test_it_starts_as_the_mean_and_order_and_empty_places_change_nothing() -> None:
    fresh, cases = GatedAttention(13, 2, BAG, 4), drawn(6)
    assert bool((fresh(cases) == 0).all())
    there = cases[:, 10:]
    torch.testing.assert_close(fresh.weights(opened(cases, BAG)), there / there.sum(dim=1, keepdim=True))
    made, turned, filled = head(), cases.clone(), cases.clone()
    turned[:, :6], turned[:, 6:9] = cases[:, :6].unflatten(1, (3, 2)).flip(1).flatten(1), cases[:, 6:9].flip(1)
    turned[:, 10:] = there.flip(1)
    torch.testing.assert_close(made(turned), made(cases))
    filled[:, 6:9] = torch.where(there > 0, cases[:, 6:9], 1e3)
    torch.testing.assert_close(made(filled), made(cases))


def test_gradients_of_each_case() -> None:
    made, cases, labels = head(), drawn(6), torch.arange(6) % 2
    trained = dict(made.named_parameters())
    found = case_gradients(made, trained, functional.cross_entropy, cases, labels)
    torch.testing.assert_close(found, through_all(made, trained, functional.cross_entropy, cases, labels))
    for one in range(6):
        made.zero_grad()
        functional.cross_entropy(made(cases[one : one + 1]), labels[one : one + 1]).backward()
        alone = torch.cat([p.grad.flatten() for p in made.parameters() if p.grad is not None])
        torch.testing.assert_close(found[one], alone, atol=1e-6, rtol=1e-5)


def test_many_sites_at_once() -> None:
    made = head()
    start = {name: p.detach().clone() for name, p in made.named_parameters()}

    def tasks() -> list[LocalTraining]:
        return [
            LocalTraining(
                Examples(drawn(20 + site, site), torch.arange(20 + site) % 2),
                CrossEntropy(None),
                ADAMW,
                ADAMW.lr,
                torch.Generator().manual_seed(site),
            )
            for site in range(6)
        ]

    assert can_be_stacked(made, [one.loss for one in tasks()])
    together = train_together(made, start, tasks(), CPU)
    for one, found in zip(tasks(), together, strict=True):
        made.load_state_dict(start)
        loss = train_locally(made, one, CPU)
        assert not isinstance(found, PlanError) and found.loss == pytest.approx(loss, rel=1e-4)
        for name, parameter in made.named_parameters():
            torch.testing.assert_close(found.weights[name], parameter.detach(), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (
            ("features=windows", "head=plain"),
            "features=windows keeps a vector for each window of a note, and head=plain",
        ),
        (
            ("features=taps", "head=attention"),
            "head=attention weighs the windows of a note, and features=taps gives one",
        ),
        (("head=attention",), "head=attention weighs the windows of a note, and features=last gives one vector"),
        (("features.keep=9",), "features.keep ranks numbers by their place; set it to null"),
        (("augment.mixup=0.2",), "augment.mixup mixes numbers by their place, and the third window of one note"),
        (("sampling=smote", "loss.weights=none"), "sampling makes new cases between two, number by number"),
        (("site_distances=true",), "site_distances=true compares features number by number; set it to false"),
        (("alignment=coral", "adaptation=ssf"), "alignment compares features number by number; use alignment=none"),
        (("initial=ridge",), "initial=ridge: "),
        (("features.scale=auto",), "features.scale=auto compares ridge heads that all sites share"),
        (("strategy=exact",), "which shrinks all weights of head=attention to nothing, and from there it never learns"),
        (("features.statistics=[ninths]",), "words have no rows and columns for ninths"),
    ],
)
def test_what_it_can_t_be_combined_with(
    of_encoder: Words, plan_of: PlanOf, words: tuple[str, ...], problem: str
) -> None:
    both = () if words[-1].startswith(("head", "features=")) else ("features=windows", "head=attention")
    with pytest.raises(PlanError, match=problem):
        build(plan_of(*of_encoder(), *both, *words), None)


def test_a_strong_ridge_ends_all_weighing() -> None:
    """Why the exact fit refuses it: where V and w are 0 their gradients are 0."""
    made, cases = head(), drawn(6)
    with torch.no_grad():
        made.tanh.weight.zero_(), made.weigh.weight.zero_()
    functional.cross_entropy(made(cases), torch.arange(6) % 2).backward()
    slopes = [module.weight.grad for module in (made.tanh, made.gate, made.weigh)]
    assert all(slope is not None and bool((slope == 0).all()) for slope in slopes)
