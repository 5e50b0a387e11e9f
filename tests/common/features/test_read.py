"""Reading modules on the way of one pass: what is read, how often the network runs, and what can't be read."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fedgraft.common.errors import PlanError
from fedgraft.common.features.positions import Layout
from fedgraft.common.features.read import groups, read
from fedgraft.common.features.taps import TapReading

PLAIN = Layout(channels_last=False, leading=0)


class Twice(nn.Module):
    """Calls ``again`` twice, ``never`` not at all, and ``pair`` gives a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.again, self.never, self.pair = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2), Pair()
        self.passes = 0

    def forward(self, inputs: Tensor) -> Tensor:
        self.passes += 1
        found: Tensor = self.again(self.again(self.first(inputs)))
        return found + self.pair(found)[0]


class Pair(nn.Module):
    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        return inputs, inputs


def of(*modules: str) -> TapReading:
    return TapReading(modules, ("mean",), PLAIN)


def test_it_takes_a_single_pass() -> None:
    network = Twice()
    read(network, of("first"), torch.zeros(3, 2))
    assert network.passes == 1
    assert not any(module._forward_hooks for module in network.modules()), "nothing is left behind"


def test_a_layer_that_follows_a_module_is_in_what_is_read() -> None:
    network = Twice()
    network.first.register_forward_hook(lambda module, inputs, output: 3 * output)
    inputs = torch.randn(3, 2)
    torch.testing.assert_close(read(network, of("first"), inputs), 3 * nn.functional.linear(inputs, *pair_of(network)))


def pair_of(network: Twice) -> tuple[Tensor, Tensor]:
    return network.first.weight, network.first.bias


@pytest.mark.parametrize(("module", "times"), [("again", 2), ("never", 0), ("pair", 0)])
def test_what_can_not_be_read_is_named(module: str, times: int) -> None:
    words = f"features: {module} can't be read: a pass through the network calls it {times} times, or it gives more"
    with pytest.raises(PlanError, match=words):
        read(Twice(), of("first", module), torch.zeros(3, 2))


def test_groups_are_measured_by_a_blank_case() -> None:
    found = groups(Twice(), of("first"), torch.zeros(1, 2))
    assert [(group.name, group.width) for group in found] == [("first", 2)]


def test_gradients_flow_through_what_is_read() -> None:
    network = Twice()
    read(network, of("first"), torch.ones(3, 2)).sum().backward()
    assert network.first.bias.grad is not None and network.first.bias.grad.tolist() == [3.0, 3.0]
    assert network.again.bias.grad is None
