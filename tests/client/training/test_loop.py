"""The local loop: one step by hand, the proximal term, the schedule, the batches, and divergence."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.client.features.examples import Examples
from fedgraft.client.training.loop import LocalTraining, count_steps, train_locally
from fedgraft.client.training.schedules import learning_rate
from fedgraft.common.errors import PlanError
from fedgraft.common.plan.sections import TrainSection

SGD = TrainSection("sgd", lr=0.1, momentum=0.0, weight_decay=0.0, batch_size=32, epochs=1, schedule="constant")
CPU = torch.device("cpu")


class Recorder(nn.Module):
    """A linear layer without bias that remembers the sizes of its batches and whether it was in train mode."""

    def __init__(self, weight: list[list[float]]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))
        self.sizes: list[int] = []
        self.modes: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.sizes.append(len(x))
        self.modes.append(self.training)
        return functional.linear(x, self.weight)


def some(cases: int, seed: int = 0) -> Examples:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(cases, 4, generator=generator)
    return Examples(inputs, (inputs[:, 0] > 0).long())


def fit(network: nn.Module, examples: Examples, train: TrainSection, mu: float = 0.0, seed: int = 0) -> float:
    received = {name: p.detach().clone() for name, p in network.named_parameters()}
    generator = torch.Generator().manual_seed(seed)
    loss = functional.cross_entropy
    return train_locally(network, LocalTraining(examples, loss, train, train.lr, generator, mu, received), CPU)


def two_by_four() -> Recorder:
    return Recorder([[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 0.0, 0.0]])


def test_one_step_of_sgd_by_hand() -> None:
    network = Recorder([[0.0, 0.0], [0.0, 0.0]])
    # logits 0: p = 1/2; gradient of the logits (p - y) = (-1/2, 1/2) for label 0; times x = (2, 4); lr 0.1
    loss = fit(network, Examples(torch.tensor([[2.0, 4.0]]), torch.tensor([0])), SGD)
    torch.testing.assert_close(network.weight.detach(), torch.tensor([[0.1, 0.2], [-0.1, -0.2]]))
    assert loss == pytest.approx(0.6931472)


def test_weight_decay_by_hand() -> None:
    network = Recorder([[1.0, 0.0], [1.0, 0.0]])
    # equal logits: the data's gradient is (-1/2, 1/2) * (2, 0); decay adds 0.5 * w
    fit(network, Examples(torch.tensor([[2.0, 0.0]]), torch.tensor([0])), replace(SGD, weight_decay=0.5))
    torch.testing.assert_close(network.weight.detach(), torch.tensor([[1 + 0.1 - 0.05, 0.0], [1 - 0.1 - 0.05, 0.0]]))


def test_momentum_starts_afresh_every_round() -> None:
    train = replace(SGD, momentum=0.9)
    once, plain = two_by_four(), two_by_four()
    fit(once, some(8), train)
    fit(plain, some(8), SGD)
    assert torch.equal(once.weight, plain.weight)  # a first step has no momentum yet


@pytest.mark.parametrize("mu", [0.0, 0.7])
def test_the_proximal_term_by_hand(mu: float) -> None:
    """At the first step the term has no gradient; at the second it pulls by mu times the way gone."""
    network, examples = Recorder([[0.0, 0.0], [0.0, 0.0]]), Examples(torch.tensor([[2.0, 4.0]]), torch.tensor([0]))
    fit(network, examples, replace(SGD, epochs=2), mu)
    first = torch.tensor([[0.1, 0.2], [-0.1, -0.2]])
    p = torch.softmax(first @ torch.tensor([2.0, 4.0]), 0)
    gradient = torch.outer(p - torch.tensor([1.0, 0.0]), torch.tensor([2.0, 4.0])) + mu * first
    torch.testing.assert_close(network.weight.detach(), first - 0.1 * gradient)


def test_mu_of_zero_is_plain_training() -> None:
    with_term, without = two_by_four(), two_by_four()
    fit(with_term, some(40), replace(SGD, epochs=3, batch_size=8), mu=0.0)
    loss, generator = functional.cross_entropy, torch.Generator().manual_seed(0)
    train_locally(without, LocalTraining(some(40), loss, replace(SGD, epochs=3, batch_size=8), 0.1, generator), CPU)
    assert torch.equal(with_term.weight, without.weight)


def test_a_larger_mu_keeps_the_weights_nearer_to_the_received_ones() -> None:
    ways = []
    for mu in (0.0, 1.0, 5.0, 9.0):
        network = two_by_four()
        fit(network, some(40), replace(SGD, epochs=30, batch_size=8), mu)
        ways.append(float((network.weight.detach() - two_by_four().weight.detach()).norm()))
    assert ways == sorted(ways, reverse=True)
    assert ways[-1] < 0.1 * ways[0]


def test_the_loss_that_is_returned_is_without_the_proximal_term() -> None:
    far = {"weight": torch.full((2, 4), 100.0)}
    losses = [
        train_locally(
            two_by_four(),
            LocalTraining(
                some(8),
                functional.cross_entropy,
                replace(SGD, lr=1e-9),
                1e-9,
                torch.Generator().manual_seed(0),
                mu,
                far,
            ),
            CPU,
        )
        for mu in (0.0, 10.0)
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_the_loss_is_the_mean_over_cases_not_batches() -> None:
    network, examples = two_by_four(), some(10)
    with torch.no_grad():
        expected = float(functional.cross_entropy(two_by_four()(examples.inputs), examples.labels))
    assert fit(network, examples, replace(SGD, lr=1e-9, batch_size=4)) == pytest.approx(expected, abs=1e-6)


def test_cosine_schedule_by_hand() -> None:
    train = replace(SGD, lr=0.8, schedule="cosine")
    rates = [learning_rate(train, server_round, 4) for server_round in (1, 2, 3, 4)]
    # 0.4 * (1 + cos(0, 45, 90, 135 degrees))
    assert rates == pytest.approx([0.8, 0.4 * (1 + 0.5**0.5), 0.4, 0.4 * (1 - 0.5**0.5)])


def test_a_cosine_schedule_of_one_round_starts_at_the_rate() -> None:
    assert learning_rate(replace(SGD, schedule="cosine"), 1, 1) == pytest.approx(0.1)


def test_a_constant_schedule() -> None:
    assert {learning_rate(SGD, server_round, 5) for server_round in range(1, 6)} == {0.1}


@pytest.mark.parametrize(
    ("cases", "batch_size", "sizes"),
    [(9, 4, [4, 5]), (8, 4, [4, 4]), (10, 4, [4, 4, 2]), (5, 4, [5]), (1, 4, [1]), (3, 1, [1, 2]), (4, 32, [4])],
)
def test_a_batch_of_one_joins_the_one_before(cases: int, batch_size: int, sizes: list[int]) -> None:
    network = two_by_four()
    fit(network, some(cases), replace(SGD, batch_size=batch_size))
    assert network.sizes == sizes
    assert count_steps(cases, replace(SGD, batch_size=batch_size)) == len(sizes)
    assert count_steps(cases, replace(SGD, batch_size=batch_size, epochs=3)) == 3 * len(sizes)


def test_every_epoch_sees_every_case_once_in_another_order() -> None:
    class Listener(Recorder):
        seen: list[float]

        def forward(self, x: Tensor) -> Tensor:
            self.seen = [*getattr(self, "seen", []), *x[:, 0].tolist()]
            return super().forward(x)

    network, examples = Listener([[0.0] * 4] * 2), some(12)
    fit(network, examples, replace(SGD, epochs=2, batch_size=4))
    first, second = network.seen[:12], network.seen[12:]
    assert sorted(first) == sorted(second) == sorted(examples.inputs[:, 0].tolist())
    assert first != second


def test_the_order_depends_on_the_generator_only() -> None:
    train = replace(SGD, batch_size=4, epochs=2)
    same, again, other = two_by_four(), two_by_four(), two_by_four()
    torch.manual_seed(1)
    fit(same, some(20), train, seed=5)
    torch.manual_seed(2)
    fit(again, some(20), train, seed=5)
    fit(other, some(20), train, seed=6)
    assert torch.equal(same.weight, again.weight)
    assert not torch.equal(same.weight, other.weight)


def test_the_network_is_in_train_mode_while_training_and_in_eval_mode_after() -> None:
    network = two_by_four()
    fit(network, some(4), SGD)
    assert set(network.modes) == {True}
    assert not network.training


def test_what_needs_no_gradient_stays() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    network[0].requires_grad_(False)
    before = network[0].weight.clone()
    fit(network, some(8), replace(SGD, weight_decay=0.1))
    assert torch.equal(network[0].weight, before)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_optimizer_equals_torch_s_own(optimizer: str) -> None:
    train = replace(SGD, optimizer=optimizer, momentum=0.5 if optimizer == "sgd" else 0.0, weight_decay=0.01, epochs=5)
    ours, plain = two_by_four(), two_by_four()
    fit(ours, some(16), train)
    reference = (
        torch.optim.SGD(plain.parameters(), 0.1, momentum=0.5, weight_decay=0.01)
        if optimizer == "sgd"
        else torch.optim.AdamW(plain.parameters(), 0.1, weight_decay=0.01)
    )
    for _ in range(5):  # one batch holds all cases, so that the order does not matter but for rounding
        reference.zero_grad()
        functional.cross_entropy(plain(some(16).inputs), some(16).labels).backward()
        reference.step()
    torch.testing.assert_close(ours.weight, plain.weight, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("lr", [1e20, 1e38])
def test_divergence_is_an_error_that_names_the_learning_rate(lr: float) -> None:
    with pytest.raises(PlanError, match=r"training diverged: .*train\.lr=1e\+\d\d; lower train\.lr"):
        fit(two_by_four(), some(40), replace(SGD, lr=lr, batch_size=4, epochs=3, weight_decay=0.5))


def test_a_rate_of_zero_rests_and_costs_no_gradient() -> None:
    """Its gradient is never computed while training, and it can be trained again after."""
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    before = network[0].weight.detach().clone()
    seen: list[bool] = []
    network[0].register_forward_hook(lambda module, given, output: seen.append(output.requires_grad))
    task = LocalTraining(
        some(8), functional.cross_entropy, SGD, SGD.lr, torch.Generator(), rates={"0.weight": 0, "0.bias": 0}
    )
    train_locally(network, task, CPU)
    assert seen == [False]
    assert torch.equal(network[0].weight, before)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_a_rate_is_a_factor_of_the_round_s() -> None:
    """Of two equal steps of SGD, that of the weight with a tenth of the rate is a tenth as long."""
    once, slower = two_by_four(), two_by_four()
    start = once.weight.detach().clone()
    for network, rates in ((once, {}), (slower, {"weight": 0.1})):
        task = LocalTraining(
            some(8), functional.cross_entropy, SGD, SGD.lr, torch.Generator().manual_seed(0), rates=rates
        )
        train_locally(network, task, CPU)
    torch.testing.assert_close(10 * (slower.weight.detach() - start), once.weight.detach() - start)


def two_stages() -> nn.Sequential:
    """Two stages with a batch norm and a dropout each, and a head."""

    def stage() -> nn.Sequential:
        return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))

    return nn.Sequential(stage(), stage(), nn.Linear(4, 2))


def test_what_rests_is_in_eval_mode_with_its_norms_and_dropouts() -> None:
    """The first stage waits for its turn: all that it does to a case is what it does when it is evaluated."""
    network = two_stages()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    rates = {name: 0.0 for name, _ in network.named_parameters() if name.startswith("0.")}
    seen: list[Tensor] = []
    network[0].register_forward_hook(lambda module, given, output: seen.append(output))
    task = LocalTraining(some(8), functional.cross_entropy, SGD, SGD.lr, torch.Generator().manual_seed(0), rates=rates)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    train_locally(network, task, CPU)
    after = network.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items() if name.startswith("0."))
    assert int(after["1.1.num_batches_tracked"]) == 1
    assert not torch.equal(after["1.1.running_mean"], before["1.1.running_mean"])
    torch.testing.assert_close(seen[0], network[0](some(8).inputs[order]))  # which is in eval mode now


def test_a_module_of_which_a_part_is_trained_does_not_rest() -> None:
    network = two_stages()
    rates = {name: 0.0 for name, _ in network.named_parameters() if not name.startswith("0.1.")}
    train_locally(
        network, LocalTraining(some(8), functional.cross_entropy, SGD, SGD.lr, torch.Generator(), rates=rates), CPU
    )
    tracked = {name: int(value) for name, value in network.state_dict().items() if name.endswith("tracked")}
    assert tracked == {"0.1.num_batches_tracked": 1, "1.1.num_batches_tracked": 0}
