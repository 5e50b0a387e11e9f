"""Tent: surer of unlabelled cases, by norms and layers alone; a model that drifts comes back as it was."""

from __future__ import annotations

import logging
import math

import pytest
import torch
from torch import Tensor, nn

from fedgraft.common.adaptation.tent import Tent, entropy, moved_by
from fedgraft.common.errors import PlanError


class Small(nn.Module):
    """A norm between two frozen layers, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(2, 2, bias=False), nn.BatchNorm1d(2))
        self.head = nn.Linear(2, 2)
        with torch.no_grad():
            self.backbone[0].weight.copy_(torch.eye(2))  # type: ignore[operator]
            self.head.weight.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
            self.head.bias.zero_()
        self.requires_grad_(False)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.backbone(inputs))
        return outputs


CASES = torch.tensor([[1.0, 0.0], [-1.0, 0.5], [2.0, 1.0], [-2.0, -1.0]])
"""As many of one side as of the other: a larger scale makes the model surer, and moves no share."""


def test_the_entropy_of_two_equal_logits_is_the_logarithm_of_two() -> None:
    assert float(entropy(torch.zeros(3, 2))) == pytest.approx(math.log(2))
    sure = torch.tensor([[math.log(3.0), 0.0]])  # shares of 3/4 and 1/4
    assert float(entropy(sure)) == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))


def test_it_grows_surer_by_the_norms_alone_and_keeps_their_statistics() -> None:
    network = Small()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    unsure = float(entropy(network.eval()(CASES)))
    Tent(lr=0.01, passes=20, drift=0.1)(network, [CASES])
    assert float(entropy(network(CASES))) < unsure - 0.01
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert "backbone.1.weight" in changed and changed <= {"backbone.1.weight", "backbone.1.bias"}
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in network.parameters())


def test_a_model_that_calls_all_cases_alike_comes_back_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    network, lopsided = Small(), torch.tensor([[1.0, 0.0], [0.8, 0.0], [0.6, 0.0], [-0.1, 0.0]])
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with caplog.at_level(logging.WARNING):
        Tent(lr=0.5, passes=40, drift=0.1)(network, [lopsided])
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert "adapt=tent: the shares of predicted classes moved by 0." in caplog.text
    assert "more than adapt.drift=0.1: the model is used as it came" in caplog.text


def test_layers_are_moved_too() -> None:
    network = nn.ModuleDict({"backbone": nn.Linear(2, 2), "adapters": nn.ModuleDict({"stem": nn.Linear(2, 2)})})
    assert [tuple(parameter.shape) for parameter in moved_by(network)] == [(2, 2), (2,)]


def test_a_network_with_nothing_to_move_is_refused() -> None:
    with pytest.raises(
        PlanError, match="adapt=tent has no effect: the network has neither norms with a scale and shift"
    ):
        Tent(lr=0.1, passes=1, drift=0.1).require_effect(nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("lr", "passes", "drift", "said"),
    [
        (0.0, 1, 0.1, r"adapt.lr=0.0 must be above 0"),
        (0.1, 0, 0.1, r"adapt.passes=0 must be 1 or more"),
        (0.1, 1, 0.0, r"adapt.drift=0.0 must be above 0 and at most 1"),
    ],
)
def test_an_option_out_of_range_is_refused(lr: float, passes: int, drift: float, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        Tent(lr, passes, drift)
