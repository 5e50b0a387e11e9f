"""Evaluation of a split."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fedgraft.client.features.examples import Examples
from fedgraft.client.training.evaluation import evaluate_split, evaluate_splits, predict
from fedgraft.common.tasks.classification import Classification

CPU = torch.device("cpu")
TWO = Classification(("clear", "lesion"))


class Echo(nn.Module):
    """Logits are the inputs; remembers its mode."""

    def __init__(self) -> None:
        super().__init__()
        self.modes: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.modes.append(self.training)
        return x


@pytest.mark.parametrize("together", [False, True])
def test_of_several_views_the_mean_of_the_outputs_counts(together: bool) -> None:
    """Two cases of two views: by view 0 alone case 0 would be of class 1, by the mean of both it is of class 0."""
    rows = torch.tensor([[0.0, 1.0], [3.0, 0.0], [0.0, 2.0], [0.0, 1.0]])
    examples = Examples(rows, torch.tensor([0, 1]), torch.tensor([[0, 1], [2, 3]]))
    splits = [examples, examples] if together else [examples]
    for found in evaluate_splits(Echo(), splits, CPU, TWO):
        assert found is not None
        assert found.confusion.tolist() == [[1, 0], [0, 1]]
    (first,) = evaluate_splits(Echo(), [examples.of_view(0)], CPU, TWO)
    assert first is not None
    assert first.confusion.tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize("cases", [1, 255, 256, 257, 700])
def test_predictions_are_those_of_the_network_in_order(cases: int) -> None:
    inputs = torch.randn(cases, 4)
    network = nn.Linear(4, 2)
    with torch.no_grad():
        expected = network(inputs)
    given = predict(network, Examples(inputs, torch.zeros(cases, dtype=torch.int64)), CPU)
    torch.testing.assert_close(given, expected)
    assert not given.requires_grad


def test_predictions_of_many_batches_are_plain_tensors_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of five rows of three numbers, four and one are computed at once; the result can be trained on."""
    monkeypatch.setattr("fedgraft.client.training.evaluation._NUMBERS_AT_ONCE", 12)
    rows = torch.arange(15.0).reshape(5, 3)
    found = predict(network := Echo(), Examples(rows, torch.zeros(5)), CPU)
    assert torch.equal(found, rows)
    assert len(network.modes) == 2
    assert not found.is_inference()


def test_predictions_are_made_in_eval_mode() -> None:
    network = Echo().train()
    predict(network, Examples(torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64)), CPU)
    assert network.modes == [False]


def test_dropout_and_batch_statistics_do_not_act() -> None:
    network = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.9)).train()
    examples = Examples(torch.randn(5, 2), torch.zeros(5, dtype=torch.int64))
    first = predict(network, examples, CPU)
    assert torch.equal(first, predict(network, examples, CPU))
    assert network[0].num_batches_tracked.item() == 0


def test_four_cases_by_hand() -> None:
    inputs = torch.tensor([[0.0, -1.0], [0.0, 2.0], [0.0, 1.0], [0.0, 3.0]])
    found = evaluate_split(Echo(), Examples(inputs, torch.tensor([0, 0, 1, 1])), CPU, TWO)
    assert found is not None
    assert found.confusion.tolist() == [[1, 1], [0, 2]]
    assert found.figures()["auroc"] == pytest.approx(3 / 4)


def test_a_split_without_cases_has_no_evaluation() -> None:
    assert evaluate_split(Echo(), Examples(torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64)), CPU, TWO) is None
