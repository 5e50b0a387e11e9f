"""Personal training on networks small enough to follow: what moves, what is held, and how far a copy may go."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from fedgraft.client.features.examples import Examples
from fedgraft.client.training.loop import LocalTraining, train_locally
from fedgraft.client.training.personalisation import NetworkTraining, train_round
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.personalisation import FinishesModel, KeepsTensors, TrainsCopy, TrainsItsOwnWay
from fedgraft.common.personalisation.ditto import Ditto
from fedgraft.common.personalisation.fedper import FedPer
from fedgraft.common.personalisation.fedrep import FedRep
from fedgraft.common.personalisation.finetune import FineTune
from fedgraft.common.plan.sections import TrainSection

CPU = torch.device("cpu")
TRAIN = TrainSection("sgd", 0.1, 0.0, 0.0, 8, 1, "constant")


class Small(nn.Module):
    """``(B, 3) -> (B, 2)``."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.body, self.head = nn.Linear(3, 3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(torch.tanh(self.body(x)))
        return logits


def task_of(**more: object) -> LocalTraining:
    generator = torch.Generator().manual_seed(0)
    examples = Examples(torch.randn(8, 3, generator=generator), torch.tensor([0, 1] * 4))
    task = LocalTraining(examples, nn.functional.cross_entropy, TRAIN, 0.1, torch.Generator().manual_seed(0))
    return replace(task, **more)  # type: ignore[arg-type]


def training(network: nn.Module, task: LocalTraining) -> NetworkTraining:
    return NetworkTraining(network, task, CPU)


def state(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def step(network: Small, names: str) -> dict[str, Tensor]:
    """By hand: one step of plain gradient descent over all 8 cases, of the parameters whose names start so."""
    task = task_of()
    loss = nn.functional.cross_entropy(network(task.examples.inputs), task.examples.labels)
    chosen = {name: p for name, p in network.named_parameters() if name.startswith(names)}
    gradients = torch.autograd.grad(loss, list(chosen.values()))
    return {name: (p - 0.1 * g).detach() for (name, p), g in zip(chosen.items(), gradients, strict=True)}


def test_fedrep_fits_the_head_first_and_then_the_body_to_that_head() -> None:
    network, by_hand = Small(), Small()
    with torch.no_grad():
        for part in ("head", "head", "body"):
            with torch.enable_grad():
                moved = step(by_hand, part)
            by_hand.load_state_dict({**by_hand.state_dict(), **moved})
    FedRep(head_epochs=2).train(training(network, task_of()))
    for name, tensor in by_hand.state_dict().items():
        assert torch.allclose(network.state_dict()[name], tensor, atol=1e-6), name


def test_fedreps_loss_is_the_mean_over_the_epochs_of_both() -> None:
    first, second = Small(), Small()
    task = task_of()
    held = {name: 0.0 for name, _ in first.named_parameters() if name.startswith("body")}
    head = train_locally(first, replace(task, rates=held), CPU)
    free = {name: 0.0 for name, _ in first.named_parameters() if name.startswith("head")}
    body = train_locally(first, replace(task_of(), rates=free), CPU)
    found = FedRep(head_epochs=1).train(training(second, task_of()))
    assert found == pytest.approx((head + body) / 2)


def test_fedrep_leaves_a_body_that_is_held_in_this_round() -> None:
    network = Small()
    before = state(network)
    rates = {"body.weight": 0.0, "body.bias": 0.0}
    FedRep(head_epochs=1).train(training(network, task_of(rates=rates)))
    assert torch.equal(network.body.weight, before["body.weight"])
    assert not torch.equal(network.head.weight, before["head.weight"])


def test_fedper_trains_as_without_it() -> None:
    network, plain = Small(), Small()
    assert train_round(FedPer(), training(network, task_of())) == train_locally(plain, task_of(), CPU)
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in plain.state_dict().items())


def test_dittos_copy_takes_the_step_of_its_equation() -> None:
    """v - lr (gradient + mu (v - w)), from a copy that is 1 off the shared model in the head's bias."""
    shared, copy = Small(), Small()
    with torch.no_grad():
        copy.head.bias += 1.0
    expected = step(copy, "")
    expected["head.bias"] = expected["head.bias"] - 0.1 * 2.0 * 1.0
    Ditto(mu=2.0).train_copy(training(copy, task_of(received=state(shared), mu=7.0)))
    for name, tensor in expected.items():
        assert torch.allclose(copy.state_dict()[name], tensor, atol=1e-6), name


def test_dittos_shared_model_is_trained_as_without_it() -> None:
    network, plain = Small(), Small()
    assert train_round(Ditto(mu=1.0), training(network, task_of())) == train_locally(plain, task_of(), CPU)


def test_a_large_mu_keeps_dittos_copy_near_the_shared_model() -> None:
    def away(mu: float) -> float:
        copy = Small()
        task = task_of(received=state(copy), train=replace(TRAIN, epochs=20), lr=0.01)
        Ditto(mu=mu).train_copy(training(copy, task))
        return float(sum(((copy.state_dict()[n] - w) ** 2).sum() for n, w in Small().state_dict().items()))

    assert away(50.0) < 0.1 * away(0.01)


def test_dittos_epochs_are_its_own() -> None:
    one, three = Small(), Small()
    Ditto(mu=0.1, epochs=3).train_copy(training(one, task_of(received=state(one))))
    task = task_of(received=state(three), mu=0.1, train=replace(TRAIN, epochs=3))
    train_locally(three, task, CPU)
    assert torch.equal(one.head.weight, three.head.weight)


def test_finetuning_goes_on_from_the_final_model_at_its_own_rate_without_a_proximal_term() -> None:
    network, plain = Small(), Small()
    FineTune(epochs=2, lr=0.5).finish(training(network, task_of(mu=9.0, received=state(network))))
    train_locally(plain, task_of(lr=0.5, train=replace(TRAIN, epochs=2)), CPU)
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in plain.state_dict().items())


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: FedRep(head_epochs=0), "personal.head_epochs=0 must be 1 or more; without it use personal=fedper"),
        (lambda: Ditto(mu=0.0), "personal.mu=0 must be above 0"),
        (lambda: Ditto(mu=1.0, epochs=0), "personal.epochs=0 must be 1 or more, or null for train.epochs"),
        (lambda: FineTune(epochs=0), "personal.epochs=0 must be 1 or more; without it use personal=none"),
        (lambda: FineTune(epochs=1, lr=0.0), "personal.lr=0 must be above 0, or null for the rate of the last round"),
    ],
)
def test_an_option_without_sense_is_refused(build: object, words: str) -> None:
    with pytest.raises(PlanError, match=words):
        build()  # type: ignore[operator]


def test_each_says_what_it_does_and_nothing_more() -> None:
    kinds = FedPer(), FedRep(head_epochs=1), FineTune(epochs=1), Ditto(mu=1.0)
    does = {KeepsTensors: "FedPer FedRep", TrainsItsOwnWay: "FedRep", FinishesModel: "FineTune", TrainsCopy: "Ditto"}
    for capability, names in does.items():
        assert [type(kind).__name__ for kind in kinds if isinstance(kind, capability)] == names.split()


def test_budgets_by_hand() -> None:
    """2 rounds of 4 epochs: 8 epochs of the shared model, and what each trains beside them."""
    kinds = FedPer(), FedRep(head_epochs=1), FineTune(epochs=4), Ditto(mu=1.0), Ditto(mu=1.0, epochs=2)
    assert [kind.budget(rounds=2, epochs=4) for kind in kinds] == [1, 10 / 8, 12 / 8, 16 / 8, 12 / 8]
