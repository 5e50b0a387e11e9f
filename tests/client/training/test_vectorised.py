"""Sites trained in one batched computation get the weights of sites trained one after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from fedgraft.client.features.examples import Examples
from fedgraft.client.training.loop import LocalTraining, train_locally
from fedgraft.client.training.vectorised import FEWEST, MOST, TrainedTogether, can_be_stacked, groups_of, train_together
from fedgraft.common.errors import PlanError
from fedgraft.common.heads.heads import Cosine, Linear
from fedgraft.common.interfaces.sampler import Sampler
from fedgraft.common.losses.binary_cross_entropy import BinaryCrossEntropy
from fedgraft.common.losses.cox import CoxPartialLikelihood
from fedgraft.common.losses.cross_entropy import CrossEntropy
from fedgraft.common.losses.focal import FocalLoss
from fedgraft.common.losses.ldam import LDAM
from fedgraft.common.losses.logit_adjusted import LogitAdjusted
from fedgraft.common.plan.sections import TrainSection
from fedgraft.common.sampling.balanced import Balanced
from fedgraft.common.sampling.oversampling import Oversampling
from fedgraft.common.sampling.undersampling import Undersampling

SGD = TrainSection("sgd", lr=0.1, momentum=0.9, weight_decay=0.01, batch_size=8, epochs=2, schedule="constant")
ADAMW = replace(SGD, optimizer="adamw", momentum=0.0, lr=0.01)
CPU = torch.device("cpu")
SIZES = (33, 30, 41, 29, 9, 32)


def task(
    site: int, cases: int, train: TrainSection, mu: float = 0.0, weights: tuple[float, ...] | None = None
) -> LocalTraining:
    """Site number ``site``: its own cases, its own class weights."""
    generator = torch.Generator().manual_seed(site)
    inputs = torch.randn(cases, 12, generator=generator)
    labels = (inputs[:, 0] + 0.3 * torch.randn(cases, generator=generator) > site / 10).long()
    loss = CrossEntropy(None if weights is None else torch.tensor(weights) * (1 + site / 5))
    return LocalTraining(Examples(inputs, labels), loss, train, train.lr, torch.Generator().manual_seed(100 + site), mu)


def start_of(head: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in head.named_parameters()}


def one_after_another(head: nn.Module, start: dict[str, Tensor], tasks: list[LocalTraining]) -> list[TrainedTogether]:
    results = []
    for one in tasks:
        head.load_state_dict(start)
        loss = train_locally(head, one, CPU)
        results.append(TrainedTogether(start_of(head), loss))
    return results


@pytest.mark.parametrize("train", [SGD, ADAMW], ids=["sgd", "adamw"])
@pytest.mark.parametrize("mu", [0.0, 0.7])
@pytest.mark.parametrize("weights", [None, (0.5, 2.0)])
@pytest.mark.parametrize(
    "head", [Linear(12, 2, True), Linear(12, 2, False), Cosine(12, 2, 4.0)], ids=lambda h: str(h)[:6]
)
def test_the_weights_and_losses_are_the_same(
    head: nn.Module, weights: tuple[float, ...] | None, mu: float, train: TrainSection
) -> None:
    """Sites of six sizes: batches of one, of part and of full size, and sites that are done before others."""
    start = {
        name: p + 0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(3))
        for name, p in start_of(head).items()
    }

    def tasks() -> list[LocalTraining]:
        made = [task(site, cases, train, mu, weights) for site, cases in enumerate(SIZES)]
        return [replace(one, received=start) for one in made]

    expected = one_after_another(head, start, tasks())
    found = train_together(head, start, tasks(), CPU)
    for want, have in zip(expected, found, strict=True):
        assert isinstance(have, TrainedTogether)
        assert have.loss == pytest.approx(want.loss, rel=1e-5)
        for name in start:
            torch.testing.assert_close(have.weights[name], want.weights[name], rtol=1e-4, atol=1e-6)


def findings(site: int, cases: int) -> LocalTraining:
    """Three findings, a third of the labels unknown, weights of the site's own."""
    generator = torch.Generator().manual_seed(site)
    inputs, labels = torch.randn(cases, 12, generator=generator), torch.rand(cases, 3, generator=generator).round()
    labels[torch.rand(cases, 3, generator=generator) < 1 / 3] = torch.nan
    loss = BinaryCrossEntropy(torch.arange(1.0, 7.0) + site)
    return LocalTraining(Examples(inputs, labels), loss, SGD, SGD.lr, torch.Generator().manual_seed(site))


