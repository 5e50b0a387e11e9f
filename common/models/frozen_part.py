"""The constant part of a network: what training can't change, so that its output is computed once per case and kept.

It ends behind the backbone (features are kept), behind a stage (the stage's output is kept), or before the first stage
(the inputs are kept). Training runs the rest of the network on the kept outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fedgraft.common.interfaces.inputs import Shaped
from fedgraft.common.interfaces.roles import HEAD
from fedgraft.common.models.cut import Cut
from fedgraft.common.models.network import Network

FEATURES, INPUTS = "features", "inputs"


@dataclass(frozen=True)
class Constant:
    """Where the constant part ends.

    Attributes:
        what: name of the kept output: `FEATURES`, ``stage <name>`` or `INPUTS`.
        shape: of the kept output of one case.
        compute: the constant part: inputs ``(B, *spec.shape)`` -> ``(B, *shape)``, without gradients.
        trained: the rest of the network: ``(B, *shape) -> (B, outputs)``.
        prefix: of the names of ``trained``'s parameters in the model's state.
    """

    what: str
    shape: tuple[int, ...]
    compute: Callable[[Tensor], Tensor]
    trained: nn.Module
    prefix: str = ""

    def own_name(self, name: str) -> str:
        """A tensor's name in ``trained``, from its name in the model's state."""
        return name.removeprefix(self.prefix)


class Tail(nn.Module):
    """The network behind a cut: ``(B, *cut.shape) -> (B, outputs)``; it shares the network's parameters and names."""

    def __init__(self, network: Network, cut: Cut) -> None:
        super().__init__()
        self.backbone = network.backbone
        self.adapters = network.adapters
        self.head = network.head
        self._whole = (network,)  # in a tuple, so that it is not registered as a submodule
        self._cut = cut

    def forward(self, kept: Tensor) -> Tensor:
        logits: Tensor = self.head(self._cut.replay(self.backbone, kept))
        return logits

    def train(self, mode: bool = True) -> Tail:
        self._whole[0].train(mode)
        self.training = mode
        return self


def up_to_the_head(network: Network, width: int, layout: torch.memory_format) -> Constant:
    """The constant part is the whole backbone: features are kept, and the head is trained. ``layout``: of a batch."""

    def compute(inputs: Tensor) -> Tensor:
        network.eval()
        with torch.inference_mode():
            features: Tensor = network.backbone(inputs.contiguous(memory_format=layout))
        return features

    return Constant(FEATURES, (width,), compute, network.head, HEAD)


def up_to_a_stage(network: Network, cut: Cut, layout: torch.memory_format) -> Constant:
    """The constant part ends at the cut: the output there is kept. ``layout``: of a batch of inputs."""

    def compute(inputs: Tensor) -> Tensor:
        network.eval()
        return cut.keep(network.backbone, inputs.contiguous(memory_format=layout))

    return Constant(f"stage {cut.stage}", cut.shape, compute, Tail(network, cut))


def nothing(network: Network, spec: Shaped) -> Constant:
    """There is no constant part, since the first stage can change or ``engine.keep`` is false: the inputs are kept."""
    return Constant(INPUTS, spec.shape, lambda inputs: inputs, network)
