"""The constant part of a network: what training can't change, and is computed once per case.

It ends behind the backbone (features are kept), behind a stage (its output is kept, and the network is started there),
or before the first stage (the normalised images are kept). What is left is trained on what was kept.
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

FEATURES, IMAGES = "features", "images"


@dataclass(frozen=True)
class Constant:
    """Where the constant part ends.

    Attributes:
        what: `FEATURES`, ``stage <name>`` or `IMAGES`; names what is kept.
        shape: of what is kept of one case.
        compute: normalised images ``(B, C, S, S)`` -> what is kept of them ``(B, *shape)``; no gradients.
        trained: ``(B, *shape) -> (B, classes)``, what training runs.
        prefix: what the model's state puts before the names of ``trained``'s parameters.
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
    """The network from its cut on: ``(B, *cut.shape) -> (B, classes)``; parameters and names are the network's."""

    def __init__(self, network: Network, cut: Cut) -> None:
        super().__init__()
        self.backbone = network.backbone
        self.adapters = network.adapters
        self.head = network.head
        self._whole = (network,)  # in a tuple: not a submodule a second time
        self._cut = cut

    def forward(self, kept: Tensor) -> Tensor:
        logits: Tensor = self.head(self._cut.replay(self.backbone, kept))
        return logits

    def train(self, mode: bool = True) -> Tail:
        self._whole[0].train(mode)
        self.training = mode
        return self


def up_to_the_head(network: Network, width: int) -> Constant:
    """Nothing before the head can change: its features are kept."""

    def compute(images: Tensor) -> Tensor:
        network.eval()
        with torch.inference_mode():
            features: Tensor = network.backbone(images)
        return features

    return Constant(FEATURES, (width,), compute, network.head, HEAD)


def up_to_a_stage(network: Network, cut: Cut) -> Constant:
    """Nothing up to the cut can change: the output there is kept."""

    def compute(images: Tensor) -> Tensor:
        network.eval()
        return cut.keep(network.backbone, images)

    return Constant(f"stage {cut.stage}", cut.shape, compute, Tail(network, cut))


def nothing(network: Network, spec: Shaped) -> Constant:
    """Even the first stage can change (or keeping is switched off): the images are kept."""
    return Constant(IMAGES, spec.shape, lambda images: images, network)