def survival(site: int, cases: int) -> LocalTraining:
    """Times with ties; a batch in which nobody has an event is likely."""
    generator = torch.Generator().manual_seed(site)
    time, event = torch.rand(2, cases, generator=generator)
    labels = torch.stack([(5 * time).ceil(), (event < 0.3).float()], dim=1)
    inputs = torch.randn(cases, 12, generator=generator)
    return LocalTraining(
        Examples(inputs, labels), CoxPartialLikelihood("efron"), SGD, SGD.lr, torch.Generator().manual_seed(site)
    )


@pytest.mark.parametrize(("make", "outputs"), [(findings, 3), (survival, 1)])
def test_labels_of_any_shape_are_trained_together(make: Callable[[int, int], LocalTraining], outputs: int) -> None:
    head = Linear(12, outputs, True)
    start = start_of(head)
    assert can_be_stacked(head, [make(site, 5).loss for site in range(2)])
    expected = one_after_another(head, start, [make(site, cases) for site, cases in enumerate(SIZES)])
    found = train_together(head, start, [make(site, cases) for site, cases in enumerate(SIZES)], CPU)
    for want, have in zip(expected, found, strict=True):
        assert isinstance(have, TrainedTogether)
        assert have.loss == pytest.approx(want.loss, rel=1e-5)
        for name in start:
            torch.testing.assert_close(have.weights[name], want.weights[name], rtol=1e-4, atol=1e-6)


def test_the_network_s_own_weights_and_mode_stay() -> None:
    head = Linear(12, 2, True).eval()
    before = start_of(head)
    train_together(head, before, [task(site, 20, SGD) for site in range(4)], CPU)
    assert not head.training
    assert all(torch.equal(value, before[name]) for name, value in start_of(head).items())


def test_a_site_that_diverges_is_an_error_of_its_own() -> None:
    wild = task(1, 20, SGD)
    wild.examples.stored.mul_(1e30)
    head = Linear(12, 2, False)
    found = train_together(head, start_of(head), [task(0, 20, SGD), wild, task(2, 20, SGD)], CPU)
    assert isinstance(found[1], PlanError) and "training diverged" in str(found[1])
    assert isinstance(found[0], TrainedTogether) and isinstance(found[2], TrainedTogether)
    assert all(torch.isfinite(w).all() for k in (0, 2) for w in found[k].weights.values())  # type: ignore[union-attr]


def test_groups_hold_sites_of_similar_length() -> None:
    """Batches of 8, one epoch: 12, 12, 12, 11, 10 and 9 steps are alike; 2 and 1 are not, and are too few."""
    train = replace(SGD, epochs=1)
    tasks = [task(k, cases, train) for k, cases in enumerate((96, 10, 96, 84, 80, 72, 8, 95))]
    assert groups_of(tasks) == ([[0, 2, 7, 3, 4, 5]], [1, 6])


def test_groups_go_by_the_cases_that_a_sampling_shows() -> None:
    """All have 96 cases, 12 batches of 8; undersampled to the 4 of the rarer class twice, 6 of the sites have one."""
    labels = (torch.arange(96) < 4).long()
    tasks = [
        replace(task(k, 96, replace(SGD, epochs=1)), sampler=Undersampling() if k % 2 else None) for k in range(12)
    ]
    tasks = [replace(one, examples=replace(one.examples, labels=labels)) for one in tasks]
    assert groups_of(tasks) == ([[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]], [])


def test_fewer_sites_than_pay_are_trained_by_themselves() -> None:
    assert groups_of([task(k, 20, SGD) for k in range(FEWEST - 1)]) == ([], list(range(FEWEST - 1)))


def test_a_large_crowd_is_cut_into_groups() -> None:
    groups, alone = groups_of([task(k, 20, SGD) for k in range(2 * MOST + 1)])
    assert [len(group) for group in groups] == [MOST, MOST]
    assert len(alone) == 1


def skewed(loss: Callable[[Tensor], nn.Module], sampler: Sampler | None) -> Callable[[int, int], LocalTraining]:
    """Sites with other class counts; the loss follows from them."""

    def make(site: int, cases: int) -> LocalTraining:
        generator = torch.Generator().manual_seed(site)
        labels = (torch.rand(cases, generator=generator) < 0.2 + site / 10).long()
        labels[:2] = torch.tensor([0, 1])
        examples = Examples(torch.randn(cases, 12, generator=generator) + labels[:, None], labels)
        counts = torch.bincount(labels, minlength=3).float()
        return LocalTraining(examples, loss(counts), SGD, SGD.lr, torch.Generator().manual_seed(site), sampler=sampler)

    return make


@pytest.mark.parametrize(
    ("loss", "sampler"),
    [
        (lambda counts: FocalLoss(counts), None),
        (lambda counts: LogitAdjusted(counts), None),
        (lambda counts: LDAM(None, counts), None),
        (lambda counts: CrossEntropy(None), Oversampling()),
        (lambda counts: FocalLoss(None), Undersampling()),
        (lambda counts: CrossEntropy(None), Balanced()),
    ],
    ids=["focal", "logit-adjusted", "ldam", "over", "under", "balanced"],
)
def test_losses_by_counts_and_samplings_are_trained_together(
    loss: Callable[[Tensor], nn.Module], sampler: Sampler | None
) -> None:
    head, make = Linear(12, 3, True), skewed(loss, sampler)
    start = start_of(head)
    assert can_be_stacked(head, [make(site, 5).loss for site in range(2)])
    expected = one_after_another(head, start, [make(site, cases) for site, cases in enumerate(SIZES)])
    found = train_together(head, start, [make(site, cases) for site, cases in enumerate(SIZES)], CPU)
    for want, have in zip(expected, found, strict=True):
        assert isinstance(have, TrainedTogether)
        assert have.loss == pytest.approx(want.loss, rel=1e-5)
        for name in start:
            torch.testing.assert_close(have.weights[name], want.weights[name], rtol=1e-4, atol=1e-6)


class Counting(nn.Module):
    """A loss with a buffer of another shape."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("some", torch.zeros(size))


class Plain(nn.Module):
    """A loss that holds a number, or a tensor that is no buffer."""

    def __init__(self, held: object) -> None:
        super().__init__()
        self.held = held


@pytest.mark.parametrize(
    ("network", "losses", "stackable"),
    [
        (nn.Linear(3, 2), [CrossEntropy(None), CrossEntropy(None)], True),
        (nn.Linear(3, 2), [CrossEntropy(torch.ones(2)), CrossEntropy(torch.zeros(2))], True),
        (nn.Linear(3, 2), [CrossEntropy(torch.ones(2)), CrossEntropy(None)], False),
        (nn.Linear(3, 2), [Counting(2), Counting(3)], False),
        (nn.Linear(3, 2), [nn.functional.cross_entropy], False),
        (nn.Linear(3, 2), [Plain(2.0), Plain(2.0)], True),
        (nn.Linear(3, 2), [Plain(2.0), Plain(3.0)], False),
        (nn.Linear(3, 2), [Plain(torch.ones(2)), Plain(torch.ones(2))], False),
        (nn.BatchNorm1d(3), [CrossEntropy(None)], False),
        (nn.Linear(3, 2).requires_grad_(False), [CrossEntropy(None)], False),
    ],
)
def test_what_can_be_stacked(network: nn.Module, losses: list[object], stackable: bool) -> None:
    assert can_be_stacked(network, losses) is stackable
